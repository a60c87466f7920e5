"""What happens to users and tokens, in words."""

from typing import Final

from ledger.event_types import declare

USER_CREATED: Final = declare("user.made", "User created")
USER_CHANGED: Final = declare("user.changed", "User changed: {changed}", short="user changed")
PASSWORD_SET: Final = declare("user.password_set", "Password set")
TOKEN_ISSUED: Final = declare("token.issued", "Token {name} issued", short="token issued")
TOKEN_REVOKED: Final = declare("token.revoked", "Token {name} revoked", short="token revoked")
