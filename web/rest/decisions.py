"""`/decisions`: undo one by its id, and confirm or decline what waits for a second person."""

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Router

from accounts import access
from accounts.actor import actor_of
from accounts.models import User
from archive.decisions import second_person
from archive.models import Decision, DecisionRequest, Study, StudyException
from web.kernel import authorization
from web.rest import exceptions
from web.rest.schemas import Reason
from web.rest.schemas.decisions import Undoing
from web.rest.schemas.exceptions import ExceptionWithHistory

router = Router(tags=["exceptions"])


@router.post("/{id}/undo", response=ExceptionWithHistory, summary="Undo a decision")
def undo_decision(request: HttpRequest, id: str, body: Undoing) -> ExceptionWithHistory:
    """Everything is as before it. 409 with the later one named, where that depends on it."""
    user = authorization.allow(request, "exception.decide")
    rows = Decision.objects.select_related("study")
    decision = authorization.find(rows, rows.filter(study__in=_mine(user)), request, public_id=id)
    with transaction.atomic():
        second_person.undo(
            exception=StudyException.objects.select_related("study").get(study=decision.study),
            decision=decision,
            reason=body.reason,
            by=actor_of(request),
            expected=body.revision,
        )
    return exceptions.shown(decision.study)


@router.post("/{id}/confirm", response=ExceptionWithHistory, summary="Confirm a decision")
def confirm_decision(request: HttpRequest, id: str, body: Reason) -> ExceptionWithHistory:
    """What waits for a second person is done. 409 for the person who asked for it."""
    row = _waiting(request, id)
    with transaction.atomic():
        second_person.confirm(request=row, reason=body.reason, by=actor_of(request))
    return exceptions.shown(row.study)


@router.post("/{id}/decline", response=ExceptionWithHistory, summary="Decline a decision")
def decline_decision(request: HttpRequest, id: str, body: Reason) -> ExceptionWithHistory:
    """What waits for a second person is not done, and all stays as it was."""
    row = _waiting(request, id)
    with transaction.atomic():
        second_person.decline(request=row, reason=body.reason, by=actor_of(request))
    return exceptions.shown(row.study)


def _waiting(request: HttpRequest, id: str) -> DecisionRequest:
    user = authorization.allow(request, "exception.decide")
    rows = DecisionRequest.objects.select_related("study")
    return authorization.find(rows, rows.filter(study__in=_mine(user)), request, public_id=id)


def _mine(user: User) -> QuerySet[Study]:
    return access.visible(Study.objects.order_by(), user)
