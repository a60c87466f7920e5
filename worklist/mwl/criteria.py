"""What a scheduled step has to fulfil to be among the answers: each rule once, in its three forms.

A rule is a condition that the database is asked, a test of one step, and words for what a step lacks.
`query` selects by the first, `explanation` explains by the others.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from ledger.wildcards import fits, fits_all, fits_any, matches, matches_any
from worklist.models import Patient, ScheduledProcedureStep, Station, StepStatus
from worklist.mwl.matching_keys import Period, WorklistKeys
from worklist.orders import step_status
from worklist.patients import person_names
from worklist.schedule import station_groups

Step = ScheduledProcedureStep


class By(Enum):
    """What kept a step from a modality: the step itself, what the modality asked, or the site's policy."""

    STEP = "the step"
    KEY = "the query"
    POLICY = "the station's policy"


@dataclass(frozen=True)
class Exclusion:
    """What a step lacks: what it is about, what was wanted, what the step has."""

    by: By
    about: str
    wanted: str
    has: str


@dataclass(frozen=True)
class Criterion:
    """One rule: `condition` and `holds` say the same, and `words` what is amiss with a step that lacks it."""

    condition: Q
    holds: Callable[[Step], bool]
    words: Callable[[Step], Iterable[Exclusion]]


def of(keys: WorklistKeys, station: Station | None = None, *, now: datetime | None = None) -> list[Criterion]:
    """All that the answers to `keys` fulfil; with a station, also what its policy lets it see."""
    by_policy = _of_policy(station, now or timezone.now()) if station else ()
    return [_ON_WORKLIST, _HAS_TIME, *_of_keys(keys), *by_policy]


def _because(
    by: By, about: str, wanted: str, has: Callable[[Step], str]
) -> Callable[[Step], Iterable[Exclusion]]:
    return lambda step: [Exclusion(by, about, wanted, has(step))]


# The step


def _off_worklist(step: Step) -> Iterator[Exclusion]:
    has_patient = step.procedure.order.patient_id is not None
    if not has_patient:
        yield Exclusion(By.STEP, "patient", "an order with a patient", "nobody is known for its order yet")
    if step.status in step_status.ENDED or step.status == StepStatus.HELD:
        yield Exclusion(By.STEP, "status", "an open step", step.get_status_display().lower())
    elif has_patient:
        yield Exclusion(By.STEP, "worklist", "on the worklist", "taken off it")


_ON_WORKLIST: Final = Criterion(Q(on_worklist=True), lambda step: step.on_worklist, _off_worklist)


_HAS_TIME: Final = Criterion(
    Q(awaits_time=False),
    lambda step: not step.awaits_time,
    _because(By.STEP, "time", "a time", lambda _: "to be scheduled: its appointment was given up"),
)
"""Whatever is asked: what waits to be scheduled has no day, nor a station, until somebody says its time."""


# The query


def _of_keys(keys: WorklistKeys) -> Iterator[Criterion]:
    yield _start(keys.period)
    yield _text("modality", "modality", keys.modalities)
    yield _station(keys.station_ae_titles)
    yield _accession_number(keys.accession_number)
    yield _text("requested procedure ID", "procedure__requested_procedure_id", [keys.requested_procedure_id])
    yield _text("scheduled procedure step ID", "scheduled_procedure_step_id", [keys.step_id])
    yield _text("Study Instance UID", "procedure__study_instance_uid", keys.study_instance_uids)
    yield _patient_id(keys.patient_id, keys.issuer_of_patient_id)
    yield _patient_name(keys.patient_name)


def _text(about: str, column: str, wanted: Sequence[str]) -> Criterion:
    """A column is one of the texts that are wanted."""
    has: Callable[[Step], str] = attrgetter(column.replace("__", "."))
    return Criterion(
        fits_any(column, wanted),
        lambda step: matches_any(wanted, has(step)),
        _because(By.KEY, about, " or ".join(wanted), has),
    )


def _start(period: Period) -> Criterion:
    """The step begins in the period; without dates, at a time of any day (PS3.4 C.2.2.2.5, K.6.1.2.2)."""
    condition, holds = _days(period) if period.from_date or period.to_date else _time_of_day(period)
    return Criterion(condition, holds, _because(By.KEY, "start", str(period), _start_of))


_LAST: Final = "999999"
"""Behind every time of a day, and every date."""


def _time_of_day(period: Period) -> tuple[Q, Callable[[Step], bool]]:
    first, last = period.from_time, period.to_time or _LAST
    condition = Q(local_time__range=(first, last)) if first or period.to_time else Q()
    return condition, lambda step: first <= step.local_time <= last


def _days(period: Period) -> tuple[Q, Callable[[Step], bool]]:
    """Date and time together are one period: its times are those of its first and its last day."""
    first = (period.from_date, period.from_time) if period.from_date else ("", "")
    last = (period.to_date, period.to_time or _LAST) if period.to_date else (_LAST, "")
    condition = Q(local_date__range=(first[0], last[0]))
    condition &= Q(local_date__gt=first[0]) | Q(local_time__gte=first[1])
    condition &= Q(local_date__lt=last[0]) | Q(local_time__lte=last[1])
    return condition, lambda step: first <= (step.local_date, step.local_time) <= last


def _start_of(step: Step) -> str:
    return f"{step.local_date} {step.local_time}"


def _station(titles: Sequence[str]) -> Criterion:
    """The step is planned for a station with one of the titles; one of a group, for each of its stations."""
    condition = own = fits_any("station_ae_title", titles)
    if own:
        groups = Station.objects.filter(fits_any("ae_title", titles)).exclude(group="").values("group")
        condition = own | Q(station_ae_title="", station_group__in=groups)
    of_groups = cache(station_groups.titles)

    def stations_of(step: Step) -> list[str]:
        title = step.station_ae_title
        return [title] if title else of_groups().get(step.station_group, [])

    def has(step: Step) -> str:
        if step.station_ae_title or not step.station_group:
            return step.station_ae_title
        named = ", ".join(stations_of(step))
        return f"{named} of group {step.station_group}" if named else f"group {step.station_group}"

    return Criterion(
        condition,
        lambda step: not own or any(matches_any(titles, title) for title in stations_of(step)),
        _because(By.KEY, "station AE title", " or ".join(titles), has),
    )


def _accession_number(wanted: str) -> Criterion:
    """That of the requested procedure, or of the order where the procedure has none."""
    own, orders = "procedure__accession_number", "procedure__order__accession_number"

    def has(step: Step) -> str:
        return step.procedure.accession_number or step.procedure.order.accession_number

    return Criterion(
        fits(own, wanted) | Q(**{own: ""}) & fits(orders, wanted) if not fits_all(wanted) else Q(),
        lambda step: matches_any([wanted], has(step)),
        _because(By.KEY, "accession number", wanted, has),
    )


def _patient_id(number: str, issuer: str) -> Criterion:
    """Any identifier of the patient, retired ones included; an issuer has to be that identifier's own."""
    if fits_all(number):
        return _ANYBODY
    named = Patient.objects.filter(fits("value", number))
    if issuer:
        named = named.filter(authority__namespace=issuer)
    roots = named.annotate(root=Coalesce("survivor_id", "pk")).values("root")

    def with_number(step: Step) -> list[Patient]:
        return [record for record in _records(step) if matches(number, record.value)]

    def words(step: Step) -> Iterator[Exclusion]:
        if found := with_number(step):
            yield Exclusion(By.KEY, "issuer of the patient ID", issuer, _numbers(found))
        else:
            yield Exclusion(By.KEY, "patient ID", number, _numbers(_records(step)))

    return Criterion(
        _of_persons(roots),
        lambda step: any(not issuer or one.authority.namespace == issuer for one in with_number(step)),
        words,
    )


def _patient_name(wanted: str) -> Criterion:
    """The name that the patient shows under fits in any of its component groups (PS3.4 C.2.2.2.1)."""
    named = person_names.fits(person_names.PATIENT_KEYS, wanted)
    if not named:
        return _ANYBODY

    def has(step: Step) -> str:
        patient = step.procedure.order.patient
        return patient.current.name if patient else ""

    return Criterion(
        _of_persons(Patient.objects.filter(named, survivor=None).values("pk")),
        lambda step: person_names.matches(wanted, has(step)),
        _because(By.KEY, "patient's name", wanted, has),
    )


_ANYBODY: Final = Criterion(Q(), lambda _: True, lambda _: ())


def _of_persons(roots: "QuerySet[Any, Any]") -> Q:
    """Steps for any record that shows under one of `roots`."""
    return Q(procedure__order__patient__in=Patient.objects.filter(Q(pk__in=roots) | Q(survivor__in=roots)))


def _records(step: Step) -> list[Patient]:
    """The records of the person whom the step is for, the one that shows first."""
    patient = step.procedure.order.patient
    return [patient.current, *patient.current.absorbed.all()] if patient else []


def _numbers(records: Iterable[Patient]) -> str:
    return ", ".join(f"{record.value} ({record.authority.namespace})" for record in records)


# The policy


def _of_policy(station: Station, now: datetime) -> Iterator[Criterion]:
    """What the site lets a station see: by selection, by whether it was started, by a window of days."""
    if station.selection in _SELECTIONS:
        yield _SELECTIONS[station.selection](station)
    if not station.show_started:
        yield Criterion(
            ~Q(status=StepStatus.STARTED),
            lambda step: step.status != StepStatus.STARTED,
            _because(By.POLICY, "no steps that were started", "not started", lambda _: "started"),
        )
    if station.window_days:
        yield _window(now, station.window_days)


def _only_own(station: Station) -> Criterion:
    title = station.ae_title
    return Criterion(
        Q(station_ae_title=title),
        lambda step: step.station_ae_title == title,
        _because(By.POLICY, "only its own steps", title, lambda step: step.station_ae_title),
    )


def _only_modalities(station: Station) -> Criterion:
    wanted = station.modalities
    return Criterion(
        Q(modality__in=wanted),
        lambda step: step.modality in wanted,
        _because(By.POLICY, "only steps of its modalities", ", ".join(wanted), lambda step: step.modality),
    )


def _only_group(station: Station) -> Criterion:
    title, group = station.ae_title, station.group
    about = "only its own steps and its group's"
    return Criterion(
        Q(station_ae_title=title) | Q(station_group=group),
        lambda step: step.station_ae_title == title or step.station_group == group,
        _because(By.POLICY, about, group, lambda step: step.station_group or step.station_ae_title),
    )


_SELECTIONS: Final = {"own": _only_own, "modality": _only_modalities, "group": _only_group}


def _window(now: datetime, days: int) -> Criterion:
    first, last = now - timedelta(days=days), now + timedelta(days=days)
    return Criterion(
        Q(due__range=(first, last)),
        lambda step: first <= step.due <= last,
        _because(By.POLICY, "window", f"within {days} days of now", _start_of),
    )
