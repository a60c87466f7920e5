"""Bearer tokens: issue, list, revoke. The text of a token is shown once and never kept.

The caller opens the transaction; the act is written to timeline and audit trail in it.
"""

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from accounts import account_events
from accounts.actor import Actor
from accounts.models import Token, User
from ledger.errors import Conflict, Missing


def listed(*, user: User | None = None, revoked: bool = False) -> QuerySet[Token]:
    """Valid tokens, or with `revoked` those that are not; the newest first."""
    rows = Token.objects.select_related("user").filter(revoked_at__isnull=not revoked)
    return (rows if user is None else rows.filter(user=user)).order_by("-created_at", "-id")


def issue(*, by: Actor, user: User, name: str) -> tuple[Token, str]:
    """Make a token; return it with its text. Raises `Conflict` for a user who may not sign in."""
    assert connection.in_atomic_block
    by.require("user.manage")
    name = "".join(letter for letter in name if letter.isprintable()).strip()[:100]
    if not name:
        raise Missing("Name the token after what will use it, such as the program's name.", "name")
    if not user.is_active:
        raise Conflict(f"{user.username} is not active, so a token would not work.", "user")
    text = Token.issue(user=user, name=name)
    token = Token.objects.get(digest=Token.digest_of(text))
    things = ("user", user.public_id), ("token", token.public_id)
    account_events.note(by, account_events.TOKEN_ISSUED, *things, name=token.name)
    return token, text


def revoke(token: Token, *, by: Actor) -> None:
    """End a token; from now on nobody gets in with it. Raises `Conflict` if it has ended already."""
    assert connection.in_atomic_block
    by.require("user.manage")
    if not Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        raise Conflict("This token was revoked already.", "token")
    token.refresh_from_db()
    things = ("user", token.user.public_id), ("token", token.public_id)
    account_events.note(by, account_events.TOKEN_REVOKED, *things, name=token.name)
