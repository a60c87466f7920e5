"""`/steps/{id}/…`: what people do to scheduled procedure steps."""

from django.db import transaction
from django.http import HttpRequest
from ninja import Router

from accounts import access as policy
from accounts.actor import actor_of
from ledger.errors import Unknown
from web.kernel import authorization
from web.rest.orders import shown_step
from web.rest.schemas import Reason
from web.rest.schemas.orders import ChangedStep, Why
from worklist.models import Order, ScheduledProcedureStep, StatusEvent
from worklist.schedule import end_reasons, step_actions

router = Router(tags=["steps"])


@router.post("/{id}/arrive", response=ChangedStep, summary="The patient has arrived")
def arrive(request: HttpRequest, id: str) -> ChangedStep:
    """409 for a step whose state does not allow it; the answer says what the state is."""
    return _change(request, id, StatusEvent.Kind.ARRIVE)


@router.post("/{id}/start", response=ChangedStep, summary="The exam begins")
def start(request: HttpRequest, id: str) -> ChangedStep:
    """409 for a step whose state does not allow it; the answer says what the state is."""
    return _change(request, id, StatusEvent.Kind.START)


@router.post("/{id}/complete", response=ChangedStep, summary="The exam is done")
def complete(request: HttpRequest, id: str) -> ChangedStep:
    """409 for a step whose state does not allow it; the answer says what the state is."""
    return _change(request, id, StatusEvent.Kind.COMPLETE)


@router.post("/{id}/no-show", response=ChangedStep, summary="The patient did not come")
def no_show(request: HttpRequest, id: str, body: Why | None = None) -> ChangedStep:
    """409 for a step whose state does not allow it; the answer says what it is. The HIS is told why."""
    return _change(request, id, StatusEvent.Kind.NO_SHOW, body.reason if body else "")


@router.post("/{id}/cancel", response=ChangedStep, summary="The exam is not done")
def cancel(request: HttpRequest, id: str, body: Reason) -> ChangedStep:
    """One that has begun is discontinued. 409 for a step that has ended. The HIS is told why."""
    return _change(request, id, StatusEvent.Kind.CANCEL, end_reasons.said("", body.reason))


@router.post("/{id}/reopen", response=ChangedStep, summary="Take back that the exam has ended")
def reopen(request: HttpRequest, id: str) -> ChangedStep:
    """After complete, no-show and cancel; the HIS is told. 409 for what the HIS has ended itself."""
    return _change(request, id, StatusEvent.Kind.REOPEN)


@router.post("/{id}/acts/{act}/undo", response=ChangedStep, summary="Undo an act")
def undo(request: HttpRequest, id: str, act: str) -> ChangedStep:
    """409 where somebody else has acted on the same since; 404 for an act that is undone already."""
    step = _find(request, id)
    rows = StatusEvent.objects.filter(step=step, source__startswith="user:", undone_by="")
    row = rows.select_related("order__facility").filter(public_id=act).first()
    if row is None:
        raise Unknown("there is no such act to undo", "act")
    with transaction.atomic():
        step_actions.undo(by=actor_of(request), act=row)
    step.refresh_from_db()
    return ChangedStep(**shown_step(step), order=row.order.public_id, act=row.public_id)


def _change(request: HttpRequest, id: str, kind: StatusEvent.Kind, reason: str = "") -> ChangedStep:
    step = _find(request, id)
    with transaction.atomic():
        act = step_actions.change_step(by=actor_of(request), step=step, kind=kind, reason=reason)
    assert act.step is not None
    return ChangedStep(**shown_step(act.step), order=step.procedure.order.public_id, act=act.public_id)


def _find(request: HttpRequest, id: str) -> ScheduledProcedureStep:
    user = authorization.allow(request, "step.change")
    rows = ScheduledProcedureStep.objects.select_related("procedure__order__facility")
    mine = rows.filter(procedure__order__in=policy.visible(Order.objects.all(), user))
    return authorization.find(rows, mine, request, public_id=id)
