"""Place, change, cancel and discontinue orders.

`apply` is the one way in: every message and every person's act becomes an `OrderStatement`. Content is
written field by field by stamp, acts are a set, numbers that are named together join, so any order of
arrival, with repeats, ends in the same state.
"""

from collections.abc import Iterable, Sequence

from django.db import connection
from django.db.models import Q

from ledger import events, stamps
from worklist import joining, settling
from worklist.errors import NotInTable, RequiredMissing
from worklist.models import Act, Order, OrderNumber, ProcedureCode, RequestedProcedure, ScheduledProcedureStep
from worklist.origin import Origin, check_lengths
from worklist.signals import order_changed
from worklist.statements import Number, OrderStatement, ProcedureStatement, StepStatement


def apply(*, statement: OrderStatement, origin: Origin) -> Order:
    """Apply what is said of an order, and return the order.

    Raises `RequiredMissing` without any number, `NotInTable` for an unknown procedure code where no modality
    is named, `BadValue` for what is too long.
    """
    assert connection.in_atomic_block
    _check(statement, origin)
    order = _order(statement, origin)
    if statement.act is not None:
        act(order=order, kind=statement.act, origin=origin, reason=statement.reason)
    if statement.procedures:
        _write_content(order, statement, origin)
    settling.settle(order, origin)
    events.record(
        f"order.{statement.act or 'stated'}",
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
    order: Order,
    kind: Act.Kind,
    origin: Origin,
    step: ScheduledProcedureStep | None = None,
    reason: str = "",
) -> None:
    """Add an act to the set; the same act from the same message is there only once."""
    Act.objects.get_or_create(
        order=order,
        step=step,
        kind=kind,
        stamp=origin.stamp.key(),
        defaults={
            "occurred_at": origin.stamp.made_at,
            "reason": reason[:500],
            "actor": origin.actor,
            "source": origin.source,
        },
    )


def _check(statement: OrderStatement, origin: Origin) -> None:
    if statement.placer is None and statement.filler is None:
        raise RequiredMissing("the order has neither a placer nor a filler order number", "placer")
    for name, number in (("placer", statement.placer), ("filler", statement.filler)):
        if number is not None:
            check_lengths(OrderNumber, {"value": number.value, "namespace": number.namespace})
            if not number.value:
                raise RequiredMissing(f"the {name} order number is empty", name)
    check_lengths(Order, statement.values)
    for procedure in statement.procedures:
        check_lengths(RequestedProcedure, {**procedure.values, "requested_procedure_id": procedure.id})
        for step in procedure.steps:
            check_lengths(ScheduledProcedureStep, {**step.values, "scheduled_procedure_step_id": step.id})
        _check_code(procedure, origin)


def _check_code(procedure: ProcedureStatement, origin: Origin) -> None:
    if all(step.values.get("modality") for step in procedure.steps) and (
        origin.policy.get("unknown_procedure_codes", "accept_with_modality") == "accept_with_modality"
    ):
        return
    code = procedure.values.get("code")
    if not code or not isinstance(code, str):
        raise RequiredMissing("the order names no procedure code and no modality", "code")
    if not ProcedureCode.objects.filter(code=code).exists():
        raise NotInTable(
            f"the procedure code {code!r} is not in the catalogue and no modality is named", "code"
        )


def _order(statement: OrderStatement, origin: Origin) -> Order:
    """The locked order that the statement's numbers name: found, made, or joined from two."""
    named = [
        (kind, number)
        for kind, number in (
            (OrderNumber.Kind.PLACER, statement.placer),
            (OrderNumber.Kind.FILLER, statement.filler),
        )
        if number is not None
    ]
    orders = _locked(named)
    if not orders:
        order = Order.objects.create(facility=origin.facility, first_received_at=origin.received_at)
    else:
        order = orders[0]
        for other in orders[1:]:
            joining.join(order, other)
    before = OrderNumber.objects.filter(order=order).count()
    OrderNumber.objects.bulk_create(
        [OrderNumber(order=order, kind=kind, value=n.value, namespace=n.namespace) for kind, n in named],
        ignore_conflicts=True,
    )
    numbers = list(OrderNumber.objects.filter(_any(named)))
    if any(number.order_id != order.pk for number in numbers):
        return _order(statement, origin)  # another process named it first: join with what it made
    if OrderNumber.objects.filter(order=order).count() != before:
        joining.renumber(order)
    order.first_received_at = min(order.first_received_at, origin.received_at)
    return order


def _locked(named: Iterable[tuple[OrderNumber.Kind, Number]]) -> list[Order]:
    keys = set(OrderNumber.objects.filter(_any(named)).values_list("order_id", flat=True))
    rows = Order.objects.select_for_update(of=("self",)).filter(pk__in=keys)
    return list(rows.select_related("facility").order_by("pk"))


def _any(named: Iterable[tuple[OrderNumber.Kind, Number]]) -> Q:
    wanted = Q()
    for kind, number in named:
        wanted |= Q(kind=kind, value=number.value, namespace=number.namespace)
    return wanted


def _write_content(order: Order, statement: OrderStatement, origin: Origin) -> None:
    stamps.write(order, statement.values, origin.stamp, origin.source)
    first = order.content_received_at
    order.content_received_at = min(first, origin.received_at) if first else origin.received_at
    order.save()
    for said in statement.procedures:
        procedure = _procedure(order, said)
        values = {name: value for name, value in said.values.items() if name != "study_instance_uid"}
        stamps.write(procedure, values, origin.stamp, origin.source)
        if uid := said.values.get("study_instance_uid"):
            stamps.write(procedure, {"study_instance_uid": uid}, origin.stamp, origin.source)
        procedure.save()
        _write_steps(order, procedure, said.steps, origin)


def _procedure(order: Order, said: ProcedureStatement) -> RequestedProcedure:
    key = {"requested_procedure_id": said.id} if said.id else {"place": said.place}
    found = RequestedProcedure.objects.filter(order=order, **key).first()
    if found is not None:
        return found
    procedure = RequestedProcedure(order=order, place=None if said.id else said.place)
    procedure.requested_procedure_id = said.id
    joining.number_procedure(procedure, joining.canonical_number(order))
    procedure.save()
    return procedure


def _write_steps(
    order: Order, procedure: RequestedProcedure, said: Sequence[StepStatement], origin: Origin
) -> None:
    for statement in said:
        key = {"scheduled_procedure_step_id": statement.id} if statement.id else {"made_up": True}
        step = ScheduledProcedureStep.objects.filter(procedure=procedure, **key).first()
        if step is None:
            step = ScheduledProcedureStep(
                procedure=procedure,
                scheduled_procedure_step_id=statement.id,
                made_up=not statement.id,
                due=origin.received_at,
            )
            joining.number_step(step)
        stamps.write(step, statement.values, origin.stamp, origin.source)
        step.save()
