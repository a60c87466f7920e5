"""Merge two orders that a message names together, and derive the numbers that follow from an order's own."""

from ledger import stamps
from worklist.orders import generated_ids
from worklist.orders.order_aggregate import (
    OrderAggregate,
    ProcedureRecord,
    StatusEventRecord,
    StepRecord,
    age,
)
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent


def merge(ours: OrderAggregate, theirs: OrderAggregate) -> None:
    """Bring everything of `theirs` into `ours`: field by field the newer stamp wins."""
    order, other = ours.order, theirs.order
    stamps.join(order, other, OrderContent.names())
    order.first_received_at = min(order.first_received_at, other.first_received_at)
    contents = [at for at in (order.content_received_at, other.content_received_at) if at]
    order.content_received_at = min(contents, default=None)
    for number in theirs.numbers:
        number.order_id = order.id
    ours.numbers += theirs.numbers
    for procedure in sorted(theirs.procedures, key=age):
        _merge_procedure(ours, theirs, procedure)
    for event in theirs.events:
        _move_event(ours, event, event.step_id)
    ours.removed += [*theirs.removed, other]
    renumber(ours)


def renumber(aggregate: OrderAggregate) -> None:
    """Derive again the numbers that follow from the order's own, after it got another."""
    number = aggregate.canonical_number
    for procedure, steps in aggregate.by_procedure():
        number_procedure(procedure, number)
        for step in steps:
            number_step(step, procedure)


def number_procedure(procedure: ProcedureRecord, order_number: tuple[str, str, str]) -> None:
    """Set the requested procedure ID and Study Instance UID that no sender gave."""
    if procedure.place is not None:
        procedure.requested_procedure_id = generated_ids.number("procedure", *order_number, procedure.place)
    if "study_instance_uid" not in procedure.stamps:
        procedure.study_instance_uid = generated_ids.study_instance_uid(
            *order_number, procedure.requested_procedure_id if procedure.place is None else procedure.place
        )


def number_step(step: StepRecord, procedure: ProcedureRecord) -> None:
    """Set the ID of a step that no sender gave."""
    if step.id_is_generated:
        step.scheduled_procedure_step_id = generated_ids.number("step", procedure.requested_procedure_id)


def _merge_procedure(ours: OrderAggregate, theirs: OrderAggregate, procedure: ProcedureRecord) -> None:
    same = next((one for one in ours.procedures if _names_same_procedure(one, procedure)), None)
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


def _names_same_procedure(one: ProcedureRecord, other: ProcedureRecord) -> bool:
    if other.place is not None:
        return one.place == other.place
    return (one.requested_procedure_id, one.issuer) == (other.requested_procedure_id, other.issuer)


def _merge_step(
    ours: OrderAggregate, theirs: OrderAggregate, procedure: ProcedureRecord, step: StepRecord
) -> None:
    same = next((one for one in ours.steps_of(procedure) if _names_same_step(one, step)), None)
    if same is None:
        step.procedure_id = procedure.id
        ours.steps.append(step)
        return
    stamps.join(same, step, StepContent.names())
    for event in theirs.events:
        if event.step_id == step.id:
            event.step_id = same.id
    ours.removed.append(step)


def _names_same_step(one: StepRecord, other: StepRecord) -> bool:
    if other.id_is_generated:
        return one.id_is_generated
    return one.scheduled_procedure_step_id == other.scheduled_procedure_step_id


def _move_event(ours: OrderAggregate, event: StatusEventRecord, step_id: int | None) -> None:
    named = (step_id, event.kind, event.stamp)
    if any((one.step_id, one.kind, one.stamp) == named for one in ours.events):
        ours.removed.append(event)
        return
    event.order_id = ours.order.id
    ours.events.append(event)
