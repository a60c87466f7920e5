"""`/patients`: patient records, and how a patient is shown wherever one is."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from ninja import Query, Router

from accounts import access as policy
from accounts.actor import actor_of
from accounts.models import User
from ledger import audit
from ledger.errors import Conflict
from ledger.wildcards import has_wildcard
from web.kernel import authorization
from web.rest.limit_offset import Page, page
from web.rest.schemas import Reason
from web.rest.schemas.patients import Identifier, NewLink, Patient, PatientFilters, Patients
from worklist.models import Patient as PatientRecord
from worklist.patients import patient_search, person_names, temporary_records
from worklist.patients.person_names import PATIENT_KEYS

router = Router(tags=["patients"])


@router.get("", response=Patients, summary="Find patients")
def find_patients(
    request: HttpRequest, filters: Annotated[PatientFilters, Query()], paging: Page
) -> dict[str, Any]:
    """Records by identifier, retired ones included; by name, or all, those that others don't replace."""
    user = authorization.allow(request, "patient.view")
    rows = policy.visible(PatientRecord.objects.select_related("survivor"), user).order_by("-id")
    rows = rows.filter(named(filters.identifier) if filters.identifier else Q(survivor=None))
    if filters.name:
        rows = rows.filter(_called(filters.name))
    found = page(rows, paging, lambda part: shown(part, user, as_current=False))
    note_patients(request, found["results"])
    return found


@router.get("/{id}", response=Patient, summary="Read a patient")
def read_patient(request: HttpRequest, id: str) -> Patient:
    """One record."""
    return read(request, authorization.allow(request, "patient.view"), id)


@router.post("/{id}/link", response=Patient, summary="Say of whom a temporary record is")
def link_patient(request: HttpRequest, id: str, body: NewLink) -> Patient:
    """A record under a temporary identifier shows under another from then on, with its orders and studies.

    409 where name, birth date or sex differ, unless `although`; 422 for a record that is not temporary.
    """
    user = authorization.allow(request, "patient.link")
    record, to = (find(request, user, key) for key in (id, body.patient))
    with transaction.atomic():
        temporary_records.link(
            record, to=to, reason=body.reason, by=actor_of(request), although=body.although
        )
    return read(request, user, id)


@router.post("/{id}/unlink", response=Patient, summary="Take the link of a temporary record back")
def unlink_patient(request: HttpRequest, id: str, body: Reason) -> Patient:
    """It shows by itself again, with all that it came with. 409 where no person has linked it here."""
    user = authorization.allow(request, "patient.link")
    record = find(request, user, id)
    found = [one for one in temporary_records.links_by_hand(record) if one.retired_id == record.pk]
    if not found:
        raise Conflict("nobody has linked this record here", "id")
    with transaction.atomic():
        temporary_records.unlink(found[0], reason=body.reason, by=actor_of(request))
    return read(request, user, id)


def find(request: HttpRequest, user: User, public_id: str) -> PatientRecord:
    """A record that the user may see."""
    rows = PatientRecord.objects.select_related("facility", "authority", "survivor__authority")
    return authorization.find(rows, policy.visible(rows, user), request, public_id=public_id)


def read(request: HttpRequest, user: User, public_id: str) -> Patient:
    """A record as it is now, its reading noted."""
    (patient,) = shown([find(request, user, public_id)], user, as_current=False)
    note_patients(request, [patient])
    return patient


def shown(records: Sequence[PatientRecord], user: Any, *, as_current: bool = True) -> list[Patient]:
    """Each record as JSON, by one query for all; with `as_current` as the record that replaced it."""
    people = _people(records, user)
    patients = []
    for record in records:
        root = record.survivor_id or record.pk
        known = people.get(root, [record])
        current = next((row for row in known if row.pk == root), record) if as_current else record
        patients.append(_as_json(current, known))
    return patients


def note_patients(request: HttpRequest, patients: Iterable[Patient | None]) -> None:
    """Write to the audit trail that these patients' records were read."""
    things = [("patient", patient.id) for patient in patients if patient and patient.id]
    authorization.note_reading(request, audit.PATIENT_RECORD, *things)


def named(identifier: str, through: str = "") -> Q:
    """The records that `VALUE` or `VALUE^^^AUTHORITY` names."""
    value, _, authority = identifier.partition("^^^")
    condition = Q(**{f"{through}value": value})
    return condition & Q(**{f"{through}authority__namespace": authority}) if authority else condition


def of_person(identifier: str) -> Q:
    """What belongs to any record of the person whom an identifier names; for rows with a `patient`."""
    roots = PatientRecord.objects.filter(named(identifier))
    keys = roots.annotate(root=Coalesce("survivor_id", "pk")).values("root")
    return Q(patient__in=keys) | Q(patient__survivor__in=keys)


def iso_date(text: str) -> str:
    """A DICOM or HL7 date as ISO 8601, as far as it goes; as it is where it is none."""
    if not (text.isascii() and text.isdigit() and len(text) in (4, 6, 8)):
        return text
    return "-".join(part for part in (text[:4], text[4:6], text[6:8]) if part)


def _called(name: str) -> Q:
    """Records whose shown name begins so, in any of its scripts, with accents or without."""
    groups = person_names.keys(name.replace(",", "^"))
    pattern = "=".join(one if has_wildcard(one) else f"{one}*" for one in groups)
    called = person_names.fits(PATIENT_KEYS, pattern)
    if has_wildcard(name):
        return called
    return called | Q(pk__in=patient_search.by_name(name.replace("^", ",")).values("pk"))


def _people(records: Iterable[PatientRecord], user: Any) -> dict[int, list[PatientRecord]]:
    """All records of the same persons that the user may see, by the key of the one that shows."""
    roots = {record.survivor_id or record.pk for record in records}
    people: dict[int, list[PatientRecord]] = defaultdict(list)
    rows: QuerySet[PatientRecord] = policy.visible(PatientRecord.objects.all(), user)
    rows = rows.filter(Q(pk__in=roots) | Q(survivor__in=roots)).select_related("authority", "survivor")
    for row in rows.order_by("pk") if roots else ():
        people[row.survivor_id or row.pk].append(row)
    for known in people.values():
        known.sort(key=lambda row: row.survivor_id is not None)
    return people


def _as_json(record: PatientRecord, known: Iterable[PatientRecord]) -> Patient:
    identifiers = {}
    for row in known:
        identifiers[row.value, row.authority.namespace] = row.type
        for other in row.other_identifiers:
            identifiers.setdefault((other["value"], other["authority"]), other["type"])
    return Patient(
        id=record.public_id,
        name=record.name,
        birth_date=iso_date(record.birth_date),
        sex=record.sex,
        identifiers=[Identifier(value=v, authority=a, type=t) for (v, a), t in identifiers.items()],
        merged_into=record.survivor.public_id if record.survivor else None,
    )
