"""`/patients/{id}/merge`, `/unmerge`, `/links`: joining and parting records, and taking that back."""

from collections.abc import Sequence

from django.db import transaction
from django.http import HttpRequest
from ninja import Router

from accounts import access as policy
from accounts.actor import actor_of
from accounts.models import User
from ledger import audit
from ledger.errors import Conflict
from web.kernel import authorization, record_effects
from web.kernel.record_effects import Effects, Person
from web.rest import patients
from web.rest.schemas import Reason
from web.rest.schemas.patients import (
    NewMerge,
    Patient,
    PersonOfRecords,
    RecordEffects,
    RecordLink,
    RecordLinks,
)
from worklist.models import LinkKind, PatientLink
from worklist.models import Patient as PatientRecord
from worklist.patients import identity, link_forecast
from worklist.patients import record_acts as acts
from worklist.patients.link_forecast import Joint

router = Router(tags=["patients"])


@router.post("/{id}/merge", response=Patient, summary="Merge or link a record")
def merge_patient(request: HttpRequest, id: str, body: NewMerge) -> Patient:
    """It shows under another from then on, with its orders, studies and reports.

    409 where name, birth date or sex differ, unless `although`, and for a record that shows under another;
    422 for records that can't be joined.
    """
    user = authorization.allow(request, "patient.merge")
    record, into = (patients.find(request, user, key) for key in (id, body.into))
    with transaction.atomic():
        acts.join(
            record,
            into=into,
            kind=LinkKind(body.kind),
            reason=body.reason,
            by=actor_of(request),
            although=body.although,
        )
    return patients.read(request, user, id)


@router.post("/{id}/merge/preview", response=RecordEffects, summary="Foretell a merge or link")
def preview_merge(request: HttpRequest, id: str, body: NewMerge) -> RecordEffects:
    """What it would change; nothing is."""
    user = authorization.allow(request, "patient.merge")
    record, into = (patients.find(request, user, key) for key in (id, body.into))
    return _effects(request, LinkKind(body.kind), record, into.current)


@router.post("/{id}/unmerge", response=Patient, summary="Part a record from those that it shows with")
def unmerge_patient(request: HttpRequest, id: str, body: Reason) -> Patient:
    """Whoever joined them; a newer merge of the HIS joins them again. 409 where it shows by itself."""
    user = authorization.allow(request, "patient.merge")
    joint = _joint(request, user, id)
    with transaction.atomic():
        acts.part(joint.link, reason=body.reason, by=actor_of(request))
    return patients.read(request, user, id)


@router.post("/{id}/unmerge/preview", response=RecordEffects, summary="Foretell parting a record")
def preview_unmerge(request: HttpRequest, id: str) -> RecordEffects:
    """What it would change; nothing is. 409 for a record that shows by itself."""
    user = authorization.allow(request, "patient.merge")
    link = _joint(request, user, id).link
    return _effects(request, LinkKind.UNLINK, link.retired, link.survivor)


@router.get("/{id}/links", response=RecordLinks, summary="Why records are one patient")
def list_links(request: HttpRequest, id: str) -> RecordLinks:
    """The links because of which the patient's records show together, and what people have said of them."""
    user = authorization.allow(request, "patient.view")
    record = patients.find(request, user, id)
    links = [joint.link for joint in link_forecast.joints(record)] + acts.by_hand(record)
    _note(request, [end for link in links for end in (link.retired, link.survivor)])
    found = [_as_json(link) for link in {link.pk: link for link in links}.values()]
    return RecordLinks(count=len(found), results=found)


@router.post("/{id}/links/{link}/undo", response=Patient, summary="Take back a merge, link or unmerge")
def undo_link(request: HttpRequest, id: str, link: str, body: Reason) -> Patient:
    """As if it had never been done. 409 for what no person has done here, or what was taken back."""
    user = authorization.allow(request, "patient.merge")
    patients.find(request, user, id)
    rows = PatientLink.objects.select_related("retired__facility", "survivor")
    mine = rows.filter(retired__in=policy.visible(PatientRecord.objects.all(), user))
    found = authorization.find(rows, mine, request, public_id=link)
    with transaction.atomic():
        acts.take_back(found, reason=body.reason, by=actor_of(request))
    return patients.read(request, user, id)


def _joint(request: HttpRequest, user: User, id: str) -> Joint:
    record = patients.find(request, user, id)
    found = [one for one in link_forecast.joints(record) if one.record.pk == record.pk]
    if not found:
        raise Conflict("the record shows by itself", "id")
    return found[0]


def _effects(
    request: HttpRequest, kind: LinkKind, record: PatientRecord, other: PatientRecord
) -> RecordEffects:
    _note(request, list(identity.same_person([record, other])))
    found: Effects = record_effects.of(kind, record, other)
    return RecordEffects(
        before=[_person(one) for one in found.before],
        after=[_person(one) for one in found.after],
        words=list(found.words),
    )


def _person(person: Person) -> PersonOfRecords:
    return PersonOfRecords(
        patient=person.shown.public_id,
        records=[one.public_id for one in person.records],
        orders=person.orders,
        studies=person.studies,
        reports=person.reports,
    )


def _as_json(link: PatientLink) -> RecordLink:
    return RecordLink(
        id=link.public_id,
        kind=link.kind,
        retired=link.retired.public_id,
        survivor=link.survivor.public_id,
        by_hand=link.source.startswith("user:"),
        conflict=link.conflict,
    )


def _note(request: HttpRequest, records: Sequence[PatientRecord]) -> None:
    things = [("patient", one.public_id) for one in records]
    authorization.note_reading(request, audit.PATIENT_RECORD, *dict.fromkeys(things))
