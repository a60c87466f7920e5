"""Where an item is, who has it, and since when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from archive.models import ReadingStatus, Study
from ledger import clock
from reporting.models import Dictation, DictationState, Owner, OwnerSpan, ReadingItem, ReadingLease
from reporting.reading_worklist.reading_status import OPEN, owner


@dataclass(frozen=True)
class Where:
    """An item's place. `since` is when it became its owner's; `holder` the person who has it before them.

    `was_with` is who last had it, where nobody has it before them now.
    """

    item_id: str
    description: str
    status: str
    owner: str
    words: str
    since: datetime
    holder: str
    was_with: str
    due: datetime | None
    is_late: bool
    reason: str


def of(item: ReadingItem) -> Where:
    """The place of one item."""
    (found,) = of_all([item])
    return found


def of_study(study: Study) -> list[Where]:
    """The places of a study's items; withdrawn ones too."""
    return of_all(study.reading_items.order_by("pk"))


def of_all(items: Iterable[ReadingItem]) -> list[Where]:
    """The places of several items, in three queries."""
    items = list(items)
    spans: dict[int, list[OwnerSpan]] = {item.pk: [] for item in items}
    for span in OwnerSpan.objects.filter(item__in=items).order_by("at", "pk"):
        spans[span.item_id].append(span)
    leases = ReadingLease.objects.filter(item__in=items).select_related("holder")
    typing = Dictation.objects.filter(item__in=items, state=DictationState.IN_TYPING).select_related("typist")
    leased = {lease.item_id: lease for lease in leases}
    typed = {dictation.item_id: dictation for dictation in typing}
    return [_where(item, spans[item.pk], leased.get(item.pk), typed.get(item.pk)) for item in items]


def _where(
    item: ReadingItem, spans: list[OwnerSpan], lease: ReadingLease | None, dictation: Dictation | None
) -> Where:
    now = clock.now()
    whose = owner(item)
    holder, last = "", ""
    if whose == Owner.TYPIST and dictation and dictation.typing_until and dictation.typing_until > now:
        holder = str(dictation.typist or "")
    elif lease and lease.holder and item.status in OPEN:
        holder, last = (str(lease.holder), "") if lease.until > now else ("", str(lease.holder))
    return Where(
        item_id=item.public_id,
        description=item.description,
        status=item.status,
        owner=whose,
        words=whose.label if item.status != ReadingStatus.WITHDRAWN else ReadingStatus.WITHDRAWN.label,
        since=_since(spans, whose) or item.ready_at,
        holder=holder,
        was_with=last if whose == Owner.READER else "",
        due=item.due_at if item.status in OPEN else None,
        is_late=item.status in OPEN and item.due_at < now,
        reason=item.hold_reason if whose == Owner.OUTSIDE else item.withdrawn_reason,
    )


def _since(spans: list[OwnerSpan], whose: str) -> datetime | None:
    """When the last unbroken stretch of this owner began."""
    since = None
    for span in reversed(spans):
        if span.owner != whose:
            break
        since = span.at
    return since
