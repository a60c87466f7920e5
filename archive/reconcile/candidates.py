"""Scheduled steps with all that a verdict compares."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Min, QuerySet

from archive.reconcile.reconcile_policy import Policy
from archive.reconcile.study_evidence import Identity, StudyEvidence, moment
from worklist.models import FormerDescription, Patient, ScheduledProcedureStep, StatusEvent
from worklist.patients import identity
from worklist.schedule import station_groups

_UNUSED: Final = (
    "stamps",
    "protocol_codes",
    "procedure__stamps",
    "procedure__order__stamps",
    "procedure__order__reason",
    "procedure__order__clinical_information",
    "procedure__order__patient__stamps",
    "procedure__order__patient__other_identifiers",
)
"""Wide columns that nothing is compared with."""
MOST_FORMER: Final = 20
"""Corrections of a record that are looked at, the newest first."""


@dataclass(frozen=True)
class Person:
    """Who a candidate is for: as shown, and all records and identifiers of the same person.

    The first of `records` is the one that shows. `attributes` are identifiers that name no record; `former`
    is what the records said when the images came, where they were corrected since.
    """

    id: str = ""
    record: str = ""
    records: tuple[Identity, ...] = ()
    universal_issuers: tuple[tuple[str, str], ...] = ()
    attributes: tuple[Identity, ...] = ()
    former: tuple[Identity, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A scheduled step with all that is compared. Moments are ISO 8601 in UTC, `id` and others public ids."""

    id: str
    procedure: str
    order: str
    scheduled_procedure_step_id: str
    requested_procedure_id: str
    study_instance_uid: str
    patient: Person = Person()
    accession_number: str = ""
    accession_issuer: str = ""
    code: str = ""
    description: str = ""
    body_part: str = ""
    laterality: str = ""
    modality: str = ""
    station_ae_titles: tuple[str, ...] = ()
    station_name: str = ""
    performing_physician: str = ""
    due: str = ""
    status: str = ""
    content_received_at: str = ""
    cancelled_at: str = ""


def described_since(study: StudyEvidence, policy: Policy) -> datetime:
    """From when on it counts what records said: devices may go on with what a worklist told them before."""
    return datetime.fromisoformat(study.received_at) - timedelta(hours=policy.former_hours)


def described(rows: QuerySet[ScheduledProcedureStep], since: datetime) -> list[Candidate]:
    """Steps with all that is compared, in the order of their ids; `since` when what records said counts."""
    rows = rows.select_related("procedure__order__patient").defer(*_UNUSED)
    steps = list(rows.order_by("public_id"))
    orders = {step.procedure.order_id for step in steps}
    found = people((step.procedure.order.patient for step in steps), since)
    groups = station_groups.titles() if any(step.station_group for step in steps) else {}
    cancelled = _cancelled(orders)
    return [_candidate(step, found, groups, cancelled) for step in steps]


def _candidate(
    step: ScheduledProcedureStep,
    found: dict[int, Person],
    groups: dict[str, list[str]],
    cancelled: dict[tuple[int, int | None], str],
) -> Candidate:
    procedure, order = step.procedure, step.procedure.order
    stations = [step.station_ae_title] if step.station_ae_title else groups.get(step.station_group, [])
    ends = [cancelled.get((order.pk, None), ""), cancelled.get((order.pk, step.pk), "")]
    return Candidate(
        id=step.public_id,
        procedure=procedure.public_id,
        order=order.public_id,
        scheduled_procedure_step_id=step.scheduled_procedure_step_id,
        requested_procedure_id=procedure.requested_procedure_id,
        study_instance_uid=procedure.study_instance_uid,
        patient=found.get(order.patient_id or 0, Person()),
        accession_number=procedure.accession_number or order.accession_number,
        accession_issuer=order.accession_issuer,
        code=procedure.code,
        description=procedure.description or step.description,
        body_part=procedure.body_part,
        laterality=procedure.laterality,
        modality=step.modality,
        station_ae_titles=tuple(stations),
        station_name=step.station_name,
        performing_physician=step.performing_physician,
        due=moment(step.due),
        status=step.status,
        content_received_at=moment(order.content_received_at) if order.content_received_at else "",
        cancelled_at=min(filter(None, ends), default=""),
    )


def _cancelled(orders: Iterable[int]) -> dict[tuple[int, int | None], str]:
    """When orders and steps of them were first cancelled, or their patient did not come."""
    kinds = (StatusEvent.Kind.CANCEL, StatusEvent.Kind.NO_SHOW)
    rows = StatusEvent.objects.filter(order__in=list(orders), kind__in=kinds, undone_by="")
    ends = rows.values("order", "step").annotate(at=Min("occurred_at")).values_list("order", "step", "at")
    return {(order, step): moment(at.astimezone(UTC)) for order, step, at in ends}


def people(patients: Iterable[Patient | None], since: datetime) -> dict[int, Person]:
    """The person of each record, by the record's key."""
    records = {patient.pk: patient for patient in patients if patient is not None}
    if not records:
        return {}
    everyone = (
        identity.same_person(records.values())
        .defer("stamps")
        .select_related("authority")
        .order_by("authority", "value")
    )
    families: dict[int, list[Patient]] = {}
    for row in everyone:
        families.setdefault(row.survivor_id or row.pk, []).append(row)
    former = _former([row.pk for family in families.values() for row in family], since)
    return {
        pk: _person(record, families[record.survivor_id or record.pk], former)
        for pk, record in records.items()
    }


def _former(records: Sequence[int], since: datetime) -> dict[int, list[FormerDescription]]:
    """What records said at a time, or between it and now, the oldest first."""
    found: dict[int, list[FormerDescription]] = {}
    rows = FormerDescription.objects.filter(patient__in=records, replaced_at__gte=since)
    for row in rows.order_by("-id")[: MOST_FORMER * len(records)]:
        if len(of_record := found.setdefault(row.patient_id, [])) < MOST_FORMER:
            of_record.insert(0, row)
    return found


def _person(
    record: Patient, family: list[Patient], former: Mapping[int, Sequence[FormerDescription]]
) -> Person:
    shown = next(row for row in family if row.survivor_id is None)
    others = [row for row in family if row.pk != shown.pk]
    issuers = {(row.authority.namespace, row.authority.universal_id) for row in family}
    return Person(
        id=shown.public_id,
        record=record.public_id,
        records=tuple(
            Identity(row.value, row.authority.namespace, row.name, row.birth_date, row.sex)
            for row in [shown, *others]
        ),
        universal_issuers=tuple(sorted(pair for pair in issuers if pair[1])),
        attributes=tuple(
            Identity(named.get("value", ""), named.get("authority", ""))
            for row in [shown, *others]
            for named in row.other_identifiers
        ),
        former=tuple(
            Identity(row.value, row.authority.namespace, was.name, was.birth_date, was.sex)
            for row in [shown, *others]
            for was in former.get(row.pk, ())
        ),
    )
