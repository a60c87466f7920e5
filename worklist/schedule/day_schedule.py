"""What a department has to do on a day: the steps that people see, as against those that modalities do."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, NullIf
from django.utils import timezone

from accounts import access
from worklist.models import PRESSING, Order, RequestedProcedure, ScheduledProcedureStep, Station, StepStatus
from worklist.orders import step_status
from worklist.patients import patient_search

OPEN: Final = frozenset(StepStatus) - step_status.ENDED
_PATIENT: Final = "procedure__order__patient"
_RANKS: Final = [
    When(procedure__order__priority=priority, then=rank) for rank, priority in enumerate(PRESSING)
]


@dataclass(frozen=True)
class Keys:
    """What is asked for; an empty key asks for all. Days are YYYYMMDD in each facility's own time."""

    from_day: str = ""
    to_day: str = ""
    statuses: Sequence[str] = ()
    modalities: Sequence[str] = ()
    station: str = ""
    priorities: Sequence[str] = ()
    text: str = ""
    awaits_time: bool = False
    """Only steps to be scheduled, which no day has."""
    also: Collection[int] = ()
    """Steps, by their keys, that show whatever their status is."""


def steps(keys: Keys, *, user: Any, order: str = "time") -> QuerySet[ScheduledProcedureStep]:
    """The steps that fit every key, of the user's facilities, in a total order.

    `order` is time, station, patient, procedure, priority or status, a `-` before it turns it round.
    """
    rows = ScheduledProcedureStep.objects.all()
    if not access.sees_all(user):
        rows = rows.filter(procedure__order__in=access.visible(Order.objects.order_by(), user))
    if keys.awaits_time:
        rows = rows.filter(awaits_time=True)
    elif keys.from_day or keys.to_day:
        rows = rows.filter(awaits_time=False)
    if keys.from_day:
        rows = rows.filter(local_date__gte=keys.from_day)
    if keys.to_day:
        rows = rows.filter(local_date__lte=keys.to_day)
    if keys.statuses:
        rows = rows.filter(Q(status__in=keys.statuses) | Q(pk__in=keys.also))
    if keys.modalities:
        rows = rows.filter(modality__in=keys.modalities)
    if keys.station:
        rows = rows.filter(_of_station(keys.station))
    if keys.priorities:
        rows = rows.filter(procedure__order__priority__in=keys.priorities)
    if keys.text:
        rows = rows.filter(_with_text(keys.text, is_of_days=bool(keys.from_day and keys.to_day)))
    return _sorted(rows, order)


def to_schedule(user: Any) -> int:
    """How many open steps of the user's facilities wait for somebody to say their time."""
    return steps(Keys(awaits_time=True), user=user).count()


def _of_station(title: str) -> Q:
    """Steps of a station; one of a station group is one of each of its stations."""
    groups = Station.objects.filter(ae_title=title).exclude(group="").values("group")
    return Q(station_ae_title=title) | Q(station_ae_title="", station_group__in=groups)


def _with_text(text: str, *, is_of_days: bool) -> Q:
    people = patient_search.of_persons(patient_search.meant(text, timezone.localdate()))
    condition = Q(procedure__order__patient__in=people.values("pk"))
    condition |= Q(procedure__order__accession_number=text) | Q(procedure__accession_number=text)
    if patient_search.is_part_of_number(text):
        condition |= _with_part_of_number(text, is_of_days=is_of_days)
    return condition | Q(procedure__description__icontains=text) | Q(description__icontains=text)


def _with_part_of_number(text: str, *, is_of_days: bool) -> Q:
    """Steps whose accession number holds a text; of any day, those of the newest orders and procedures."""
    if is_of_days:
        inside = Q(procedure__order__accession_number__icontains=text)
        return inside | Q(procedure__accession_number__icontains=text)
    orders, procedures = (
        patient_search.newest_with(model._default_manager.all(), "accession_number", text).values("pk")
        for model in (Order, RequestedProcedure)
    )
    return Q(procedure__order__in=orders) | Q(procedure__in=procedures)


def _sorted(rows: QuerySet[ScheduledProcedureStep], order: str) -> QuerySet[ScheduledProcedureStep]:
    sort, descending = order.removeprefix("-"), order.startswith("-")
    time = ["local_date", "local_time"]
    if sort == "patient":
        name = Coalesce(f"{_PATIENT}__survivor__name_key", f"{_PATIENT}__name_key", Value(""))
        rows, first = rows.annotate(name_key=name), ["name_key"]
    elif sort == "station":
        place = Coalesce(NullIf("station_ae_title", Value("")), F("station_group"))
        rows, first = rows.annotate(place=place), ["place"]
    elif sort == "priority":
        rows, first = rows.annotate(rank=Case(*_RANKS, default=Value(2))), ["rank"]
    else:
        first = {"procedure": ["procedure__description"], "status": ["status"]}.get(sort, [])
    columns = [*(first or time), *(time if first else []), "id"]
    turned = len(first or time) if descending else 0
    if descending and not first:
        turned = len(columns)
    return rows.order_by(*("-" + name if at < turned else name for at, name in enumerate(columns)))
