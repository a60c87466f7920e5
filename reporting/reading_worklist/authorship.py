"""Whose an item is: its report's author, before there is one who spoke about it last.

Who takes an item over becomes its author with the first text or sound, and what waits for the author follows.
"""

from django.db.models import OuterRef, Q, QuerySet, Subquery

from accounts.actor import Actor
from accounts.models import User
from ledger import clock, events
from reporting import reporting_events
from reporting.models import Dictation, DictationState, ReadingItem, Report, ReportStatus
from reporting.reading_worklist import reading_status


def items_of(user: User) -> QuerySet[ReadingItem]:
    """The items of which `user` is the author."""
    newest = _spoken().filter(item=OuterRef("pk")).values("author")[:1]
    rows = ReadingItem.objects.alias(spoken_by=Subquery(newest))
    return rows.filter(Q(report__author=user) | Q(report=None, spoken_by=user.pk))


def author_of(item: ReadingItem) -> User | None:
    """The item's author; nobody before the first text or sound."""
    report = Report.objects.select_related("author").filter(item=item).first()
    if report is not None:
        return report.author
    newest = _spoken().select_related("author").filter(item=item).first()
    return newest.author if newest else None


def follow(report: Report, by: Actor) -> bool:
    """Make the person who writes or speaks now the author of a locked draft; whether that is another one.

    What was signed as preliminary stays its author's: who signs it as final is named as its signer.
    """
    if report.status != ReportStatus.DRAFT or report.author_id == by.person.pk:
        return False
    before, report.author = report.author, by.person
    ReadingItem.objects.filter(pk=report.item_id, reserved_for=before).update(
        reserved_for=None, reserved_until=None
    )
    events.record(
        reporting_events.AUTHOR_CHANGED,
        about=[("report", report.public_id), *reading_status.things(report.item)],
        occurred_at=clock.now(),
        actor=by,
        author=str(before),
    )
    return True


def _spoken() -> QuerySet[Dictation]:
    return Dictation.objects.exclude(state=DictationState.DISCARDED).order_by("-pk")
