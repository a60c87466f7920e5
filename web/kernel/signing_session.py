"""Since when nobody has worked in a session that has a signing PIN."""

from datetime import UTC, datetime
from typing import Final

from django.contrib.sessions.backends.base import SessionBase

from accounts import signing_pin
from ledger import clock

ACTIVE_AT: Final = "signing_active_at"
"""In the session, while it has a PIN: when somebody worked last, in seconds since 1970."""


def begin(session: SessionBase) -> None:
    """The session has a PIN from now on."""
    session[ACTIVE_AT] = clock.now().timestamp()


def end(session: SessionBase) -> None:
    """The session has no PIN any more."""
    session.pop(ACTIVE_AT, None)
    if session.session_key:
        signing_pin.forget(session_key=session.session_key)


def active_at(session: SessionBase) -> datetime | None:
    """When somebody worked last, before this request; None without a PIN."""
    at = session.get(ACTIVE_AT)
    return datetime.fromtimestamp(at, UTC) if isinstance(at, (int, float)) else None


def note_work(session: SessionBase) -> None:
    """Somebody works: the PIN goes on, unless it had been left alone for too long."""
    at = active_at(session)
    if at is None:
        return
    if clock.now() - at > signing_pin.IDLE:
        end(session)
    else:
        begin(session)
