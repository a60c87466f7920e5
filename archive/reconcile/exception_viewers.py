"""Who has an exception before them, so that two who could decide see each other. It blocks nobody."""

from datetime import timedelta
from typing import Final

from django.db import connection

from accounts.models import User
from archive.models import ExceptionViewer, StudyException
from ledger import clock

LASTS: Final = timedelta(seconds=120)
"""How long somebody counts as present after their page was last heard of."""


def look(*, exception: StudyException, user: User) -> None:
    """Note that a person has an exception before them, for the next two minutes."""
    assert connection.in_atomic_block
    now = clock.now()
    rows = ExceptionViewer.objects.filter(exception=exception, user=user)
    if rows.filter(until__gte=now).update(until=now + LASTS):
        return
    if not rows.update(since=now, until=now + LASTS):
        row = ExceptionViewer(exception=exception, user=user, since=now, until=now + LASTS)
        ExceptionViewer.objects.bulk_create([row], ignore_conflicts=True)


def leave(*, exception: StudyException, user: User) -> None:
    """Note that a person has done with it."""
    ExceptionViewer.objects.filter(exception=exception, user=user).delete()


def lookers(exceptions: list[StudyException], *, but: User | None = None) -> dict[int, list[ExceptionViewer]]:
    """Who else looks at these exceptions now, by the exception's key, those who came first first."""
    rows = ExceptionViewer.objects.filter(exception__in=exceptions, until__gte=clock.now())
    found: dict[int, list[ExceptionViewer]] = {}
    for row in rows.exclude(user=but).select_related("user").order_by("since", "pk"):
        found.setdefault(row.exception_id, []).append(row)
    return found
