"""What people do to scheduled procedure steps and to orders: arrive, start, complete, no-show, cancel."""

from collections.abc import Mapping
from dataclasses import replace

from accounts.actor import Actor
from accounts.models import Facility
from ledger import audit
from ledger.errors import Conflict, Missing, Unknown
from ledger.public_id import new_public_id
from worklist import worklist_events
from worklist.models import Order, OrderStatus, ScheduledProcedureStep, StatusEvent
from worklist.orders import generated_ids, order_application, step_status
from worklist.orders.order_aggregate import OrderAggregate
from worklist.orders.order_book import OrderBook
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.patients import identity
from worklist.patients.identifiers import Identifier
from worklist.provenance import Provenance
from worklist.schedule import image_acts

_ENDED_ORDERS = (OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.DISCONTINUED)


def place(
    *,
    by: Actor,
    facility: Facility,
    identifier: Identifier,
    demographics: Mapping[str, str],
    procedure_code: str,
    content: OrderContent,
    step: StepContent,
) -> Order:
    """Place an order here, for a patient who is found by the identifier, or made; we are its placer."""
    by.require("order.place", facility)
    provenance = Provenance.of_person(by, facility)
    patient = identity.register(provenance=provenance, identifiers=[identifier], demographics=demographics)
    number = generated_ids.number("order", new_public_id())
    label = generated_ids.number("accession", number)
    procedure = ProcedureUpdate(
        content=ProcedureContent(code=procedure_code), steps=[StepUpdate(content=step)]
    )
    update = OrderUpdate(
        placer=Number(number, generated_ids.NAMESPACE),
        content=replace(content, patient_id=patient.pk, accession_number=label),
        procedures=[procedure],
    )
    order = order_application.apply(update=update, provenance=provenance)
    things = [("order", order.public_id), ("patient", patient.public_id)]
    audit.note(by, audit.ORDER_RECORD, audit.CREATE, *things)
    return order


def change_step(
    *, by: Actor, step: ScheduledProcedureStep, kind: StatusEvent.Kind, reason: str = ""
) -> StatusEvent:
    """Do an act to a step, if its state allows it; raises `Conflict` otherwise. Returns the act."""
    order = step.procedure.order
    by.require("step.change", order)
    provenance = Provenance.of_person(by, order.facility)

    def act(orders: OrderBook, aggregate: OrderAggregate) -> None:
        row = next(row for row in aggregate.steps if row.id == step.pk)
        allowed = step_status.MAY[kind]
        confirms = kind == StatusEvent.Kind.COMPLETE and image_acts.completed_alone(aggregate, row.id)
        if row.status not in allowed and not confirms:
            names = ", ".join(sorted(allowed))
            raise Conflict(f"the step is {row.status}; {kind} needs one that is {names}", "status")
        orders.add_event(aggregate, kind, provenance, step=row, reason=reason)
        orders.derive(aggregate, provenance)
        about = [("step", row.public_id), ("order", aggregate.order.public_id)]
        orders.note(worklist_events.STEP_CHANGED[kind], about, provenance, reason)

    order_application.on_order(order.pk, act)
    things = [("step", step.public_id), ("order", order.public_id)]
    audit.note(by, audit.PROCEDURE_RECORD, audit.UPDATE, *things)
    return _act(provenance, order, kind, step)


def can_cancel(status: str) -> bool:
    """Whether an order of this status can still be cancelled: it has not ended."""
    return status not in _ENDED_ORDERS


def cancel(*, by: Actor, order: Order, reason: str) -> StatusEvent:
    """Cancel an order; one whose exam began is discontinued. Raises `Conflict` for one that ended.

    Returns the act.
    """
    by.require("order.cancel", order)
    provenance = Provenance.of_person(by, order.facility)
    if not reason.strip():
        raise Missing("a cancellation needs a reason", "reason")

    def act(orders: OrderBook, aggregate: OrderAggregate) -> None:
        row = aggregate.order
        if not can_cancel(row.status):
            raise Conflict(f"the order is {row.status} already", "status")
        orders.add_event(aggregate, StatusEvent.Kind.CANCEL, provenance, reason=reason)
        orders.derive(aggregate, provenance)
        cancelled = worklist_events.ORDER_CHANGED[StatusEvent.Kind.CANCEL]
        orders.note(cancelled, [("order", row.public_id)], provenance, reason)

    order_application.on_order(order.pk, act)
    audit.note(by, audit.ORDER_RECORD, audit.UPDATE, ("order", order.public_id))
    return _act(provenance, order, StatusEvent.Kind.CANCEL, None)


def undo(*, by: Actor, act: StatusEvent) -> Order:
    """Undo an act: the status is what the other acts come to. Raises `Unknown` if undone already."""
    by.require("step.change", act.order)
    provenance = Provenance.of_person(by, act.order.facility)

    def take_back(orders: OrderBook, aggregate: OrderAggregate) -> None:
        event = next((event for event in aggregate.events if event.id == act.pk), None)
        if event is None or event.undone_by:
            raise Unknown("the act is undone already", "act")
        event.undone_by = provenance.source
        orders.derive(aggregate, provenance)
        undone = worklist_events.UNDONE[StatusEvent.Kind(event.kind)]
        orders.note(undone, [("order", aggregate.order.public_id)], provenance)

    order_application.on_order(act.order_id, take_back)
    audit.note(by, audit.ORDER_RECORD, audit.UPDATE, ("order", act.order.public_id))
    return Order.objects.select_related("facility").get(pk=act.order_id)


def _act(
    provenance: Provenance, order: Order, kind: StatusEvent.Kind, step: ScheduledProcedureStep | None
) -> StatusEvent:
    rows = StatusEvent.objects.select_related("step")
    return rows.get(order=order, step=step, kind=kind, stamp=provenance.stamp.key())
