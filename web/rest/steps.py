"""`/steps/{id}/…`: what people do to scheduled procedure steps."""

from django.db import transaction
from django.http import HttpRequest
from ninja import Router

from accounts import access as policy
from ledger import audit
from web.rest import authorization
from web.rest.orders import shown_step
from web.rest.schemas.orders import ChangedStep
from worklist.models import Order, ScheduledProcedureStep, StatusEvent
from worklist.provenance import Provenance
from worklist.schedule import step_actions

router = Router(tags=["steps"])


@router.post("/{id}/arrive", response=ChangedStep, summary="The patient is here")
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
    order = step.procedure.order
    with transaction.atomic():
        step = step_actions.change_step(
            step=step, kind=kind, origin=Provenance.of_person(user, order.facility)
        )
        things = [("step", step.public_id), ("order", order.public_id)]
        authorization.note_change(request, audit.PROCEDURE_RECORD, audit.UPDATE, *things)
    return ChangedStep(**shown_step(step), order=order.public_id)
