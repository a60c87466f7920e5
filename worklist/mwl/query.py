"""Which scheduled steps a modality gets to see: the one place where the worklist is selected.

The keys are DICOM's (PS3.4 K.6.1.2.2); text keys may hold the wildcards `*` and `?` (PS3.4 C.2.2.2.4).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from ledger.wildcards import fits, fits_any
from worklist.models import Patient, ScheduledProcedureStep, Station, StepStatus
from worklist.patients import person_names


@dataclass(frozen=True)
class Period:
    """A combined range of date and time in the facility's time; an empty end is open.

    Dates are YYYYMMDD, times HHMMSS. Without any date the times are times of any day.
    """

    from_date: str = ""
    from_time: str = ""
    to_date: str = ""
    to_time: str = ""


@dataclass(frozen=True)
class WorklistKeys:
    """What a modality asks for; an empty key matches everything."""

    station_ae_titles: Sequence[str] = ()
    modalities: Sequence[str] = ()
    period: Period = Period()
    patient_name: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    accession_number: str = ""
    requested_procedure_id: str = ""
    step_id: str = ""
    study_instance_uids: Sequence[str] = ()


def select(keys: WorklistKeys, *, station: Station | None = None) -> QuerySet[ScheduledProcedureStep]:
    """The steps on the worklist that match `keys` and that `station`'s policy lets it see, by due time."""
    rows = ScheduledProcedureStep.objects.filter(on_worklist=True)
    rows = rows.filter(_period(keys.period))
    rows = _by_station(rows, keys.station_ae_titles)
    rows = _by_patient(rows, keys)
    for name, values in (
        ("modality", keys.modalities),
        ("procedure__requested_procedure_id", [keys.requested_procedure_id]),
        ("scheduled_procedure_step_id", [keys.step_id]),
        ("procedure__study_instance_uid", keys.study_instance_uids),
    ):
        rows = rows.filter(fits_any(name, values))
    if keys.accession_number:
        own = fits("procedure__accession_number", keys.accession_number)
        order = fits("procedure__order__accession_number", keys.accession_number)
        rows = rows.filter(own | Q(procedure__accession_number="") & order)
    if station is not None:
        rows = _by_policy(rows, station)
    return rows.select_related(
        "procedure__order__visit",
        "procedure__order__facility",
        "procedure__order__patient__authority",
        "procedure__order__patient__survivor__authority",
    ).order_by("local_date", "local_time", "id")


def _period(period: Period) -> Q:
    if not period.from_date and not period.to_date:
        times = Q()
        if period.from_time:
            times &= Q(local_time__gte=period.from_time)
        if period.to_time:
            times &= Q(local_time__lte=period.to_time)
        return times
    condition = Q()
    if period.from_date:
        later = Q(local_date__gt=period.from_date)
        same_day = Q(local_date=period.from_date, local_time__gte=period.from_time)
        condition &= Q(local_date__gte=period.from_date) & (later | same_day)
    if period.to_date:
        earlier = Q(local_date__lt=period.to_date)
        same_day = Q(local_date=period.to_date, local_time__lte=period.to_time or "999999")
        condition &= Q(local_date__lte=period.to_date) & (earlier | same_day)
    return condition


def _by_station(
    rows: QuerySet[ScheduledProcedureStep], titles: Sequence[str]
) -> QuerySet[ScheduledProcedureStep]:
    """Steps of a station with one of `titles`; a step of a station group is one of each of its stations."""
    own = fits_any("station_ae_title", titles)
    if not own:
        return rows
    groups = Station.objects.filter(fits_any("ae_title", titles)).exclude(group="").values("group")
    return rows.filter(own | Q(station_ae_title="", station_group__in=groups))


def _by_patient(
    rows: QuerySet[ScheduledProcedureStep], keys: WorklistKeys
) -> QuerySet[ScheduledProcedureStep]:
    """Steps of patients whose shown name matches, or any of whose identifiers does, retired ones included."""
    patients = Patient.objects.all()
    if keys.patient_id.strip("*"):
        of_number = Patient.objects.filter(fits("value", keys.patient_id))
        if keys.issuer_of_patient_id:
            of_number = of_number.filter(authority__namespace=keys.issuer_of_patient_id)
        roots = of_number.annotate(root=Coalesce("survivor_id", "pk")).values("root")
        patients = patients.filter(Q(pk__in=roots) | Q(survivor__in=roots))
    if named := person_names.fits(person_names.PATIENT_KEYS, keys.patient_name):
        shown = Patient.objects.filter(named, survivor=None).values("pk")
        patients = patients.filter(Q(pk__in=shown) | Q(survivor__in=shown))
    if not patients.query.where:
        return rows
    return rows.filter(procedure__order__patient__in=patients)


def _by_policy(rows: QuerySet[ScheduledProcedureStep], station: Station) -> QuerySet[ScheduledProcedureStep]:
    if station.selection == "own":
        rows = rows.filter(station_ae_title=station.ae_title)
    elif station.selection == "modality":
        rows = rows.filter(modality__in=station.modalities)
    elif station.selection == "group":
        rows = rows.filter(Q(station_ae_title=station.ae_title) | Q(station_group=station.group))
    if not station.show_started:
        rows = rows.exclude(status=StepStatus.STARTED)
    if station.window_days:
        window = timedelta(days=station.window_days)
        now = timezone.now()
        rows = rows.filter(due__range=(now - window, now + window))
    return rows


def stations_of_groups() -> dict[str, list[str]]:
    """The AE titles of each station group."""
    groups: dict[str, list[str]] = {}
    for title, group in (
        Station.objects.exclude(group="").order_by("ae_title").values_list("ae_title", "group")
    ):
        groups.setdefault(group, []).append(title)
    return groups
