"""What waits now, or waited at an earlier moment: how many, how long, who is late and who will be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet

from accounts import access
from accounts.models import User
from archive.models import ExceptionStatus, Study, StudyException
from ledger.errors import Invalid
from reporting.models import ReadingItem

SOON: Final = timedelta(minutes=30)
"""A breach that is to come within this is told beforehand."""
_LATE_IMAGES: Final = timedelta(days=1)


@dataclass(frozen=True)
class Waiting:
    """What is ready and not final at `seen`. `oldest` is the item that has been ready for the longest."""

    seen: datetime
    count: int
    held: int
    past_due: int
    due_soon: int
    oldest_id: str = ""
    oldest_ready: datetime | None = None

    @property
    def oldest(self) -> timedelta | None:
        """How long the oldest has been ready."""
        return None if self.oldest_ready is None else self.seen - self.oldest_ready


@dataclass(frozen=True)
class Exceptions:
    """How many exceptions were opened in a period, of how many studies that were judged in it."""

    opened: int
    judged: int

    @property
    def rate(self) -> float | None:
        """The share, or None where nothing was judged."""
        return self.opened / self.judged if self.judged else None


def waiting(user: User, seen: datetime, *, modality: str = "", priority: str = "") -> Waiting:
    """The items that waited for their final report at `seen`; what happened later has not happened yet."""
    return _summed(_rows(user, seen, modality, priority), seen)


def waiting_by_priority(
    user: User, seen: datetime, *, modality: str = "", priority: str = ""
) -> dict[str, Waiting]:
    """The same for each priority that something waits with."""
    found: dict[str, list[_Row]] = {}
    for row in _rows(user, seen, modality, priority):
        found.setdefault(row[4], []).append(row)
    return {name: _summed(rows, seen) for name, rows in found.items()}


_Row = tuple[datetime, datetime, str, str, str]


def _rows(user: User, seen: datetime, modality: str, priority: str) -> list[_Row]:
    rows = chosen(waiting_items(user, seen), modality, priority).order_by()
    return list(rows.values_list("ready_at", "due_at", "hold_reason", "public_id", "priority"))


def _summed(found: list[_Row], seen: datetime) -> Waiting:
    first = min(found, default=None, key=lambda row: (row[0], row[3]))
    return Waiting(
        seen=seen,
        count=len(found),
        held=sum(bool(row[2]) for row in found),
        past_due=sum(row[1] < seen for row in found),
        due_soon=sum(seen <= row[1] < seen + SOON for row in found),
        oldest_id=first[3] if first else "",
        oldest_ready=first[0] if first else None,
    )


def waiting_items(user: User, seen: datetime) -> QuerySet[ReadingItem]:
    """The user's items that were ready, and neither final nor withdrawn, at `seen`."""
    not_yet = (Q(final_at=None) | Q(final_at__gt=seen)) & (Q(withdrawn_at=None) | Q(withdrawn_at__gt=seen))
    return access.visible(ReadingItem.objects.filter(not_yet, ready_at__lte=seen), user)


PARTS: Final[Mapping[str, Callable[[datetime], Q]]] = {
    "waiting": lambda seen: Q(),
    "late": lambda seen: Q(due_at__lt=seen),
    "at_risk": lambda seen: Q(due_at__gte=seen, due_at__lt=seen + SOON),
    "held": lambda seen: ~Q(hold_reason=""),
}
"""What waits now, and the parts of it that the page counts."""


def part(
    user: User, seen: datetime, name: str, *, modality: str = "", priority: str = ""
) -> QuerySet[ReadingItem]:
    """The items of one of `PARTS`, the first due first; raises `Invalid` for another name."""
    if name not in PARTS:
        raise Invalid(f"{name} is none of {', '.join(PARTS)}", "now")
    rows = chosen(waiting_items(user, seen), modality, priority)
    return rows.filter(PARTS[name](seen)).order_by("due_at", "pk")


def chosen(rows: QuerySet[ReadingItem], modality: str, priority: str) -> QuerySet[ReadingItem]:
    """Those of a modality and of a priority, where they are named."""
    if modality:
        rows = rows.filter(modality=modality)
    return rows.filter(priority=priority) if priority else rows


def exceptions(user: User, begin: datetime, end: datetime) -> Exceptions:
    """How many studies were judged in `[begin, end)`, and how many exceptions were opened."""
    studies = access.visible(Study.objects.all(), user)
    judged = studies.filter(
        last_received_at__gte=begin - _LATE_IMAGES, first_quiet_at__gte=begin, first_quiet_at__lt=end
    )
    opened = StudyException.objects.exclude(status=ExceptionStatus.NONE).filter(
        study__in=studies, opened_at__gte=begin, opened_at__lt=end
    )
    return Exceptions(opened.count(), judged.count())
