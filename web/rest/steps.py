"""`/steps/{id}/…`: what people do to scheduled procedure steps."""

from django.db import transaction
from django.http import HttpRequest
from ninja import Router

from accounts import access as policy
from accounts.actor import actor_of
from web.kernel import authorization
from web.rest.orders import shown_step
from web.rest.schemas.orders import ChangedStep
from worklist.models import Order, ScheduledProcedureStep, StatusEvent
from worklist.schedule import step_actions

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
def no_show(request: HttpRequest, id: str) -> ChangedStep:
    """409 for a step whose state does not allow it; the answer says what the state is."""
    return _change(request, id, StatusEvent.Kind.NO_SHOW)


def _change(request: HttpRequest, id: str, kind: StatusEvent.Kind) -> ChangedStep:
    user = authorization.allow(request, "step.change")
    rows = ScheduledProcedureStep.objects.select_related("procedure__order__facility")
    mine = rows.filter(procedure__order__in=policy.visible(Order.objects.all(), user))
    step = authorization.find(rows, mine, request, public_id=id)
    with transaction.atomic():
        act = step_actions.change_step(by=actor_of(request), step=step, kind=kind)
    assert act.step is not None
    return ChangedStep(**shown_step(act.step), order=step.procedure.order.public_id)
