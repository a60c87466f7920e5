"""The numbers of an order's procedures and steps that follow from the order's own."""

from worklist.orders import generated_ids
from worklist.orders.order_aggregate import OrderAggregate, ProcedureRecord, StepRecord


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
