"""What is measured, read from the database: one row for each accession that is reported or still to be.

Reading items give their times; requested procedures that no item was made for yet give those of their acts,
so that who still waits for an exam or for its images is counted too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from django.db.models import BigIntegerField, Count, Exists, Func, OuterRef, Q, QuerySet
from numpy.typing import NDArray

from accounts import access
from accounts.models import User
from reporting.models import Owner, OwnerSpan, ReadingItem, Recheck, RecheckOutcome
from reporting.turnaround import milestones
from reporting.turnaround.breakdown import Labels
from reporting.turnaround.cohort import Table
from reporting.turnaround.intervals import AMEND, INTERVALS, WITH_HOLDS, Interval, Moment
from reporting.turnaround.stage_time import CODE, NOBODY, Floats, Log, Whole
from worklist.models import Order, RequestedProcedure, StatusEvent

_STARTS: Final = (Moment.ORDERED, Moment.ARRIVED, Moment.STARTED, Moment.COMPLETED)
"""Moments before an item is made."""
_DURING: Final = (Moment.OPENED, Moment.DICTATED, Moment.TYPED, Moment.PRELIMINARY)
_CLOCKS_DIFFER: Final = timedelta(minutes=10)
_LONG: Final = timedelta(days=30)
"""How far back who waits for an exam is looked for."""
Moments = dict[str, Floats]
RAISED, SIGNED = INTERVALS[AMEND].start, INTERVALS[AMEND].ends[0]


class Milliseconds(Func):
    """A time as whole milliseconds since 1970 in UTC."""

    output_field = BigIntegerField()

    def get_db_converters(self, connection: Any) -> list[Any]:
        """None: whole numbers come as such, and looking at each would take as long as reading them."""
        return []

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Julian days of the text that SQLite keeps."""
        template = "CAST(ROUND((julianday(%(expressions)s) - 2440587.5) * 86400000.0) AS INTEGER)"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """The epoch of a timestamp with time zone."""
        template = "CAST(ROUND(EXTRACT(EPOCH FROM %(expressions)s) * 1000) AS BIGINT)"
        return self.as_sql(compiler, connection, template=template, **context)


@dataclass(frozen=True)
class Rows:
    """n rows: their times, and by what they can be grouped. `item` is 0 where there is none yet.

    `labels` holds for each row its modality, priority, reader (key of the report's author, 0: nobody yet) and
    facility (code); `zones` the facility's time zone. `public_id` names the item, or else the order.
    """

    table: Table
    item: Whole
    public_id: NDArray[np.object_]
    labels: Mapping[str, Labels]
    zones: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.item)


def milliseconds(moment: datetime) -> float:
    """A moment on the scale of the tables."""
    return round(moment.timestamp() * 1000)


def moment_of(value: float) -> datetime:
    """A moment of the tables."""
    return datetime.fromtimestamp(value / 1000, UTC)


def read(
    user: User, begin: datetime, end: datetime, intervals: Sequence[Interval], *, under_way: bool = False
) -> Rows:
    """The user's rows in which one of `intervals` may have begun, or been `under_way`, in `[begin, end)`."""
    wanted = _under_way(begin, end, intervals) if under_way else _begun(begin, end, intervals)
    items = access.visible(ReadingItem.objects.filter(wanted), user)
    early = any(one.start in _STARTS for one in intervals)
    needed = {Moment.READY, Moment.FINAL, Moment.WITHDRAWN}
    needed.update(Moment(name) for one in intervals if not one.part for name in (one.start, *one.ends))
    spans = None
    if any(one.part for one in intervals):
        spans = OwnerSpan.objects.all()
    elif any(one.key in WITH_HOLDS for one in intervals):
        held = OwnerSpan.objects.filter(owner=Owner.OUTSIDE)
        spans = OwnerSpan.objects.filter(item__in=held.values("item"))
    parts = [_items(items, tuple(sorted(needed)), spans)]
    if early:
        parts.append(_pending(user, begin - (_LONG if under_way else timedelta()), end))
    return _joined(parts)


def _begun(begin: datetime, end: datetime, intervals: Iterable[Interval]) -> Q:
    """Items in which one of the intervals began in the period."""
    starts: set[str] = set()
    for one in intervals:
        starts.update((Moment.READY, *_DURING) if one.part else (one.start,))
    during = Q()
    if Moment.OPENED in starts:  # a part begins between ready and final, by the log of owners
        during = Q(ready_at__lt=end) & (Q(final_at__gte=begin) | Q(final_at=None))
        starts -= {Moment.READY, *_DURING}
    for start in sorted(starts - {RAISED}):
        during |= Q(**{f"{start}_at__gte": begin, f"{start}_at__lt": end})
    return during


def _under_way(begin: datetime, end: datetime, intervals: Iterable[Interval]) -> Q:
    """Items that were in one of the intervals during the period."""
    wanted = Q()
    for one in intervals:
        start, ends = (Moment.READY, (Moment.FINAL,)) if one.part else (one.start, one.ends)
        is_in = Q(**{f"{start}_at__lt": end})
        for name in ends:
            is_in &= Q(**{f"{name}_at": None}) | Q(**{f"{name}_at__gte": begin})
        wanted |= is_in
    return wanted & (Q(withdrawn_at=None) | Q(withdrawn_at__gte=begin))


# Items


def _items(items: QuerySet[ReadingItem], needed: Sequence[Moment], spans: QuerySet[OwnerSpan] | None) -> Rows:
    values = items.order_by("pk").values_list(
        "pk",
        "public_id",
        "modality",
        "priority",
        "report__author_id",
        "facility__code",
        "facility__time_zone",
        Milliseconds("due_at"),
        *(Milliseconds(f"{name}_at") for name in needed),
    )
    rows = list(values)
    columns = list(zip(*rows, strict=True)) if rows else [()] * (8 + len(needed))
    item = np.array(columns[0], np.int64)
    moments: Moments = {name: floats(columns[8 + place]) for place, name in enumerate(needed)}
    log = _NO_LOG if spans is None else _log(spans, items, item)
    known = Rows(
        table=Table(moments, log, floats(columns[7]) - moments[Moment.READY]),
        item=item,
        public_id=_objects(columns[1]),
        labels={
            "modality": _texts(columns[2]),
            "priority": _texts(columns[3]),
            "reader": np.array([key or 0 for key in columns[4]], np.int64),
            "facility": _texts(columns[5]),
        },
        zones=_objects(columns[6]),
    )
    return _for_each_accession(known)


_NO_LOG: Final = Log(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))


def _log(spans: QuerySet[OwnerSpan], items: QuerySet[ReadingItem], item: Whole) -> Log:
    spans = spans.filter(item__in=items.order_by().values("pk")).order_by("pk")
    entries = list(spans.values_list("item_id", Milliseconds("at"), "owner"))
    if not entries:
        return _NO_LOG
    keys, at, owner = zip(*entries, strict=True)
    row = np.searchsorted(item, np.array(keys, np.int64))
    codes = np.array([CODE.get(name, NOBODY) for name in owner], np.int64)
    return Log.of(row, floats(at), codes)


def _for_each_accession(rows: Rows) -> Rows:
    """An item of several accessions is a row for each of them; the reading is one."""
    through = ReadingItem.procedures.through.objects
    several = through.values("readingitem_id").annotate(times=Count("id")).filter(times__gt=1)  # type: ignore[misc]
    pairs = through.filter(readingitem_id__in=several.values("readingitem_id")).values_list(
        "readingitem_id",
        "requestedprocedure__accession_number",
        "requestedprocedure__order__accession_number",
    )
    accessions: dict[int, set[str]] = {}
    for key, own, of_order in pairs:
        accessions.setdefault(key, set()).add(own or of_order)
    times = np.array([len(accessions.get(int(key), ())) or 1 for key in rows.item], np.int64)
    if (times == 1).all():
        return rows
    return taken(rows, np.repeat(np.arange(len(rows)), times))


def taken(rows: Rows, place: Whole) -> Rows:
    """The rows at these places; those of the log go with them."""
    old = rows.table.log
    first, last = np.searchsorted(old.row, place, "left"), np.searchsorted(old.row, place, "right")
    length = last - first
    begins = np.repeat(first - np.cumsum(length) + length, length)
    entries = begins + np.arange(len(begins))
    log = Log(np.repeat(np.arange(len(place)), length), old.at[entries], old.owner[entries])
    moments = {name: values[place] for name, values in rows.table.moments.items()}
    return Rows(
        table=Table(moments, log, rows.table.target[place]),
        item=rows.item[place],
        public_id=rows.public_id[place],
        labels={name: values[place] for name, values in rows.labels.items()},
        zones=rows.zones[place],
    )


# Procedures that no item was made for yet


def _pending(user: User, begin: datetime, end: datetime) -> Rows:
    acts = StatusEvent.objects.filter(order=OuterRef("order"), occurred_at__gte=begin, occurred_at__lt=end)
    rows = RequestedProcedure.objects.filter(reading_items=None).filter(
        Exists(acts) | Q(order__first_received_at__gte=begin - _CLOCKS_DIFFER)
    )
    orders = access.visible(Order.objects.all(), user)
    rows = rows.filter(order__in=orders).select_related("order__facility").prefetch_related("steps")
    procedures = list(rows.order_by("pk"))
    known = milestones.of_procedures(procedures)
    first = milestones.ordered({one.order.public_id for one in procedures})
    moments: Moments = {name: np.full(len(procedures), np.nan) for name in Moment}
    moments[Moment.ORDERED] = _from_times([first.get(one.order.public_id) for one in procedures])
    for name in (Moment.ARRIVED, Moment.STARTED, Moment.COMPLETED, Moment.WITHDRAWN):
        moments[name] = _from_times([getattr(known[one.pk], name) for one in procedures])
    modalities = [next((step.modality for step in one.steps.all()), "") for one in procedures]
    count = len(procedures)
    return Rows(
        table=Table(moments, _NO_LOG, np.full(count, np.nan)),
        item=np.zeros(count, np.int64),
        public_id=_objects([one.order.public_id for one in procedures]),
        labels={
            "modality": _texts(modalities),
            "priority": _texts([one.order.priority for one in procedures]),
            "reader": np.zeros(count, np.int64),
            "facility": _texts([one.order.facility.code for one in procedures]),
        },
        zones=_objects([one.order.facility.time_zone for one in procedures]),
    )


# Rechecks


def rechecks(user: User, begin: datetime, end: datetime) -> Rows:
    """One row for each recheck that was raised in the period: signed, closed without a word, or open."""
    mine = access.visible(ReadingItem.objects.all(), user)
    rows = Recheck.objects.filter(item__in=mine, raised_at__gte=begin, raised_at__lt=end)
    found = list(rows.select_related("item__facility", "item__report").order_by("pk"))
    is_signed = [one.outcome not in ("", RecheckOutcome.STILL_VALID, RecheckOutcome.UNDONE) for one in found]
    count = len(found)
    moments: Moments = {name: np.full(count, np.nan) for name in Moment}
    closed = _from_times([one.closed_at for one in found])
    signed = np.array(is_signed, bool)
    moments[Moment.WITHDRAWN] = np.where(signed, np.nan, closed)
    moments[RAISED] = _from_times([one.raised_at for one in found])
    moments[SIGNED] = np.where(signed, closed, np.nan)
    target = _from_times([one.due_at for one in found]) - moments[RAISED]
    return Rows(
        table=Table(moments, _NO_LOG, target),
        item=np.array([one.item_id for one in found], np.int64),
        public_id=_objects([one.item.public_id for one in found]),
        labels={
            "modality": _texts([one.item.modality for one in found]),
            "priority": _texts([one.item.priority for one in found]),
            "reader": np.array([one.signer_id for one in found], np.int64),
            "facility": _texts([one.item.facility.code for one in found]),
        },
        zones=_objects([one.item.facility.time_zone for one in found]),
    )


# Columns


def floats(values: Sequence[int | None]) -> Floats:
    """Milliseconds, NaN where there are none."""
    return np.array(values, np.float64)


def _from_times(values: Iterable[datetime | None]) -> Floats:
    return np.array([np.nan if one is None else milliseconds(one) for one in values], np.float64)


def _objects(values: Sequence[Any]) -> NDArray[np.object_]:
    column = np.empty(len(values), object)
    column[:] = values
    return column


def _texts(values: Sequence[str]) -> Labels:
    return np.array([one or "" for one in values], dtype=np.str_)


def _joined(parts: Sequence[Rows]) -> Rows:
    """Rows of two sources below each other; only items have a log, and they come first."""
    if len(parts) == 1:
        return parts[0]
    one, two = parts
    moments = {
        name: np.concatenate([values, two.table.moments[name]]) for name, values in one.table.moments.items()
    }
    return Rows(
        table=Table(moments, one.table.log, np.concatenate([one.table.target, two.table.target])),
        item=np.concatenate([one.item, two.item]),
        public_id=np.concatenate([one.public_id, two.public_id]),
        labels={name: np.concatenate([one.labels[name], two.labels[name]]) for name in one.labels},
        zones=np.concatenate([one.zones, two.zones]),
    )
