"""The scheduled steps that a study could belong to, fetched by index and bounded in number."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Min, Q, QuerySet

from archive.reconcile import name_agreement
from archive.reconcile.reconcile_policy import Policy
from archive.reconcile.study_evidence import Identity, StudyEvidence, moment
from worklist.models import Order, Patient, ScheduledProcedureStep, StatusEvent
from worklist.patients import identity, person_names
from worklist.schedule import station_groups

_LONGEST_ACCESSION: Final = 16
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


@dataclass(frozen=True)
class Person:
    """Who a candidate is for: as shown, and all records and identifiers of the same person.

    The first of `records` is the one that shows. `attributes` are identifiers that name no record.
    """

    id: str = ""
    record: str = ""
    records: tuple[Identity, ...] = ()
    universal_issuers: tuple[tuple[str, str], ...] = ()
    attributes: tuple[Identity, ...] = ()


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


def gather(study: StudyEvidence, facility_id: int, policy: Policy) -> list[Candidate]:
    """The candidates for a study of this facility, in the order of their ids.

    Those that its headers name come first in the bound on their number, then its patient's. Only where there
    is none are those of the station, or of the modality, at the time looked at.
    """
    found: dict[int, None] = {}
    everything = ScheduledProcedureStep.objects.filter(procedure__order__facility=facility_id)
    for source in (_named, _of_patient, _at_station):
        if source is _at_station and found:
            break
        for condition in source(study, policy):
            room = policy.most_candidates - len(found)
            if room > 0:
                rows = everything.filter(condition).exclude(pk__in=found).order_by("-due", "pk")
                found |= dict.fromkeys(rows.values_list("pk", flat=True)[:room])
    return described(everything.filter(pk__in=found))


def accession_spellings(accession: str, policy: Policy) -> list[str]:
    """The spellings under which an accession number may be kept, the exact one first: an index finds each."""
    plain = accession.strip()
    if not plain:
        return []
    bodies = [plain, *(plain.removeprefix(prefix) for prefix in policy.accession_prefixes)]
    digits = plain.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_. ")
    bodies += [digits] if len(digits) >= 4 else []
    bodies += [prefix + body for prefix in policy.accession_prefixes for body in (plain, plain.lstrip("0"))]
    found = []
    for body in dict.fromkeys(bodies):
        bare = body.lstrip("0")
        padded = (
            [bare.rjust(width, "0") for width in range(len(bare), _LONGEST_ACCESSION + 1)] if bare else []
        )
        found += [body, body.replace(" ", ""), *padded]
    found += [text.upper() for text in found] + [text.lower() for text in found]
    return list(dict.fromkeys(text for text in found if text))


def _named(study: StudyEvidence, policy: Policy) -> Iterator[Q]:
    uids = {study.study_instance_uid, *(item.study_instance_uid for item in study.requests)} - {""}
    yield Q(procedure__study_instance_uid__in=uids)
    accessions = {*study.accession_numbers, *(item.accession_number for item in study.requests)} - {""}
    if accessions:
        yield _by_accession(sorted(accessions))
        yield _by_accession([s for text in sorted(accessions) for s in accession_spellings(text, policy)])
    procedure_ids = {item.requested_procedure_id for item in study.requests} - {""}
    step_ids = {item.scheduled_procedure_step_id for item in study.requests} - {""}
    if procedure_ids:
        yield Q(procedure__requested_procedure_id__in=procedure_ids)
    if step_ids:
        yield Q(scheduled_procedure_step_id__in=step_ids)


def _by_accession(spellings: Iterable[str]) -> Q:
    """Those with one of these accession numbers; each table's index is asked by itself."""
    spellings = list(spellings)
    orders = Order.objects.filter(accession_number__in=spellings).values("pk")
    own = ScheduledProcedureStep.objects.filter(procedure__accession_number__in=spellings).values("pk")
    of_order = ScheduledProcedureStep.objects.filter(procedure__order__in=orders).values("pk")
    return Q(pk__in=own.union(of_order).values_list("pk", flat=True))


def _of_patient(study: StudyEvidence, policy: Policy) -> Iterator[Q]:
    days = timedelta(days=policy.shown_days)
    for patients in (_identified(study), _called(study)):
        if patients is None:
            continue
        everyone = list(identity.same_person(patients[:20]).values_list("pk", flat=True)[:100])
        if everyone:
            for around in _windows(study, days):
                yield Q(procedure__order__patient__in=everyone) & around
            yield Q(procedure__order__patient__in=everyone, on_worklist=True)


def _identified(study: StudyEvidence) -> QuerySet[Patient] | None:
    """The records of any issuer that the study's patient IDs name."""
    values = {known.patient_id for known in study.identities} - {""}
    return Patient.objects.filter(value__in=values).order_by("pk") if values else None


def _called(study: StudyEvidence) -> QuerySet[Patient] | None:
    """The records with the study's name, in any of its spellings, and birth date."""
    wanted = Q(pk__in=[])
    for known in study.identities[:3]:
        date = known.birth_date.replace(".", "").replace("-", "")
        if not known.name.strip("^ ") or len(date) != 8:
            continue
        dates = [date, date[:4] + date[6:] + date[4:6]]
        wanted |= Q(name_key__in=name_agreement.spellings(known.name), birth_date__in=dates)
        _, ideographic, phonetic = person_names.keys(known.name)
        for column, key in (("ideographic_key", ideographic), ("phonetic_key", phonetic)):
            if key:
                wanted |= Q(**{column: key}, birth_date__in=dates)
    return Patient.objects.filter(wanted).order_by("pk") if wanted != Q(pk__in=[]) else None


def _at_station(study: StudyEvidence, policy: Policy) -> Iterator[Q]:
    stations = [*study.station_ae_titles, *study.station_names]
    what = [Q(station_ae_title__in=stations) | Q(station_name__in=stations)] if stations else []
    what += [Q(modality__in=study.modalities)] if study.modalities else []
    for condition in what:
        for around in _windows(study, timedelta(hours=policy.window_hours)):
            yield Q(on_worklist=True) & around & condition


def _windows(study: StudyEvidence, reach: timedelta) -> Iterator[Q]:
    """The time around the acquisition, and around the receipt, if that is another."""
    moments = [datetime.fromisoformat(text) for text in (study.acquired_at, study.received_at) if text]
    if len(moments) == 2 and abs(moments[0] - moments[1]) < reach / 4:
        moments.pop()
    for middle in moments:
        # The local date leads the index; its zone is within a day of any.
        start, end = middle - reach, middle + reach
        yield Q(due__range=(start, end)) & Q(
            local_date__range=(_day(start - timedelta(days=1)), _day(end + timedelta(days=1)))
        )


def _day(value: datetime) -> str:
    return value.astimezone(ZoneInfo("UTC")).strftime("%Y%m%d")


def described(rows: QuerySet[ScheduledProcedureStep]) -> list[Candidate]:
    """Steps with all that is compared, in the order of their ids."""
    rows = rows.select_related("procedure__order__patient").defer(*_UNUSED)
    steps = list(rows.order_by("public_id"))
    orders = {step.procedure.order_id for step in steps}
    people = _people(step.procedure.order.patient for step in steps)
    groups = station_groups.titles() if any(step.station_group for step in steps) else {}
    cancelled = _cancelled(orders)
    return [_candidate(step, people, groups, cancelled) for step in steps]


def _candidate(
    step: ScheduledProcedureStep,
    people: dict[int, Person],
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
        patient=people.get(order.patient_id or 0, Person()),
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


def _people(patients: Iterable[Patient | None]) -> dict[int, Person]:
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
    return {pk: _person(record, families[record.survivor_id or record.pk]) for pk, record in records.items()}


def _person(record: Patient, family: list[Patient]) -> Person:
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
    )
