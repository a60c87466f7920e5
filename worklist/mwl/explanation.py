"""Why a modality does not see a scheduled step: each condition of `worklist.mwl.query` that fails, named.

`why_not` says nothing of a step exactly where `selection.select` gives it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.utils import timezone

from ledger.wildcards import fits_all, matches
from worklist.models import Patient, ScheduledProcedureStep, Station, StepStatus
from worklist.mwl.query import Period, WorklistKeys
from worklist.orders import step_status
from worklist.patients import person_names


class By(Enum):
    """What kept a step from a modality: the step itself, what the modality asked, or the site's policy."""

    STEP = "the step"
    KEY = "the query"
    POLICY = "the station's policy"


@dataclass(frozen=True)
class Exclusion:
    """A condition that fails: what it is about, what was wanted, what the step has."""

    by: By
    about: str
    wanted: str
    has: str


def why_not(
    step: ScheduledProcedureStep,
    keys: WorklistKeys,
    station: Station | None = None,
    *,
    now: datetime | None = None,
) -> list[Exclusion]:
    """The conditions that keep `step` out of the answer to `keys`; none where it is in it."""
    return [
        *_of_step(step),
        *_of_plan(step, keys),
        *_of_numbers(step, keys),
        *_of_patient(step, keys),
        *_of_policy(step, station, now or timezone.now()),
    ]


def _of_step(step: ScheduledProcedureStep) -> Iterator[Exclusion]:
    if step.on_worklist:
        return
    if step.procedure.order.patient_id is None:
        yield Exclusion(By.STEP, "patient", "an order with a patient", "nobody is known for its order yet")
    if step.status in step_status.ENDED or step.status == StepStatus.HELD:
        yield Exclusion(By.STEP, "status", "an open step", step.get_status_display().lower())
    elif step.procedure.order.patient_id is not None:
        yield Exclusion(By.STEP, "worklist", "on the worklist", "taken off it")


def _of_plan(step: ScheduledProcedureStep, keys: WorklistKeys) -> Iterator[Exclusion]:
    if not _in_period(keys.period, step.local_date, step.local_time):
        has = f"{step.local_date} {step.local_time}"
        yield Exclusion(By.KEY, "start", period_in_words(keys.period), has)
    if not _fits(keys.modalities, step.modality):
        yield Exclusion(By.KEY, "modality", _either(keys.modalities), step.modality)
    titles = keys.station_ae_titles
    if not _fits(titles, step.station_ae_title):
        group = [] if step.station_ae_title else _of_group(step.station_group)
        if not any(_fits(titles, title) for title in group):
            yield Exclusion(By.KEY, "station AE title", _either(titles), _planned_for(step, group))


def _planned_for(step: ScheduledProcedureStep, group: Sequence[str]) -> str:
    if step.station_ae_title or not step.station_group:
        return step.station_ae_title
    return f"{', '.join(group)} of group {step.station_group}" if group else f"group {step.station_group}"


def _of_numbers(step: ScheduledProcedureStep, keys: WorklistKeys) -> Iterator[Exclusion]:
    procedure = step.procedure
    accession = procedure.accession_number or procedure.order.accession_number
    for about, wanted, has in (
        ("accession number", [keys.accession_number], accession),
        ("requested procedure ID", [keys.requested_procedure_id], procedure.requested_procedure_id),
        ("scheduled procedure step ID", [keys.step_id], step.scheduled_procedure_step_id),
        ("Study Instance UID", keys.study_instance_uids, procedure.study_instance_uid),
    ):
        if not _fits(wanted, has):
            yield Exclusion(By.KEY, about, _either(wanted), has)


def _of_patient(step: ScheduledProcedureStep, keys: WorklistKeys) -> Iterator[Exclusion]:
    patient = step.procedure.order.patient
    asks_identifier = bool(keys.patient_id.strip("*"))
    if patient is None:
        if asks_identifier or keys.patient_name.strip("*^="):
            yield Exclusion(By.KEY, "patient", keys.patient_id or keys.patient_name, "")
        return
    if asks_identifier:
        records = [patient.current, *patient.current.absorbed.all()]
        issuer = keys.issuer_of_patient_id
        fitting = [record for record in records if _fits([keys.patient_id], record.value)]
        if not fitting:
            yield Exclusion(By.KEY, "patient ID", keys.patient_id, _numbers(records))
        elif issuer and all(record.authority.namespace != issuer for record in fitting):
            yield Exclusion(By.KEY, "issuer of the patient ID", issuer, _numbers(fitting))
    if keys.patient_name.strip("*^=") and not _is_named(patient.current, keys.patient_name):
        yield Exclusion(By.KEY, "patient's name", keys.patient_name, patient.current.name)


def _of_policy(step: ScheduledProcedureStep, station: Station | None, now: datetime) -> Iterator[Exclusion]:
    if station is None:
        return
    own = step.station_ae_title == station.ae_title
    if station.selection == "own" and not own:
        yield Exclusion(By.POLICY, "only its own steps", station.ae_title, step.station_ae_title)
    elif station.selection == "modality" and step.modality not in station.modalities:
        wanted = ", ".join(station.modalities)
        yield Exclusion(By.POLICY, "only steps of its modalities", wanted, step.modality)
    elif station.selection == "group" and not own and step.station_group != station.group:
        has = step.station_group or step.station_ae_title
        yield Exclusion(By.POLICY, "only its own steps and its group's", station.group, has)
    if not station.show_started and step.status == StepStatus.STARTED:
        yield Exclusion(By.POLICY, "no steps that were started", "not started", "started")
    window = timedelta(days=station.window_days)
    if window and not now - window <= step.due <= now + window:
        wanted = f"within {station.window_days} days of now"
        yield Exclusion(By.POLICY, "window", wanted, f"{step.local_date} {step.local_time}")


def _fits(wanted: Sequence[str], value: str) -> bool:
    """As `selection` has it: one of `wanted`, with wildcards; no key, or one of `*` alone, takes all."""
    return not wanted or any(fits_all(one) or matches(one, value) for one in wanted)


def _is_named(patient: Patient, wanted: str) -> bool:
    own = (patient.name_key, patient.ideographic_key, patient.phonetic_key)
    groups = [group for group in person_names.keys(wanted) if group.strip("*")]
    return any(matches(group, key) for group in groups for key in own)


def _in_period(period: Period, date: str, time: str) -> bool:
    if not period.from_date and not period.to_date:
        return (period.from_time or time) <= time <= (period.to_time or time)
    begins = (period.from_date, period.from_time) if period.from_date else ("", "")
    ends = (period.to_date, period.to_time or "999999") if period.to_date else ("99999999", "")
    return begins <= (date, time) <= ends


def period_in_words(period: Period) -> str:
    """A period as people write it; empty for any time."""
    first = f"{period.from_date} {period.from_time}".strip()
    last = f"{period.to_date} {period.to_time}".strip()
    if first == last or not last:
        return first and (first if first == last else f"from {first}")
    return f"{first} to {last}" if first else f"until {last}"


def _of_group(group: str) -> list[str]:
    if not group:
        return []
    return list(Station.objects.filter(group=group).order_by("ae_title").values_list("ae_title", flat=True))


def _numbers(records: Sequence[Patient]) -> str:
    return ", ".join(f"{record.value} ({record.authority.namespace})" for record in records)


def _either(values: Sequence[str]) -> str:
    return " or ".join(values)
