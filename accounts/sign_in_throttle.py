"""Guessing passwords takes too long: after some failures a name at an address, or an address, has to wait.

The lock is the same for names that exist and for those that don't, and the right password does not open it.
"""

import unicodedata
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.utils import timezone

from accounts.models import FailedSignIn

WITHIN: Final = timedelta(minutes=10)
PER_NAME: Final = 10
"""Failures of one name from one address within ten minutes."""
PER_ADDRESS: Final = 100
"""Failures from one address, whatever the names."""


def locked_until(*, username: str, address: str) -> datetime | None:
    """When this name may be tried again from this address; None if now."""
    since = timezone.now() - WITHIN
    rows = FailedSignIn.objects.filter(address=address, at__gt=since).order_by("-at")
    ends: list[datetime] = []
    for failures, most in ((rows.filter(username=_folded(username)), PER_NAME), (rows, PER_ADDRESS)):
        ends += failures.values_list("at", flat=True)[most - 1 : most]
    return max(ends) + WITHIN if ends else None


def note_failure(*, username: str, address: str) -> None:
    """Count a failure, in the caller's transaction; old ones are forgotten."""
    assert connection.in_atomic_block
    now = timezone.now()
    FailedSignIn.objects.filter(at__lt=now - WITHIN).delete()
    FailedSignIn.objects.create(username=_folded(username), address=address, at=now)


def forget(*, username: str, address: str) -> None:
    """After a success the name starts anew, in the caller's transaction."""
    assert connection.in_atomic_block
    FailedSignIn.objects.filter(username=_folded(username), address=address).delete()


def _folded(username: str) -> str:
    return unicodedata.normalize("NFKC", username).casefold()[:150]
