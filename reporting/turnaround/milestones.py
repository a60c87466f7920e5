"""When an item was ordered, expected, arrived, begun and completed: from the acts on its orders.

Acts carry the time at which they happened, and the earliest that was not undone counts, so any order of
arrival gives the same. Where nobody says that an exam was completed, its last image tells.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Max, Min, QuerySet
from django.db.models.fields.json import KT

from archive.modality import NOT_ACQUIRED
from archive.models import Instance, Study
from ledger.models import EventSubject
from reporting.models import ReadingItem
from worklist import worklist_events
from worklist.models import RequestedProcedure, ScheduledProcedureStep, StatusEvent

_ENDS: Final = (
    StatusEvent.Kind.COMPLETE,
    StatusEvent.Kind.CANCEL,
    StatusEvent.Kind.DISCONTINUE,
    StatusEvent.Kind.NO_SHOW,
)
_COLUMNS: Final = ("ordered_at", "scheduled_at", "arrived_at", "started_at", "completed_at")
"""Modalities of objects that are made from images, often much later."""

Acts = Sequence[tuple[str, datetime]]
"""Kinds of acts that were not undone, each with the time at which it happened."""


@dataclass(frozen=True)
class Performed:
    """What became of a procedure. `completed`: its last step was; `withdrawn`: no step will be done."""

    arrived: datetime | None = None
    started: datetime | None = None
    completed: datetime | None = None
    withdrawn: datetime | None = None


def performed(own: Acts, steps: Sequence[Acts]) -> Performed:
    """What became of a procedure: from the acts on its order, and those on each of its steps."""
    every = [*own, *(act for step in steps for act in step)]
    ends = [_end([*own, *step]) for step in steps] or [_end(own)]
    completed = withdrawn = None
    known = [end for end in ends if end is not None]
    if known and len(known) == len(ends):
        done = [at for kind, at in known if kind == StatusEvent.Kind.COMPLETE]
        completed = max(done, default=None)
        withdrawn = None if done else max(at for _, at in known)
    return Performed(
        arrived=_earliest(every, StatusEvent.Kind.ARRIVE),
        started=_earliest(every, StatusEvent.Kind.START),
        completed=completed,
        withdrawn=withdrawn,
    )


def together(parts: Iterable[Performed]) -> Performed:
    """What became of several procedures that are reported together: completed with the last of them."""
    parts = list(parts)
    open_ = [one for one in parts if one.completed is None and one.withdrawn is None]
    done = [one.completed for one in parts if one.completed is not None]
    gone = [one.withdrawn for one in parts if one.withdrawn is not None]
    return Performed(
        arrived=min((one.arrived for one in parts if one.arrived), default=None),
        started=min((one.started for one in parts if one.started), default=None),
        completed=max(done) if done and not open_ else None,
        withdrawn=max(gone) if gone and not open_ and not done else None,
    )


def describe(item: ReadingItem) -> bool:
    """Set the item's times from its orders and images; whether any is another now. The caller saves."""
    procedures = list(item.procedures.select_related("order"))
    orders = sorted({(one.order_id, one.order.public_id) for one in procedures})
    known = of_procedures(procedures)
    whole = together(known.values())
    steps = ScheduledProcedureStep.objects.filter(procedure__in=procedures)
    new = (
        min(ordered([public_id for _, public_id in orders]).values(), default=None),
        steps.aggregate(first=Min("start"))["first"],
        whole.arrived,
        whole.started,
        whole.completed or last_acquisition(item),
    )
    old = tuple(getattr(item, name) for name in _COLUMNS)
    for name, value in zip(_COLUMNS, new, strict=True):
        setattr(item, name, value)
    return new != old


def refresh(item: ReadingItem) -> None:
    """Set the item's times from its orders and images, and save them."""
    if describe(item):
        item.save(update_fields=_COLUMNS)


def of_procedures(procedures: Iterable[RequestedProcedure]) -> dict[int, Performed]:
    """What became of each procedure, by its key."""
    procedures = list(procedures)
    step_rows = ScheduledProcedureStep.objects.filter(procedure__in=procedures).values_list(
        "procedure_id", "pk"
    )
    steps: dict[int, dict[int, list[tuple[str, datetime]]]] = {one.pk: {} for one in procedures}
    where: dict[int, int] = {}
    for procedure_key, step_key in step_rows:
        steps[procedure_key][step_key] = []
        where[step_key] = procedure_key
    own: dict[int, list[tuple[str, datetime]]] = {one.order_id: [] for one in procedures}
    acts = StatusEvent.objects.filter(order__in=list(own), undone_by="")
    for order_key, step, kind, at in acts.values_list("order_id", "step_id", "kind", "occurred_at"):
        if step is None:
            own[order_key].append((kind, at))
        elif step in where:
            steps[where[step]][step].append((kind, at))
    return {one.pk: performed(own[one.order_id], list(steps[one.pk].values())) for one in procedures}


def ordered(orders: Iterable[str]) -> dict[str, datetime]:
    """When each order, by public id, was first spoken of: the earliest statement at its sender."""
    rows = EventSubject.objects.filter(
        type="order", key__in=orders, event__kind__in=worklist_events.SPEAKS_OF_ORDERS
    )
    return dict(rows.values_list("key").annotate(first=Min("event__occurred_at")))


def last_acquisition(item: ReadingItem) -> datetime | None:
    """When the last image of the item's studies was taken, by their headers; else when the study began.

    Images that came after it was ready don't count: they don't move what was measured.
    """
    studies = item.studies.select_related("facility")
    moments = [_last_acquisition(study, item.ready_at) for study in studies]
    return max((moment for moment in moments if moment), default=None)


def _last_acquisition(study: Study, until: datetime) -> datetime | None:
    """The latest of Acquisition DateTime, Acquisition Date and Time, Content Date and Time (PS3.3 C.7.6)."""
    rows = Instance.objects.filter(series__study=study, received_at__lte=until)
    rows = rows.exclude(calling_ae_title=settings.AE_TITLE).exclude(series__modality__in=NOT_ACQUIRED)
    for date, time in (
        ("acquisition_datetime", ""),
        ("acquisition_date", "acquisition_time"),
        ("content_date", "content_time"),
    ):
        found = _latest(rows, date, time)
        if moment := _moment(*found, zone_of(study)):
            return moment
    return _moment(study.study_date, study.study_time, zone_of(study))


def _latest(rows: QuerySet[Instance], date: str, time: str) -> tuple[str, str]:
    """The latest date and the latest time on it; DA and TM sort as text (PS3.5 6.2)."""
    day = rows.aggregate(last=Max(KT(f"header__{date}")))["last"]
    if not day or not time:
        return day or "", ""
    on_day = rows.filter(**{f"header__{date}": day})
    return day, on_day.aggregate(last=Max(KT(f"header__{time}")))["last"] or ""


def _moment(date: str, time: str, zone: ZoneInfo | timezone) -> datetime | None:
    """A DA with a TM, or a DT, as a moment; None where it can't be read."""
    text = (date.replace(".", "") if time else date).strip() + time.replace(":", "").strip()
    text, offset = _split_offset(text)
    digits = text.partition(".")[0]
    try:
        local = datetime.strptime(digits[:14].ljust(14, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return local.replace(tzinfo=offset or zone).astimezone(UTC)


def _split_offset(text: str) -> tuple[str, timezone | None]:
    """A DT without its suffix &ZZXX, and that as a zone."""
    for sign in "+-":
        body, found, digits = text.partition(sign)
        if found:
            return body, offset_of(sign + digits)
    return text, None


def zone_of(study: Study) -> ZoneInfo | timezone:
    """The zone of a study's times: its Timezone Offset From UTC (0008,0201), else its facility's."""
    return offset_of(str(study.header.get("timezone_offset", ""))) or ZoneInfo(study.facility.time_zone)


def offset_of(text: str) -> timezone | None:
    """An offset such as +0130."""
    text = text.strip()
    if len(text) != 5 or text[0] not in "+-" or not text[1:].isdigit() or int(text[1:3]) > 14:
        return None
    length = timedelta(hours=int(text[1:3]), minutes=int(text[3:]))
    return timezone(-length if text[0] == "-" else length)


def _end(acts: Acts) -> tuple[str, datetime] | None:
    """The earliest end; it stands, whatever comes later."""
    return min(((kind, at) for kind, at in acts if kind in _ENDS), key=lambda act: act[1], default=None)


def _earliest(acts: Acts, kind: str) -> datetime | None:
    return min((at for one, at in acts if one == kind), default=None)
