"""Merge two orders that a message names together."""

from collections.abc import Iterator

from ledger import stamps
from worklist.orders import arrangement, contributions, order_numbering
from worklist.orders.contributions import Contributions, SaidProcedure
from worklist.orders.order_aggregate import (
    OrderAggregate,
    ProcedureRecord,
    StatusEventRecord,
    StepRecord,
    age,
)
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent


def merge(ours: OrderAggregate, theirs: OrderAggregate, new_keys: Iterator[int]) -> None:
    """Bring everything of `theirs` into `ours`: field by field the newer stamp wins."""
    said = _said(ours, theirs)
    order, other = ours.order, theirs.order
    stamps.join(order, other, OrderContent.names())
    order.first_received_at = min(order.first_received_at, other.first_received_at)
    contents = [at for at in (order.content_received_at, other.content_received_at) if at]
    order.content_received_at = min(contents, default=None)
    for number in theirs.numbers:
        number.order_id = order.id
    ours.numbers += theirs.numbers
    if said is None:
        for procedure in sorted(theirs.procedures, key=age):
            _merge_procedure(ours, theirs, procedure)
    else:
        ours.procedures += theirs.procedures
        ours.steps += theirs.steps
    for event in theirs.events:
        _move_event(ours, event, event.step_id)
    ours.removed += [*theirs.removed, other]
    if said is not None:
        arrangement.arrange(ours, said, new_keys, order.first_received_at)
    order_numbering.renumber(ours)


def _said(ours: OrderAggregate, theirs: OrderAggregate) -> Contributions | None:
    """All that was said of both; None where the IDs of neither leave anything open."""
    both = OrderAggregate(ours.order, procedures=[*ours.procedures, *theirs.procedures])
    both.steps = [*ours.steps, *theirs.steps]
    if not (
        contributions.is_mixed(both) or contributions.is_mixed(theirs) or contributions.differ(ours, theirs)
    ):
        return None
    said = contributions.of_rows(ours)
    for name, one in contributions.of_rows(theirs).items():
        said.setdefault(name, SaidProcedure()).take(one)
    return said


def _merge_procedure(ours: OrderAggregate, theirs: OrderAggregate, procedure: ProcedureRecord) -> None:
    name = contributions.name_of(procedure)
    same = next((one for one in ours.procedures if contributions.name_of(one) == name), None)
    steps = sorted(theirs.steps_of(procedure), key=age)
    if same is None:
        procedure.order_id = ours.order.id
        ours.procedures.append(procedure)
        ours.steps += steps
        return
    stamps.join(same, procedure, ProcedureContent.names())
    for step in steps:
        _merge_step(ours, theirs, same, step)
    ours.removed.append(procedure)


def _merge_step(
    ours: OrderAggregate, theirs: OrderAggregate, procedure: ProcedureRecord, step: StepRecord
) -> None:
    name = contributions.step_name(step)
    of_procedure = ours.steps_of(procedure)
    same = next((one for one in of_procedure if contributions.step_name(one) == name), None)
    if same is None:
        step.procedure_id = procedure.id
        ours.steps.append(step)
        return
    stamps.join(same, step, StepContent.names())
    for event in theirs.events:
        if event.step_id == step.id:
            event.step_id = same.id
    ours.removed.append(step)


def _move_event(ours: OrderAggregate, event: StatusEventRecord, step_id: int | None) -> None:
    named = (step_id, event.kind, event.stamp)
    if any((one.step_id, one.kind, one.stamp) == named for one in ours.events):
        ours.removed.append(event)
        return
    event.order_id = ours.order.id
    ours.events.append(event)
