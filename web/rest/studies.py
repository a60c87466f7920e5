"""`/studies`: every study with its verdict."""

from collections.abc import Sequence
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Body, Query, Router

from accounts import access
from accounts.models import User
from archive.dataset.header_differences import Difference as HeaderDifference
from archive.decisions.decision_frame import revision
from archive.models import ObjectVersion, VersionState
from archive.models import Study as StudyRow
from archive.rejections import study_rejections
from archive.search import study_search
from archive.storage import generated_objects, object_versions
from ledger import audit
from web.kernel import authorization
from web.rest import exceptions
from web.rest.limit_offset import Page, page
from web.rest.patients import iso_date, note_patients, shown
from web.rest.schemas.decisions import Effects, Resolution
from web.rest.schemas.exceptions import ExceptionWithHistory
from web.rest.schemas.patients import Identifier, Patient
from web.rest.schemas.studies import (
    OrderOfStudy,
    RejectionOfStudy,
    Studies,
    Study,
    StudyFilters,
    StudyWithHistory,
    VersionOfObject,
    VersionsOfObjects,
)

router = Router(tags=["studies"])


@router.get("", response=Studies, summary="Find studies")
def find_studies(
    request: HttpRequest, filters: Annotated[StudyFilters, Query()], paging: Page
) -> dict[str, Any]:
    """Those that last received something first."""
    user = authorization.allow(request, "study.view")
    patient_id, _, issuer = filters.patient_identifier.partition("^^^")
    rows = study_search.studies(
        user=user,
        study_instance_uids=[filters.study_instance_uid] if filters.study_instance_uid else [],
        accession_number=filters.accession_number,
        patient_id=patient_id,
        issuer_of_patient_id=issuer,
        verdicts=[filters.verdict] if filters.verdict else [],
        reading_statuses=[filters.reading_status] if filters.reading_status else [],
    )
    found = page(rows.prefetch_related("procedures__order"), paging, lambda part: shown_studies(part, user))
    _note(request, found["results"])
    return found


@router.get("/{uid}", response=StudyWithHistory, summary="Read a study")
def read_study(request: HttpRequest, uid: str) -> StudyWithHistory:
    """One study, by its Study Instance UID, with what was thought and decided of it.

    Whoever sees exceptions reads a rejected one too: `hidden` says why it is in no list.
    """
    user = authorization.allow(request, "study.view")
    rows = StudyRow.objects.select_related("patient__authority", "patient__survivor").prefetch_related(
        "procedures__order"
    )
    everything = access.visible(StudyRow.objects.order_by(), user)
    sees_rejected = access.can(user, "exception.view")
    seen = everything if sees_rejected else study_search.shown(user)
    mine = rows.filter(pk__in=seen.values("pk"))
    row = authorization.find(rows, mine, request, study_instance_uid=uid)
    (study,) = shown_studies([row], user)
    _note(request, [study])
    rejections = study_rejections.of(row) if sees_rejected else []
    return StudyWithHistory(
        **study.dict(),
        hidden=row.hidden,
        revision=revision(row),
        rejections=[RejectionOfStudy(**vars(one)) for one in rejections],
        history=exceptions.happenings(row),
    )


@router.get("/{uid}/versions", response=VersionsOfObjects, summary="List what was sent again")
def list_versions(request: HttpRequest, uid: str, paging: Page) -> dict[str, Any]:
    """The versions of a study's objects after the first one of each, the newest first, with what differs."""
    user = authorization.allow(request, "study.view")
    study = _of_facility(request, user, uid)
    authorization.note_reading(request, audit.INSTANCES_ACCESSED, ("study", study.study_instance_uid))
    rows = object_versions.of_study(study).select_related("instance", "file").order_by("-pk")
    return page(rows, paging, lambda part: [_version(row) for row in part])


@router.post("/{uid}/decisions", response=ExceptionWithHistory, summary="Decide on a study")
def decide_on_study(request: HttpRequest, uid: str, body: Body[Resolution]) -> ExceptionWithHistory:
    """On any study, whatever its verdict, that somebody decides on. 409 where another was first.

    Under a signed report it waits for a second person, see `/decisions/{id}/confirm`.
    """
    user = authorization.allow(request, "exception.decide")
    return exceptions.decided(request, user, _of_facility(request, user, uid), body)


@router.post("/{uid}/decisions/preview", response=Effects, summary="Preview a decision on a study")
def preview_on_study(request: HttpRequest, uid: str, body: Body[Resolution]) -> dict[str, Any]:
    """All effects of the decision, in words; nothing is changed. It is tried out and taken back."""
    user = authorization.allow(request, "exception.decide")
    return exceptions.previewed(request, user, _of_facility(request, user, uid), body)


def _of_facility(request: HttpRequest, user: User, uid: str) -> StudyRow:
    """The study, a hidden one included."""
    rows = StudyRow.objects.order_by()
    return authorization.find(rows, access.visible(rows, user), request, study_instance_uid=uid)


def shown_studies(rows: Sequence[StudyRow], user: Any) -> list[Study]:
    """Studies as JSON; `rows` come with their patients, and their procedures with their orders."""
    records = [row.patient for row in rows if row.patient is not None]
    patients = dict(zip((record.pk for record in records), shown(records, user), strict=True))
    served = generated_objects.served(rows)
    return [
        Study(
            id=row.public_id,
            study_instance_uid=row.study_instance_uid,
            accession_number=row.accession_number,
            patient=patients[row.patient_id] if row.patient_id else in_header(row),
            patient_source="record" if row.patient_id else "header",
            modalities=row.modalities,
            series_count=served[row.pk].series,
            instance_count=served[row.pk].instances,
            verdict=row.verdict,
            reading_status=row.reading_status,
            orders=_orders(row),
            availability="ONLINE",
        )
        for row in rows
    ]


def in_header(row: StudyRow) -> Patient:
    """The identity that the images themselves tell of."""
    identifier = Identifier(value=row.header_patient_id, authority=row.issuer_of_patient_id, type="")
    return Patient(
        id=None,
        name=row.patient_name,
        birth_date=iso_date(row.birth_date),
        sex=row.sex,
        identifiers=[identifier] if row.header_patient_id else [],
        merged_into=None,
    )


def _version(row: ObjectVersion) -> VersionOfObject:
    return VersionOfObject(
        id=row.public_id,
        sop_instance_uid=row.instance.uid,
        number=row.number,
        state=VersionState(row.state),
        held_because=row.held_because,
        is_current=row.file.is_current,
        received_at=row.received_at,
        calling_ae_title=row.calling_ae_title,
        address=row.address,
        differences=[exceptions.difference(HeaderDifference(**one)) for one in row.differences],
    )


def _orders(row: StudyRow) -> list[OrderOfStudy]:
    orders = {procedure.order_id: procedure.order for procedure in row.procedures.all()}
    return [
        OrderOfStudy(id=order.public_id, accession_number=order.accession_number, status=order.status)
        for _, order in sorted(orders.items())
    ]


def _note(request: HttpRequest, studies: Sequence[Study]) -> None:
    things = [("study", study.study_instance_uid) for study in studies]
    authorization.note_reading(request, audit.INSTANCES_ACCESSED, *things)
    note_patients(request, [study.patient for study in studies])
