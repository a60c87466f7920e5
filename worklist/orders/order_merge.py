"""Merge two orders that a message names together, and derive the numbers that follow from an order's own."""

from collections.abc import Sequence

from ledger import stamps
from worklist.orders import generated_ids, procedure_match
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


def identify(aggregate: OrderAggregate, procedure: ProcedureRecord, id: str) -> None:
    """Give a procedure that had none the ID that its sender gives it; what was made up of its place goes."""
    if id and procedure.place is not None:
        procedure.requested_procedure_id, procedure.place = id, None
        number_procedure(procedure, aggregate.canonical_number)
        for step in aggregate.steps_of(procedure):
            number_step(step, procedure)


def step_named(steps: Sequence[StepRecord], id: str) -> StepRecord | None:
    """The step of this ID; where one side has none, the only step, which takes the ID."""
    for step in steps:
        if step.scheduled_procedure_step_id == id if id else step.id_is_generated:
            return step
    if not id:
        return min(steps, key=age, default=None)
    made_up = next((step for step in steps if step.id_is_generated), None)
    if made_up is not None:
        made_up.scheduled_procedure_step_id, made_up.id_is_generated = id, False
    return made_up


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
    id = procedure.requested_procedure_id if procedure.place is None else ""
    same = procedure_match.counterpart(
        ours.procedures, id=id, place=procedure.place or 1, code=procedure.code
    )
    steps = sorted(theirs.steps_of(procedure), key=age)
    if same is None:
        procedure.order_id = ours.order.id
        ours.procedures.append(procedure)
        ours.steps += steps
        return
    identify(ours, same, id)
    stamps.join(same, procedure, ProcedureContent.names())
    for step in steps:
        _merge_step(ours, theirs, same, step)
    ours.removed.append(procedure)


def _merge_step(
    ours: OrderAggregate, theirs: OrderAggregate, procedure: ProcedureRecord, step: StepRecord
) -> None:
    id = "" if step.id_is_generated else step.scheduled_procedure_step_id
    same = step_named(ours.steps_of(procedure), id)
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
