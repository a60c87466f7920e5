"""The signing PIN of a session: after one password, six digits sign until the session or the PIN ends.

It is kept as a password is, salted and hashed together with the browser tab that it was set in. Five wrong
tries end it, and so do fifteen minutes without work and four hours.
"""

import hashlib
import re
from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.hashers import check_password, make_password
from django.db import connection

from accounts.models import SigningPin, User
from ledger import clock
from ledger.errors import Invalid

DIGITS: Final = 6
TRIES: Final = 5
IDLE: Final = timedelta(minutes=15)
LONGEST: Final = timedelta(hours=4)
_PIN: Final = re.compile(rf"[0-9]{{{DIGITS}}}")
_TAB: Final = re.compile(r"[0-9a-zA-Z-]{16,64}")
_ROW: Final = "0123456789 9876543210"


def check_new(pin: str, tab: str) -> None:
    """Raise `Invalid` for a PIN that can't be one, or one that others would try first."""
    if not _PIN.fullmatch(pin):
        raise Invalid(f"a signing PIN has {DIGITS} digits", "new_pin")
    if len(set(pin)) == 1 or pin in _ROW:
        raise Invalid("this PIN is too easy to guess", "new_pin")
    if not _TAB.fullmatch(tab):
        raise Invalid("a PIN belongs to a tab of the browser: name it in `tab`", "tab")


def put(*, user: User, session_key: str, tab: str, pin: str) -> None:
    """Set the PIN of a session, in the caller's transaction; it takes the place of the one before."""
    assert connection.in_atomic_block
    check_new(pin, tab)
    now = clock.now()
    SigningPin.objects.filter(made_at__lt=now - LONGEST).delete()
    SigningPin.objects.update_or_create(
        session=_digest(session_key),
        defaults={"user": user, "secret": make_password(tab + pin), "tries_left": TRIES, "made_at": now},
    )


def tries_left(*, user: User, session_key: str, active_at: datetime | None) -> int:
    """How often the session's PIN may be tried; 0 where there is none, or none any more."""
    row = _alive(user, session_key, active_at)
    return row.tries_left if row else 0


def check(*, user: User, session_key: str, tab: str, pin: str, active_at: datetime | None) -> bool:
    """Whether this is the session's PIN; a wrong one is counted, and the last one ends it.

    The caller commits its transaction also where the PIN is wrong.
    """
    assert connection.in_atomic_block
    row = _alive(user, session_key, active_at, is_locked=True)
    if row is None:
        return False
    is_right = check_password(tab + pin, row.secret)
    row.tries_left = TRIES if is_right else row.tries_left - 1
    if row.tries_left:
        row.save(update_fields=["tries_left"])
    else:
        row.delete()
    return is_right


def forget(*, session_key: str) -> None:
    """End the PIN of a session."""
    SigningPin.objects.filter(session=_digest(session_key)).delete()


def _alive(
    user: User, session_key: str, active_at: datetime | None, *, is_locked: bool = False
) -> SigningPin | None:
    """The session's PIN, unless too much time has gone since it was set, or since somebody worked."""
    now = clock.now()
    if not session_key or active_at is None or now - active_at > IDLE:
        return None
    rows = SigningPin.objects.select_for_update() if is_locked else SigningPin.objects.all()
    return rows.filter(session=_digest(session_key), user=user, made_at__gt=now - LONGEST).first()


def _digest(session_key: str) -> str:
    return hashlib.sha256(session_key.encode()).hexdigest()
