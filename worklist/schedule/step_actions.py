"""What people do to scheduled procedure steps and to orders: arrive, start, complete, no-show, cancel."""

from collections.abc import Mapping
from typing import Any

from django.db import connection

from accounts.actor import Actor
from accounts.models import Facility
from ledger import audit, events
from ledger.errors import Conflict, Missing, Unknown
from ledger.event_types import EventType
from ledger.public_id import new_public_id
from worklist import worklist_events
from worklist.models import Order, OrderStatus, ScheduledProcedureStep, StatusEvent, StepStatus
from worklist.orders import derivation, generated_ids, order_application, step_status
from worklist.orders.order_aggregate import OrderAggregate
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.patients import identity
from worklist.patients.identity import Identifier
from worklist.provenance import Provenance
from worklist.signals import order_changed

_ENDED_ORDERS = (OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.DISCONTINUED)


def place(
    *,
    by: Actor,
    facility: Facility,
    identifier: Identifier,
    demographics: Mapping[str, str],
    procedure_code: str,
    values: dict[str, Any],
) -> Order:
    """Place an order here, for a patient who is found by the identifier, or made; we are its placer.

    `values` may hold `start`.
    """
    by.require("order.place", facility)
    origin = Provenance.of_person(by, facility)
    patient = identity.register(origin=origin, identifiers=[identifier], demographics=demographics)
    number = generated_ids.number("order", new_public_id())
    order = _place(
        patient_id=patient.pk, procedure_code=procedure_code, number=number, values=values, origin=origin
    )
    things = [("order", order.public_id), ("patient", patient.public_id)]
    audit.note(by, audit.ORDER_RECORD, audit.CREATE, *things)
    return order


def change_step(
    *, by: Actor, step: ScheduledProcedureStep, kind: StatusEvent.Kind, reason: str = ""
) -> StatusEvent:
    """Do an act to a step, if its state allows it; raises `Conflict` otherwise. Returns the act."""
    order = step.procedure.order
    by.require("step.change", order)
    origin = Provenance.of_person(by, order.facility)
    step = _change_step(step=step, kind=kind, origin=origin, reason=reason)
    things = [("step", step.public_id), ("order", order.public_id)]
    audit.note(by, audit.PROCEDURE_RECORD, audit.UPDATE, *things)
    return _act(origin, order, kind, step)


def cancel(*, by: Actor, order: Order, reason: str) -> StatusEvent:
    """Cancel an order; one whose exam began is discontinued. Raises `Conflict` for one that ended.

    Returns the act.
    """
    by.require("order.cancel", order)
    origin = Provenance.of_person(by, order.facility)
    _cancel(order=order, origin=origin, reason=reason)
    audit.note(by, audit.ORDER_RECORD, audit.UPDATE, ("order", order.public_id))
    return _act(origin, order, StatusEvent.Kind.CANCEL, None)


def undo(*, by: Actor, act: StatusEvent) -> Order:
    """Undo an act: the status is what the other acts come to. Raises `Unknown` if undone already."""
    by.require("step.change", act.order)
    order = _undo(act=act, origin=Provenance.of_person(by, act.order.facility))
    audit.note(by, audit.ORDER_RECORD, audit.UPDATE, ("order", order.public_id))
    return order


def _act(
    origin: Provenance, order: Order, kind: StatusEvent.Kind, step: ScheduledProcedureStep | None
) -> StatusEvent:
    rows = StatusEvent.objects.select_related("step")
    return rows.get(order=order, step=step, kind=kind, stamp=origin.stamp.key())


# What each does, whoever is its origin


def _place(
    *, patient_id: int, procedure_code: str, number: str, values: dict[str, Any], origin: Provenance
) -> Order:
    start = values.pop("start", None)
    statement = OrderUpdate(
        placer=Number(number, "RISPACS"),
        values={
            **values,
            "patient_id": patient_id,
            "accession_number": generated_ids.number("accession", number),
        },
        procedures=[
            ProcedureUpdate(values={"code": procedure_code}, steps=[StepUpdate(values={"start": start})])
        ],
    )
    return order_application.apply(statement=statement, origin=origin)


def _change_step(
    *, step: ScheduledProcedureStep, kind: StatusEvent.Kind, origin: Provenance, reason: str
) -> ScheduledProcedureStep:
    content = _locked(step.procedure.order_id)
    step = next(row for row in content.steps if row.pk == step.pk)
    allowed = step_status.MAY[kind]
    if StepStatus(step.status) not in allowed:
        names = ", ".join(sorted(allowed))
        raise Conflict(f"the step is {step.status}; {kind} needs one that is {names}", "status")
    order_application.act(content=content, kind=kind, origin=origin, step=step, reason=reason)
    _settle(content, origin, worklist_events.STEP_CHANGED[kind], ("step", step.public_id), reason)
    return step


def _cancel(*, order: Order, origin: Provenance, reason: str) -> Order:
    if not reason.strip():
        raise Missing("a cancellation needs a reason", "reason")
    content = _locked(order.pk)
    order = content.order
    if order.status in _ENDED_ORDERS:
        raise Conflict(f"the order is {order.status} already", "status")
    order_application.act(content=content, kind=StatusEvent.Kind.CANCEL, origin=origin, reason=reason)
    _settle(
        content,
        origin,
        worklist_events.ORDER_CHANGED[StatusEvent.Kind.CANCEL],
        ("order", order.public_id),
        reason,
    )
    return order


def _undo(*, act: StatusEvent, origin: Provenance) -> Order:
    assert connection.in_atomic_block
    if not StatusEvent.objects.filter(pk=act.pk, undone_by="").update(undone_by=origin.source):
        raise Unknown("the act is undone already", "act")
    content = _locked(act.order_id)
    _settle(
        content,
        origin,
        worklist_events.UNDONE[StatusEvent.Kind(act.kind)],
        ("order", content.order.public_id),
        "",
    )
    return content.order


def _locked(key: int) -> OrderAggregate:
    assert connection.in_atomic_block
    rows = Order.objects.select_for_update(of=("self",)).select_related("facility")
    return OrderAggregate.of(rows.get(pk=key))


def _settle(
    content: OrderAggregate, origin: Provenance, event: EventType, thing: tuple[str, str], reason: str
) -> None:
    derivation.settle(content, origin)
    content.save()
    order = content.order
    events.record(
        event,
        about=[thing, ("order", order.public_id)],
        occurred_at=origin.stamp.made_at,
        actor=origin.actor,
        source=origin.source,
        reason=reason,
    )
    order_changed.send(sender=None, order=order, origin=origin)
