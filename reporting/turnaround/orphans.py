"""Studies, orders and reports that nobody cares for: each list says what is wrong and what helps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, OuterRef, QuerySet

from accounts import access
from accounts.models import User
from archive.models import Outcome, ReadingStatus, Study
from reporting.models import ReadingItem, Recheck, Report, ReportStatus
from reporting.reading_worklist.reading_status import OPEN, SIGNED
from worklist.models import Order, RequestedProcedure, StatusEvent

NO_IMAGES_AFTER: Final = timedelta(hours=2)
_LONGEST_BACK: Final = timedelta(days=14)
"""Orders completed longer ago without images are no news: their images won't come."""
DRAFT_AFTER: Final = timedelta(hours=24)
DELIVERED_WITHIN: Final = timedelta(minutes=15)
_BEGUN: Final = (ReadingStatus.DICTATED, ReadingStatus.TRANSCRIBED, ReadingStatus.PRELIMINARY)


@dataclass(frozen=True)
class Orphan:
    """One of a list. `kind` and `key` name its page: an order, a study or a reading item."""

    kind: str
    key: str
    label: str
    since: datetime
    who: str = ""
    status: str = ""


@dataclass(frozen=True)
class Kind:
    """A list: what is wrong, what helps, the rows at a moment, and how each is shown."""

    key: str
    title: str
    help: str
    rows: Callable[[User, datetime], "QuerySet[Any]"]
    show: Callable[[Any], Orphan]


def counts(user: User, now: datetime) -> dict[str, int]:
    """How long each list is."""
    return {key: kind.rows(user, now).count() for key, kind in KINDS.items()}


def part(user: User, now: datetime, key: str, offset: int, limit: int) -> list[Orphan]:
    """A part of a list, the oldest first; raises KeyError for a list that there is none of."""
    kind = KINDS[key]
    return [kind.show(row) for row in kind.rows(user, now)[offset : offset + limit]]


# The lists


def _items(user: User) -> QuerySet[ReadingItem]:
    return access.visible(ReadingItem.objects.all(), user)


def _without_images(user: User, now: datetime) -> QuerySet[Any]:
    done = StatusEvent.objects.filter(
        kind=StatusEvent.Kind.COMPLETE,
        undone_by="",
        occurred_at__lt=now - NO_IMAGES_AFTER,
        occurred_at__gte=now - _LONGEST_BACK,
    )
    images = Study.objects.filter(procedures__order=OuterRef("pk"))
    planned = RequestedProcedure.objects.filter(order=OuterRef("pk"))
    arrived = Study.objects.filter(study_instance_uid=OuterRef("study_instance_uid"))
    rows = access.visible(Order.objects.filter(pk__in=done.values("order")), user)
    rows = rows.exclude(Exists(images)).exclude(Exists(planned.filter(Exists(arrived))))
    return rows.prefetch_related("acts", "procedures").order_by("pk")


def _order(row: Order) -> Orphan:
    since = min(act.occurred_at for act in row.acts.all() if act.kind == StatusEvent.Kind.COMPLETE)
    words = ", ".join(one.description or one.code for one in row.procedures.all())
    return Orphan("order", row.public_id, " · ".join(filter(None, (row.accession_number, words))), since)


def _without_order(user: User, now: datetime) -> QuerySet[Any]:
    rows = access.visible(Study.objects.filter(procedures=None, hidden=""), user)
    return rows.exclude(verdict__in=(Outcome.PENDING, Outcome.PHANTOM)).order_by("first_received_at", "pk")


def _study(row: Study) -> Orphan:
    label = " · ".join(filter(None, (row.accession_number, row.description, "/".join(row.modalities))))
    uid = row.study_instance_uid
    return Orphan("study", uid, label or uid, row.first_received_at, status=row.verdict)


def _holder_absent(user: User, now: datetime) -> QuerySet[Any]:
    rows = _items(user).filter(status=ReadingStatus.READING, hold_reason="").exclude(lease__until__gte=now)
    return rows.select_related("lease__holder", "report").order_by("opened_at", "pk")


def _drafts(user: User, now: datetime) -> QuerySet[Any]:
    old = Report.objects.filter(status=ReportStatus.DRAFT, created_at__lt=now - DRAFT_AFTER)
    rows = _items(user).filter(status__in=OPEN, report__in=old)
    return rows.select_related("lease__holder", "report__author").order_by("report__created_at", "pk")


def _begun_late(user: User, now: datetime) -> QuerySet[Any]:
    rows = _items(user).filter(status__in=_BEGUN, due_at__lt=now)
    return rows.select_related("lease__holder", "report__author").order_by("due_at", "pk")


def _not_delivered(user: User, now: datetime) -> QuerySet[Any]:
    rows = _items(user).filter(final_at__lt=now - DELIVERED_WITHIN, delivered_at=None)
    rows = rows.filter(status__in=SIGNED)
    return rows.select_related("lease__holder", "report__author").order_by("final_at", "pk")


def _rechecks(user: User, now: datetime) -> QuerySet[Any]:
    rows = Recheck.objects.filter(item__in=_items(user), closed_at=None, due_at__lt=now)
    return rows.select_related("item", "signer").order_by("due_at", "pk")


def _item(since: str) -> Callable[[ReadingItem], Orphan]:
    def show(row: ReadingItem) -> Orphan:
        report, lease = getattr(row, "report", None), getattr(row, "lease", None)
        who = str(report.author) if report else str(lease.holder or "") if lease else ""
        moment = getattr(row, since) if hasattr(row, since) else getattr(report, since)
        label = " · ".join(filter(None, (row.modality, row.description)))
        return Orphan("item", row.public_id, label or row.key, moment or row.ready_at, who, row.status)

    return show


def _recheck(row: Recheck) -> Orphan:
    label = " · ".join(filter(None, (row.item.description, row.cause)))
    return Orphan("item", row.item.public_id, label, row.raised_at, str(row.signer), row.item.status)


KINDS: Final[Mapping[str, Kind]] = {
    one.key: one
    for one in (
        Kind(
            "without_images",
            "Completed, no images for 2 h",
            "Ask the modality to send them again, or take the completion back.",
            _without_images,
            _order,
        ),
        Kind(
            "without_order",
            "Images without an order",
            "Decide on the exceptions list whose they are.",
            _without_order,
            _study,
        ),
        Kind(
            "holder_absent",
            "Being read, nobody there",
            "Take it over; what was written is kept.",
            _holder_absent,
            _item("opened_at"),
        ),
        Kind(
            "old_drafts",
            "Draft older than 24 h",
            "Its author signs it, or hands it over.",
            _drafts,
            _item("created_at"),
        ),
        Kind(
            "begun_late",
            "Dictated, typed or preliminary, past due",
            "Type or sign it next.",
            _begun_late,
            _item("due_at"),
        ),
        Kind(
            "not_delivered",
            "Signed, not delivered",
            "See the messages to the destination; nothing is lost.",
            _not_delivered,
            _item("final_at"),
        ),
        Kind(
            "rechecks_late",
            "Recheck past due",
            "Its signer decides whether the report still stands.",
            _rechecks,
            _recheck,
        ),
    )
}
"""All lists by key."""
