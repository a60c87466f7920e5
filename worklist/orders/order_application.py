"""Place, change, cancel and discontinue orders.

`apply` is the one way in: every message and every person's act becomes an `OrderStatement`. Content is
written field by field by stamp, acts are a set, numbers that are named together join, so any order of
arrival, with repeats, ends in the same state.
"""

from collections.abc import Iterable, Sequence

from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from ledger import events, stamps
from ledger.errors import Missing, UnknownCode
from worklist import worklist_events
from worklist.models import (
    Order,
    OrderNumber,
    ProcedureCode,
    RequestedProcedure,
    ScheduledProcedureStep,
    StatusEvent,
)
from worklist.orders import derivation, order_merge
from worklist.orders.order_aggregate import OrderAggregate
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.provenance import Provenance, check_lengths
from worklist.signals import order_changed

Named = Sequence[tuple[OrderNumber.Kind, Number]]


def apply(*, statement: OrderUpdate, origin: Provenance) -> Order:
    """Apply what is said of an order, and return the order.

    Raises `Missing` without any number, `UnknownCode` for an unknown procedure code where no modality
    is named, `Invalid` for what is too long.
    """
    assert connection.in_atomic_block
    _check(statement, origin)
    content = _named_content(statement, origin)
    order = content.order
    if statement.act is not None:
        act(content=content, kind=statement.act, origin=origin, reason=statement.reason)
    if statement.procedures:
        _write(content, statement, origin)
    derivation.settle(content, origin)
    content.save()
    events.record(
        worklist_events.ORDER_CHANGED[statement.act] if statement.act else worklist_events.ORDER_STATED,
        about=[("order", order.public_id)],
        occurred_at=origin.stamp.made_at,
        actor=origin.actor,
        source=origin.source,
        reason=statement.reason,
    )
    order_changed.send(sender=None, order=order, origin=origin)
    return order


def act(
    *,
    content: OrderAggregate,
    kind: StatusEvent.Kind,
    origin: Provenance,
    step: ScheduledProcedureStep | None = None,
    reason: str = "",
) -> None:
    """Add an act to the set; the same act from the same message is there only once."""
    added, made = StatusEvent.objects.get_or_create(
        order=content.order,
        step=step,
        kind=kind,
        stamp=origin.stamp.key(),
        defaults={
            "occurred_at": origin.stamp.made_at,
            "reason": reason[:500],
            "actor": str(origin.actor),
            "source": origin.source,
        },
    )
    if made:
        content.acts.append(added)


def _check(statement: OrderUpdate, origin: Provenance) -> None:
    if statement.placer is None and statement.filler is None:
        raise Missing("the order has neither a placer nor a filler order number", "placer")
    for name, number in (("placer", statement.placer), ("filler", statement.filler)):
        if number is not None:
            check_lengths(OrderNumber, {"value": number.value, "namespace": number.namespace})
            if not number.value:
                raise Missing(f"the {name} order number is empty", name)
    check_lengths(Order, statement.values)
    for procedure in statement.procedures:
        check_lengths(RequestedProcedure, {**procedure.values, "requested_procedure_id": procedure.id})
        for step in procedure.steps:
            check_lengths(ScheduledProcedureStep, {**step.values, "scheduled_procedure_step_id": step.id})
        _check_code(procedure, origin)


def _check_code(procedure: ProcedureUpdate, origin: Provenance) -> None:
    accepts = origin.policy.get("unknown_procedure_codes") == "accept_with_modality"
    if accepts and all(step.values.get("modality") for step in procedure.steps):
        return
    code = procedure.values.get("code")
    if not code or not isinstance(code, str):
        raise Missing("the order names no procedure code and no modality", "code")
    if not ProcedureCode.objects.filter(code=code).exists():
        raise UnknownCode(f"the procedure code {code!r} is not known and no modality is named", "code")


def _named_content(statement: OrderUpdate, origin: Provenance) -> OrderAggregate:
    """The locked order that the statement's numbers name: found, made, or joined from two."""
    named = [
        (kind, number)
        for kind, number in (
            (OrderNumber.Kind.PLACER, statement.placer),
            (OrderNumber.Kind.FILLER, statement.filler),
        )
        if number is not None
    ]
    known = {
        (number.kind, Number(number.value, number.namespace)): number.order_id
        for number in OrderNumber.objects.filter(_any(named))
    }
    missing = [pair for pair in named if pair not in known]
    if known:
        content = OrderAggregate.of(_joined(set(known.values())))
    else:
        content = OrderAggregate(Order(facility=origin.facility, first_received_at=origin.received_at))
        if statement.procedures:  # so that it is whole when its number makes it be saved
            _write_order(content.order, statement, origin)
    if missing and not _give_numbers(content, missing):
        return _named_content(statement, origin)  # another process named it first: join with what it made
    if missing and known:
        order_merge.renumber(content)
    content.order.first_received_at = min(content.order.first_received_at, origin.received_at)
    return content


def _joined(keys: set[int]) -> Order:
    rows = Order.objects.select_for_update(of=("self",)).filter(pk__in=keys)
    orders = list(rows.select_related("facility").order_by("pk"))
    for other in orders[1:]:
        order_merge.join(orders[0], other)
    return orders[0]


def _give_numbers(content: OrderAggregate, missing: Named) -> bool:
    """Add numbers to an order; False, and nothing is added, if one of them names another order by now."""
    order = content.order
    made = [OrderNumber(order=order, kind=kind, value=n.value, namespace=n.namespace) for kind, n in missing]
    try:
        with transaction.atomic():
            if order.pk is None:
                order.save()
                content.mark_saved(order)
            for number in made:
                number.order_id = order.pk
            OrderNumber.objects.bulk_create(made)
    except IntegrityError:
        return False
    content.numbers += made
    return True


def _any(named: Iterable[tuple[OrderNumber.Kind, Number]]) -> Q:
    wanted = Q()
    for kind, number in named:
        wanted |= Q(kind=kind, value=number.value, namespace=number.namespace)
    return wanted


def _write_order(order: Order, statement: OrderUpdate, origin: Provenance) -> None:
    stamps.write(order, statement.values, origin.stamp, origin.source)
    first = order.content_received_at
    order.content_received_at = min(first, origin.received_at) if first else origin.received_at


def _write(content: OrderAggregate, statement: OrderUpdate, origin: Provenance) -> None:
    _write_order(content.order, statement, origin)
    for said in statement.procedures:
        procedure = _procedure(content, said)
        stamps.write(procedure, said.values, origin.stamp, origin.source)
        for step_said in said.steps:
            step = _step(content, procedure, step_said, origin)
            stamps.write(step, step_said.values, origin.stamp, origin.source)


def _procedure(content: OrderAggregate, said: ProcedureUpdate) -> RequestedProcedure:
    for procedure in content.procedures:
        if procedure.requested_procedure_id == said.id if said.id else procedure.place == said.place:
            return procedure
    procedure = RequestedProcedure(
        order=content.order, place=None if said.id else said.place, requested_procedure_id=said.id
    )
    order_merge.number_procedure(procedure, content.canonical_number)
    content.procedures.append(procedure)
    return procedure


def _step(
    content: OrderAggregate, procedure: RequestedProcedure, said: StepUpdate, origin: Provenance
) -> ScheduledProcedureStep:
    for step in content.steps_of(procedure):
        if step.scheduled_procedure_step_id == said.id if said.id else step.made_up:
            return step
    step = ScheduledProcedureStep(
        procedure=procedure,
        scheduled_procedure_step_id=said.id,
        made_up=not said.id,
        due=origin.received_at,
    )
    order_merge.number_step(step)
    content.steps.append(step)
    return step
