"""What people do to scheduled procedure steps and to orders: arrive, start, complete, no-show, cancel."""

from collections.abc import Callable
from dataclasses import replace

from django.db import connection

from ledger.errors import Conflict, Missing, Unknown
from worklist import catalogue, worklist_events
from worklist.batches import batch
from worklist.batches.named_rows import Loader
from worklist.models import Order, OrderStatus, ScheduledProcedureStep, StatusEvent
from worklist.orders import generated_ids, order_application, step_status
from worklist.orders.order_aggregate import OrderAggregate
from worklist.orders.order_book import OrderBook
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.provenance import Provenance

_ENDED_ORDERS = (OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.DISCONTINUED)


def place(
    *, procedure_code: str, number: str, content: OrderContent, step: StepContent, origin: Provenance
) -> Order:
    """Place an order here; we are its placer, and `number` names it."""
    accession_number = generated_ids.number("accession", number)
    statement = OrderUpdate(
        placer=Number(number, "RISPACS"),
        content=replace(content, accession_number=accession_number),
        procedures=[
            ProcedureUpdate(content=ProcedureContent(code=procedure_code), steps=[StepUpdate(content=step)])
        ],
    )
    return order_application.apply(statement=statement, origin=origin)


def change_step(
    *, step: ScheduledProcedureStep, kind: StatusEvent.Kind, origin: Provenance, reason: str = ""
) -> ScheduledProcedureStep:
    """Do an act to a step, if its state allows it; raises `Conflict` otherwise."""

    def act(orders: OrderBook, order: OrderAggregate) -> None:
        row = next(row for row in order.steps if row.id == step.pk)
        allowed = step_status.MAY[kind]
        if row.status not in allowed:
            names = ", ".join(sorted(allowed))
            raise Conflict(f"the step is {row.status}; {kind} needs one that is {names}", "status")
        orders.add_event(order, kind, origin, step=row, reason=reason)
        orders.derive(order, origin)
        about = [("step", row.public_id), ("order", order.order.public_id)]
        orders.note(worklist_events.STEP_CHANGED[kind], about, origin, reason)

    _on_order(step.procedure.order_id, act)
    return ScheduledProcedureStep.objects.select_related("procedure__order__facility").get(pk=step.pk)


def cancel(*, order: Order, origin: Provenance, reason: str) -> Order:
    """Cancel an order; one whose exam began is discontinued. Raises `Conflict` for one that ended."""
    if not reason.strip():
        raise Missing("a cancellation needs a reason", "reason")

    def act(orders: OrderBook, aggregate: OrderAggregate) -> None:
        row = aggregate.order
        if row.status in _ENDED_ORDERS:
            raise Conflict(f"the order is {row.status} already", "status")
        orders.add_event(aggregate, StatusEvent.Kind.CANCEL, origin, reason=reason)
        orders.derive(aggregate, origin)
        cancelled = worklist_events.ORDER_CHANGED[StatusEvent.Kind.CANCEL]
        orders.note(cancelled, [("order", row.public_id)], origin, reason)

    return _on_order(order.pk, act)


def undo(*, act: StatusEvent, origin: Provenance) -> Order:
    """Undo an act: the status is what the other acts come to. Raises `Unknown` if undone already."""

    def take_back(orders: OrderBook, aggregate: OrderAggregate) -> None:
        event = next((event for event in aggregate.events if event.id == act.pk), None)
        if event is None or event.undone_by:
            raise Unknown("the act is undone already", "act")
        event.undone_by = origin.source
        orders.derive(aggregate, origin)
        undone = worklist_events.UNDONE[StatusEvent.Kind(event.kind)]
        orders.note(undone, [("order", aggregate.order.public_id)], origin)

    return _on_order(act.order_id, take_back)


def _on_order(key: int, act: Callable[[OrderBook, OrderAggregate], None]) -> Order:
    """Do something to a locked order, in the caller's transaction."""
    assert connection.in_atomic_block
    loader = Loader(catalogue.current())
    orders = loader.order(key)
    act(orders, orders.aggregates[key])
    batch.Batch(loader.snapshot, None, orders).save()
    return Order.objects.select_related("facility").get(pk=key)
