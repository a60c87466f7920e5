"""Join two order records that a message names together, and the numbers that follow from an order's own."""

from django.db.models import QuerySet

from ledger import stamps
from worklist.models import Order, OrderNumber, RequestedProcedure, ScheduledProcedureStep, StatusEvent
from worklist.orders import generated_ids
from worklist.orders.order_aggregate import OrderAggregate

ORDER_FIELDS = (
    "patient_id",
    "visit_id",
    "accession_number",
    "accession_issuer",
    "priority",
    "reason",
    "clinical_information",
    "danger",
    "transport",
    "confidentiality",
    "requesting_physician",
    "referring_physician",
    "requesting_service",
)
PROCEDURE_FIELDS = (
    "study_instance_uid",
    "accession_number",
    "code",
    "scheme",
    "description",
    "body_part",
    "laterality",
)
STEP_FIELDS = (
    "modality",
    "station_ae_title",
    "station_name",
    "station_group",
    "location",
    "description",
    "protocol_codes",
    "performing_physician",
    "start",
)


def join(order: Order, other: Order) -> None:
    """Bring everything of `other` into `order` and delete it: field by field the newer stamp wins."""
    stamps.join(order, other, ORDER_FIELDS)
    order.first_received_at = min(order.first_received_at, other.first_received_at)
    contents = [at for at in (order.content_received_at, other.content_received_at) if at]
    order.content_received_at = min(contents, default=None)
    OrderNumber.objects.filter(order=other).update(order=order)
    for procedure in RequestedProcedure.objects.filter(order=other).order_by("pk"):
        _join_procedure(order, procedure)
    _move_acts(StatusEvent.objects.filter(order=other, step=None), order)
    StatusEvent.objects.filter(order=other).update(order=order)
    order.save()
    other.delete()
    content = OrderAggregate.of(order)
    renumber(content)
    content.save()


def renumber(content: OrderAggregate) -> None:
    """Derive again the numbers that follow from the order's own, after it got another."""
    number = content.canonical_number
    for procedure in content.procedures:
        number_procedure(procedure, number)
    for step in content.steps:
        number_step(step)


def number_procedure(procedure: RequestedProcedure, order_number: tuple[str, str, str]) -> None:
    """Set the requested procedure ID and Study Instance UID that no sender gave."""
    if procedure.place is not None:
        procedure.requested_procedure_id = generated_ids.number("procedure", *order_number, procedure.place)
    if "study_instance_uid" not in procedure.stamps:
        procedure.study_instance_uid = generated_ids.study_instance_uid(
            *order_number, procedure.requested_procedure_id if procedure.place is None else procedure.place
        )


def number_step(step: ScheduledProcedureStep) -> None:
    """Set the ID of a step that no sender gave."""
    if step.made_up:
        procedure_id = step.procedure.requested_procedure_id
        step.scheduled_procedure_step_id = generated_ids.number("step", procedure_id)


def _join_procedure(order: Order, procedure: RequestedProcedure) -> None:
    key = (
        {"requested_procedure_id": procedure.requested_procedure_id, "issuer": procedure.issuer}
        if procedure.place is None
        else {"place": procedure.place}
    )
    ours = RequestedProcedure.objects.filter(order=order, **key).first()
    if ours is None:
        RequestedProcedure.objects.filter(pk=procedure.pk).update(order=order)
        return
    stamps.join(ours, procedure, PROCEDURE_FIELDS)
    ours.save()
    for step in ScheduledProcedureStep.objects.filter(procedure=procedure):
        _join_step(ours, step, order)
    procedure.delete()


def _join_step(procedure: RequestedProcedure, step: ScheduledProcedureStep, order: Order) -> None:
    key = (
        {"made_up": True}
        if step.made_up
        else {"scheduled_procedure_step_id": step.scheduled_procedure_step_id}
    )
    ours = ScheduledProcedureStep.objects.filter(procedure=procedure, **key).first()
    if ours is None:
        ScheduledProcedureStep.objects.filter(pk=step.pk).update(procedure=procedure)
        return
    stamps.join(ours, step, STEP_FIELDS)
    ours.save()
    for act in StatusEvent.objects.filter(step=step):
        same = StatusEvent.objects.filter(step=ours, order=order, kind=act.kind, stamp=act.stamp)
        if not same.exists():
            StatusEvent.objects.filter(pk=act.pk).update(step=ours, order=order)
    step.delete()


def _move_acts(acts: QuerySet[StatusEvent], order: Order) -> None:
    for act in acts:
        if StatusEvent.objects.filter(order=order, step=None, kind=act.kind, stamp=act.stamp).exists():
            act.delete()
        else:
            StatusEvent.objects.filter(pk=act.pk).update(order=order)
