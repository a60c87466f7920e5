"""`/exceptions`: studies that a person has to look at, and what people decide."""

from collections.abc import Sequence
from typing import Annotated, Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Body, Query, Router

from accounts.actor import actor_of
from accounts.models import User
from archive.dataset.header_differences import Difference as HeaderDifference
from archive.decisions import decision_history, decision_type, second_person
from archive.decisions.decision_frame import revision
from archive.decisions.preview import preview
from archive.index import resent_objects
from archive.models import ExceptionKind, ExceptionStatus, Study, Verdict
from archive.models import StudyException as Row
from archive.reconcile import apply_verdict, exception_list, verdict_record
from archive.reconcile.later_changes import LaterChange
from archive.reconcile.verdict_record import CandidateRecord
from ledger import audit
from web.kernel import authorization
from web.rest.limit_offset import Page, page
from web.rest.patients import iso_date
from web.rest.schemas.decisions import Effects, Resolution, Undoing
from web.rest.schemas.exceptions import (
    Candidate,
    Change,
    Difference,
    ExceptionFilters,
    Exceptions,
    ExceptionWithHistory,
    Finding,
    Happening,
    StudyException,
)
from web.rest.schemas.patients import Identifier, Patient

router = Router(tags=["exceptions"])


@router.get("", response=Exceptions, summary="Find exceptions")
def find_exceptions(
    request: HttpRequest, filters: Annotated[ExceptionFilters, Query()], paging: Page
) -> dict[str, Any]:
    """In the order of the page: what is due first comes first."""
    user = authorization.allow(request, "exception.view")
    statuses = (filters.status,) if filters.status else (ExceptionStatus.OPEN, ExceptionStatus.RESOLVED)
    kinds = (filters.kind,) if filters.kind else ()
    rows = _whole(exception_list.exceptions(exception_list.Keys(statuses=statuses, kinds=kinds), user=user))
    found = page(rows, paging, _shown)
    _note(request, found["results"])
    return found


@router.get("/{id}", response=ExceptionWithHistory, summary="Read an exception")
def read_exception(request: HttpRequest, id: str) -> ExceptionWithHistory:
    """One exception with its findings, candidates and history."""
    user = authorization.allow(request, "exception.view")
    exception = _with_history(_find(request, user, id))
    _note(request, [exception])
    return exception


@router.post("/{id}/resolve", response=ExceptionWithHistory, summary="Decide")
def resolve_exception(request: HttpRequest, id: str, body: Body[Resolution]) -> ExceptionWithHistory:
    """The decision leaves the verdict and sets status and resolution. 409 where another was first.

    Under a signed report it waits for a second person, see `/decisions/{id}/confirm`.
    """
    user = authorization.allow(request, "exception.decide")
    return decided(request, user, _find(request, user, id).study, body)


@router.post("/{id}/preview", response=Effects, summary="Preview a decision")
def preview_decision(request: HttpRequest, id: str, body: Body[Resolution]) -> dict[str, Any]:
    """All effects of the decision, in words; nothing is changed. It is tried out and taken back."""
    user = authorization.allow(request, "exception.decide")
    return previewed(request, user, _find(request, user, id).study, body)


@router.post("/{id}/undo", response=ExceptionWithHistory, summary="Undo the newest decision")
def undo_decision(request: HttpRequest, id: str, body: Undoing) -> ExceptionWithHistory:
    """Everything is as before the decision, or as the verdict has it that came since."""
    user = authorization.allow(request, "exception.decide")
    row = _find(request, user, id)
    with transaction.atomic():
        second_person.undo(exception=row, reason=body.reason, by=actor_of(request), expected=body.revision)
    return shown(row.study)


def decided(request: HttpRequest, user: User, study: Study, body: Resolution) -> ExceptionWithHistory:
    """Decide on a study; its exception with its history."""
    with transaction.atomic():
        decision = decision_type.named(body.action, body.names, user)
        second_person.decide(
            decision, study=study, reason=body.reason, by=actor_of(request), expected=body.revision
        )
    return shown(study)


def previewed(request: HttpRequest, user: User, study: Study, body: Resolution) -> dict[str, Any]:
    """What deciding on a study would do."""
    with transaction.atomic():
        decision = decision_type.named(body.action, body.names, user)
        effects = preview(
            decision, study=study, reason=body.reason, by=actor_of(request), expected=body.revision
        )
        return {"effects": [vars(effect) for effect in effects]}


def shown(study: Study) -> ExceptionWithHistory:
    """The exception of a study with its history, as it stands now."""
    return _with_history(_whole(Row.objects.all()).get(study=study))


def happenings(study: Study) -> list[Happening]:
    """What was thought and decided of a study, oldest first."""
    return [Happening(**vars(one)) for one in decision_history.history(study)]


def _whole(rows: QuerySet[Row]) -> QuerySet[Row]:
    return exception_list.whole(rows).prefetch_related("study__decisions")


def _find(request: HttpRequest, user: User, id: str) -> Row:
    mine = _whole(exception_list.of_user(user))
    return authorization.find(Row.objects.all(), mine, request, public_id=id)


def _shown(rows: Sequence[Row]) -> list[StudyException]:
    verdicts = Verdict.objects.in_bulk([row.newest_verdict for row in rows])  # type: ignore[attr-defined]
    return [StudyException(**_members(row, verdicts.get(row.newest_verdict))) for row in rows]  # type: ignore[attr-defined]


def _members(row: Row, verdict: Verdict | None) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "study_instance_uid": row.study.study_instance_uid,
        "verdict": row.study.verdict,
        "reason": verdict.reason if verdict else "",
        "findings": [Finding(**vars(one)) for one in verdict_record.findings(verdict)],
        "candidates": [_candidate(one) for one in verdict_record.by_score(verdict)],
        "status": row.status,
        "kind": row.kind,
        "resolution": row.resolution,
        "revision": revision(row.study),
        "opened_at": row.opened_at,
    }


def _candidate(kept: CandidateRecord) -> Candidate:
    """A candidate as the verdict saw it."""
    patient = kept.patient
    shown = Patient(
        id=patient.id or None,
        name=patient.name,
        birth_date=iso_date(patient.birth_date),
        sex=patient.sex,
        identifiers=[Identifier(**vars(one)) for one in patient.identifiers],
        merged_into=None,
    )
    return Candidate(
        scheduled_procedure_step_id=kept.scheduled_procedure_step_id,
        accession_number=kept.accession_number,
        patient=shown,
        score=kept.score,
        step=kept.step,
        order=kept.order,
        description=kept.description,
        modality=kept.modality,
        due=kept.due,
        findings=[Finding(**vars(one)) for one in kept.findings],
    )


def _with_history(row: Row) -> ExceptionWithHistory:
    verdict = Verdict.objects.filter(study=row.study).order_by("-number").first()
    changes = [_resent(one) for one in resent_objects.held(row.study)]
    changes += [_change(one) for one in apply_verdict.changes(row.study)]
    return ExceptionWithHistory(**_members(row, verdict), changes=changes, history=happenings(row.study))


def _change(one: LaterChange) -> Change:
    findings = [Finding(**vars(finding)) for finding in one.findings]
    return Change(kind=one.kind, text=one.text, findings=findings, differences=[])


def _resent(one: resent_objects.Held) -> Change:
    """What one source has sent again and a person decides on."""
    return Change(
        kind=ExceptionKind.RESENT,
        text=f"Sent again by {one.sender or 'an import'} ({one.why}): {one.text}",
        findings=[],
        differences=[difference(found) for found in one.differences],
    )


def difference(one: HeaderDifference) -> Difference:
    """What an attribute said, and what it says now."""
    return Difference(where=one.where, name=one.name, keyword=one.keyword, before=one.before, after=one.after)


def _note(request: HttpRequest, exceptions: Sequence[StudyException]) -> None:
    things = [("study", exception.study_instance_uid) for exception in exceptions]
    authorization.note_reading(request, audit.INSTANCES_ACCESSED, *things)
