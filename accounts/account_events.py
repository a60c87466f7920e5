"""What happens to users and tokens, in words; and how it is written down."""

from typing import Any, Final

from ledger import audit, events
from ledger.event_types import EventType, declare

USER_CREATED: Final = declare("user.made", "User created")
USER_CHANGED: Final = declare("user.changed", "User changed: {changed}", short="user changed")
PASSWORD_SET: Final = declare("user.password_set", "Password set")
TOKEN_ISSUED: Final = declare("token.issued", "Token {name} issued", short="token issued")
TOKEN_REVOKED: Final = declare("token.revoked", "Token {name} revoked", short="token revoked")


def note(by: audit.AuditedActor, event: EventType, *things: audit.Thing, **details: Any) -> None:
    """Write an act to the timelines and to the audit trail, in its own transaction.

    Changes of who may do what are Security Alerts (PS3.15 A.5.3.11).
    """
    events.record(event, about=things, actor=by, **details)
    audit.note(by, audit.SECURITY_ALERT, audit.UPDATE, *things, ("act", event.kind), act=event.say(details))
