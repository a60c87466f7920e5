"""`/reading`: the reading worklist, and who has what."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from django.db import transaction
from django.http import HttpRequest
from ninja import Query, Router, Status
from ninja.errors import HttpError

from accounts import access as policy
from accounts import presence
from accounts.actor import Actor, actor_of
from accounts.models import User
from archive.models import ReadingStatus, Study
from ledger import clock
from reporting.models import Dictation as DictationRow
from reporting.models import ReadingItem as Row
from reporting.models import ReadingLease
from reporting.reading_worklist import assignment, reading_items
from reporting.reading_worklist.assignment import Wanted
from reporting.reports import outside_reports
from web.kernel import authorization, formats
from web.rest import dictations
from web.rest.limit_offset import Page, page
from web.rest.patients import note_patients
from web.rest.patients import shown as shown_patients
from web.rest.reports import pcm_of
from web.rest.schemas.dictations import Dictation, NewDictation
from web.rest.schemas.reading_items import (
    Fence,
    Hold,
    ItemFilters,
    LeaseOf,
    NextFilters,
    Optionally,
    OutsideReportOfItem,
    ProcedureOfItem,
    ReadingItem,
    ReadingItems,
    Revision,
    Skip,
)
from web.rest.studies import in_header

router = Router(tags=["reading"])


@router.get("/items", response=ReadingItems, summary="What is to be read")
def worklist(request: HttpRequest, filters: Annotated[ItemFilters, Query()], paging: Page) -> dict[str, Any]:
    """STAT first, then by due time, then by readiness."""
    user = authorization.allow(request, "report.view")
    values = filters.model_dump(exclude={"status", "offered"})
    wanted = Wanted(**values, statuses=(filters.status,) if filters.status else ())
    chosen = assignment.offered if filters.offered else assignment.worklist
    rows = _with_related(chosen(user=user, wanted=wanted))
    found = page(rows, paging, lambda part: shown(part, user))
    note_patients(request, [item.patient for item in found["results"]])
    return {**found, "overdue": assignment.overdue(user=user)}


@router.post("/next", response=ReadingItem, summary="Read the neediest item")
def next_item(request: HttpRequest, body: NextFilters) -> ReadingItem:
    """Picks and leases in one transaction, so nobody else gets the same; 404 where nothing waits.

    Left out are items that the user skipped, or gave back in the last hour, and those under investigation.
    """
    user = authorization.allow(request, "report.write")
    with transaction.atomic():
        item = assignment.next_item(by=actor_of(request), wanted=Wanted(**body.model_dump()))
    if item is None:
        raise HttpError(404, "Nothing waits to be read.")
    return _answer(request, user, item)


@router.get("/items/{id}", response=ReadingItem, summary="Read an item")
def read_item(request: HttpRequest, id: str) -> ReadingItem:
    """Also notes that the user looks at it."""
    user = authorization.allow(request, "report.view")
    item = _find(request, user, id)
    with transaction.atomic():
        presence.look(item, user=user)
    return _answer(request, user, item)


@router.post("/items/{id}/take", response=ReadingItem, summary="Take an item, or take it over")
def take(request: HttpRequest, id: str, body: Optionally) -> ReadingItem:
    """409 `held` says who has it since when; a reason takes it over."""
    return _do(request, id, lambda item, by: assignment.take(item=item, by=by, reason=body.reason))


@router.post("/items/{id}/renew", response=ReadingItem, summary="Go on with an item")
def renew(request: HttpRequest, id: str, body: Fence) -> ReadingItem:
    """409 `taken_over` where another person has it now."""
    return _do(
        request,
        id,
        lambda item, by: assignment.renew(item=item, by=by, fence=body.fence, idle_seconds=body.idle_seconds),
    )


@router.post("/items/{id}/park", response=ReadingItem, summary="Keep an item for half an hour")
def park(request: HttpRequest, id: str, body: Fence) -> ReadingItem:
    """While something more urgent is read."""
    return _do(request, id, lambda item, by: assignment.park(item=item, by=by, fence=body.fence))


@router.post("/items/{id}/release", response=ReadingItem, summary="Give an item back")
def release(request: HttpRequest, id: str, body: Fence) -> ReadingItem:
    """To the queue, where nothing was written or said."""
    return _do(request, id, lambda item, by: assignment.let_go(item=item, by=by, fence=body.fence))


@router.post("/items/{id}/skip", response=ReadingItem, summary="Pass an item over")
def skip(request: HttpRequest, id: str, body: Skip) -> ReadingItem:
    """It is not handed to this reader again; "images missing" and "need information" also hold it."""
    return _do(
        request,
        id,
        lambda item, by: assignment.skip(item=item, by=by, reason=body.reason, note=body.note),
    )


@router.post("/items/{id}/hold", response=ReadingItem, summary="Let an item wait")
def hold(request: HttpRequest, id: str, body: Hold) -> ReadingItem:
    """For information or images."""
    return _do(
        request,
        id,
        lambda item, by: assignment.hold(item=item, by=by, reason=body.reason, note=body.note),
    )


@router.post("/items/{id}/resume", response=ReadingItem, summary="End a hold")
def resume(request: HttpRequest, id: str) -> ReadingItem:
    """What was waited for has come."""
    return _do(request, id, lambda item, by: assignment.resume(item=item, by=by))


@router.post("/items/{id}/reserve", response=ReadingItem, summary="Keep an item for oneself")
def reserve(request: HttpRequest, id: str) -> ReadingItem:
    """For twelve hours at most."""
    return _do(request, id, lambda item, by: assignment.reserve(item=item, by=by))


@router.post("/items/{id}/withdraw", response=ReadingItem, summary="No report is needed")
def withdraw(request: HttpRequest, id: str, body: Optionally) -> ReadingItem:
    """What was written or said is kept."""
    return _do(request, id, lambda item, by: assignment.withdraw(item=item, by=by, reason=body.reason))


@router.post("/items/{id}/reopen", response=ReadingItem, summary="A report is needed after all")
def reopen(request: HttpRequest, id: str) -> ReadingItem:
    """Undoes a withdrawal."""
    return _do(request, id, lambda item, by: assignment.reopen(item=item, by=by))


@router.post("/items/{id}/confirm-patient", response=ReadingItem, summary="It is about this patient")
def confirm_patient(request: HttpRequest, id: str, body: Revision) -> ReadingItem:
    """The author's answer after a merge, or after the study was given to another patient."""
    return _do(
        request,
        id,
        lambda item, by: assignment.confirm_patient(item=item, by=by, revision=body.revision),
    )


@router.post("/items/{id}/dictations", response={201: Dictation}, summary="Dictate")
def dictate(request: HttpRequest, id: str, body: NewDictation) -> Status[Dictation]:
    """Begin a dictation before there is any text."""
    user = authorization.allow(request, "report.write")
    item = _find(request, user, id)
    return Status(201, dictations.begin(actor_of(request), item, body, pcm_of(body.pcm)))


def shown(rows: Sequence[Row], user: User) -> list[ReadingItem]:
    """Items as JSON; `rows` come with their patients, leases, studies and procedures."""
    records = [row.patient for row in rows if row.patient is not None]
    patients = dict(zip((record.pk for record in records), shown_patients(records, user), strict=True))
    return [_shown(row, user, patients) for row in rows]


def _shown(row: Row, user: User, patients: dict[int, Any]) -> ReadingItem:
    studies = list(row.studies.all())
    report = getattr(row, "report", None)
    patient = patients[row.patient_id] if row.patient_id else in_header(studies[0] if studies else Study())
    numbers = [one.accession_number or one.order.accession_number for one in row.procedures.all()]
    return ReadingItem(
        id=row.public_id,
        status=row.status,
        revision=row.revision,
        priority=row.priority,
        modality=row.modality,
        description=row.description,
        ready_at=row.ready_at,
        due_at=row.due_at,
        patient=patient,
        whose=formats.whose(formats.shown(patient.name), numbers),
        studies=[study.study_instance_uid for study in studies],
        procedures=[
            ProcedureOfItem(
                id=one.public_id,
                order=one.order.public_id,
                accession_number=one.accession_number or one.order.accession_number,
                code=one.code,
                description=one.description,
            )
            for one in row.procedures.all()
        ],
        images=None,
        outside_reports=None,
        lease=_lease(getattr(row, "lease", None), user),
        presences=[],
        patient_question=row.patient_question,
        hold_reason=row.hold_reason,
        report=report.public_id if report else None,
        dictations=[],
        under_investigation=getattr(row, "under_investigation", False),
        has_mismatch=getattr(row, "has_mismatch", False),
        order_cancelled=getattr(row, "order_cancelled", False),
    )


def _lease(lease: ReadingLease | None, user: User) -> LeaseOf | None:
    now = clock.now()
    if lease is None or lease.holder is None or lease.until <= now:
        return None
    idle = round((now - lease.input_at).total_seconds()) if lease.input_at else None
    return LeaseOf(
        holder=str(lease.holder),
        mine=lease.holder_id == user.pk,
        since=lease.taken_at,
        until=lease.until,
        idle_seconds=idle,
        fence=lease.fence,
        parked=lease.parked,
    )


def _do(request: HttpRequest, key: str, act: Callable[[Row, Actor], object]) -> ReadingItem:
    user = authorization.allow(request, "report.write")
    item = _find(request, user, key)
    with transaction.atomic():
        act(item, actor_of(request))
    return _answer(request, user, item)


def _answer(request: HttpRequest, user: User, item: Row) -> ReadingItem:
    """One item with all that a list leaves out."""
    rows = _with_related(assignment.worklist(user=user, wanted=Wanted(statuses=_ALL)))
    row = rows.get(pk=item.pk)
    (answer,) = shown([row], user)
    answer.images = reading_items.image_count(row)
    answer.outside_reports = [
        OutsideReportOfItem(id=one.public_id, sender=one.report.sender, title=one.title, status=one.status)
        for one in outside_reports.newest_of(row.studies.all())
    ]
    answer.presences = [str(one.user) for one in presence.others(row, user=user)]
    spoken = DictationRow.objects.filter(item=row).select_related("author", "typist", "item").order_by("pk")
    answer.dictations = [dictations.shown(one) for one in spoken]
    note_patients(request, [answer.patient])
    return answer


def _find(request: HttpRequest, user: User, key: str) -> Row:
    rows = Row.objects.select_related("facility", "patient")
    return authorization.find(rows, policy.visible(rows, user), request, public_id=key)


def _with_related(rows: Any) -> Any:
    rows = rows.select_related("patient__authority", "patient__survivor", "lease__holder", "report")
    return rows.prefetch_related("studies", "procedures__order")


_ALL = tuple(ReadingStatus.values)
