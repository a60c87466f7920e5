"""What people do to scheduled procedure steps and to orders, and how they take it back."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from accounts.actor import Actor
from ledger import audit
from ledger.errors import Conflict, Missing, Unknown
from worklist import worklist_events
from worklist.models import Order, OrderStatus, ScheduledProcedureStep, StatusEvent, StepStatus
from worklist.orders import order_application, step_status
from worklist.orders.order_aggregate import OrderAggregate, StatusEventRecord, StepRecord
from worklist.orders.order_book import OrderBook
from worklist.provenance import Provenance
from worklist.schedule import act_history, image_acts
from worklist.signals import order_acted

_ENDED_ORDERS: Final = (OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.DISCONTINUED)
_POSSIBLE: Final[Mapping[StatusEvent.Kind, str]] = {
    StatusEvent.Kind.ARRIVE: "a patient can arrive",
    StatusEvent.Kind.HOLD: "an exam can be held",
    StatusEvent.Kind.RELEASE: "an exam can be released",
    StatusEvent.Kind.START: "an exam can be started",
    StatusEvent.Kind.COMPLETE: "an exam can be completed",
    StatusEvent.Kind.CANCEL: "an exam can be cancelled",
    StatusEvent.Kind.DISCONTINUE: "an exam can be discontinued",
    StatusEvent.Kind.NO_SHOW: "a patient can be marked as a no-show",
    StatusEvent.Kind.REOPEN: "an exam can be reopened",
}
_OF_PATIENTS: Final = (StatusEvent.Kind.ARRIVE, StatusEvent.Kind.NO_SHOW)
_OURS: Final = ("user:", "study:", "appointment:")
"""Who ended what a person may reopen: people here, images, and a scheduling system that told of a no-show."""


def change_step(
    *,
    by: Actor,
    step: ScheduledProcedureStep,
    kind: StatusEvent.Kind,
    reason: str = "",
    at: datetime | None = None,
) -> StatusEvent:
    """Do an act to a step, if its state allows it; raises `Conflict` otherwise. Returns the act.

    What is done to several steps at one moment, `at`, is one act to whoever takes it back.
    """
    order = step.procedure.order
    by.require("step.change", order)
    provenance = Provenance.of_person(by, order.facility, at)
    if kind == StatusEvent.Kind.CANCEL and not reason.strip():
        raise Missing("a cancellation needs a reason", "reason")
    before = _Before()

    def act(orders: OrderBook, aggregate: OrderAggregate) -> None:
        before.take(aggregate)
        row = next(row for row in aggregate.steps if row.id == step.pk)
        _check(aggregate, row, kind)
        ends = _standing_ends(aggregate, row) if kind == StatusEvent.Kind.REOPEN else ()
        event = orders.add_event(aggregate, kind, provenance, step=row, reason=reason)
        assert event is not None
        for end in ends:
            end.undone_by = image_acts.taken_back_by(event.public_id)
            before.told_of_patient |= end.kind in _OF_PATIENTS
        orders.derive(aggregate, provenance)
        about = [("step", row.public_id), ("order", aggregate.order.public_id)]
        orders.note(worklist_events.STEP_CHANGED[kind], about, provenance, reason)

    order_application.on_order(order.pk, act)
    things = [("step", step.public_id), ("order", order.public_id)]
    words = worklist_events.STEP_CHANGED[kind].words
    audit.note(by, audit.PROCEDURE_RECORD, audit.UPDATE, *things, act=words)
    done = _act(provenance, order, kind, step)
    _tell(done, before)
    return done


def can_cancel(status: str) -> bool:
    """Whether an order of this status can still be cancelled: it has not ended."""
    return status not in _ENDED_ORDERS


def cancel(*, by: Actor, order: Order, reason: str, source: str = "") -> StatusEvent:
    """Cancel an order; one whose exam began is discontinued. Raises `Conflict` for one that ended.

    Returns the act. With the `source` of something else that did it, a decision, it is nobody's own act to
    take back or to reopen.
    """
    by.require("order.cancel", order)
    provenance = Provenance.of_person(by, order.facility)
    provenance = replace(provenance, source=source) if source else provenance
    if not reason.strip():
        raise Missing("a cancellation needs a reason", "reason")
    before = _Before()

    def act(orders: OrderBook, aggregate: OrderAggregate) -> None:
        before.take(aggregate)
        row = aggregate.order
        if not can_cancel(row.status):
            raise Conflict(f"the order is {row.status} already", "status")
        orders.add_event(aggregate, StatusEvent.Kind.CANCEL, provenance, reason=reason)
        orders.derive(aggregate, provenance)
        cancelled = worklist_events.ORDER_CHANGED[StatusEvent.Kind.CANCEL]
        orders.note(cancelled, [("order", row.public_id)], provenance, reason)

    order_application.on_order(order.pk, act)
    audit.note(by, audit.ORDER_RECORD, audit.UPDATE, ("order", order.public_id), act="Order cancelled")
    done = _act(provenance, order, StatusEvent.Kind.CANCEL, None)
    _tell(done, before)
    return done


def undo(*, by: Actor, act: StatusEvent) -> Order:
    """Undo an act: the status is what the other acts come to.

    Raises `Unknown` if it is undone already, `Conflict` if somebody else has acted on the same since.
    """
    by.require("step.change", act.order)
    provenance = Provenance.of_person(by, act.order.facility)
    before = _Before()

    def take_back(orders: OrderBook, aggregate: OrderAggregate) -> None:
        before.take(aggregate)
        event = next((event for event in aggregate.events if event.id == act.pk), None)
        if event is None or event.undone_by:
            raise Unknown("the act is undone already", "act")
        if later := act_history.since(event, aggregate.events):
            raise Conflict(f"{act_history.in_words(later)} since; that comes first", "act")
        event.undone_by = provenance.source
        before.told_of_patient = event.kind in _OF_PATIENTS
        for end in aggregate.events:
            if end.undone_by == image_acts.taken_back_by(event.public_id):
                end.undone_by = ""
        orders.derive(aggregate, provenance)
        undone = worklist_events.UNDONE[StatusEvent.Kind(event.kind)]
        steps = [("step", row.public_id) for row in aggregate.steps if row.id == event.step_id]
        orders.note(undone, [*steps, ("order", aggregate.order.public_id)], provenance)

    order_application.on_order(act.order_id, take_back)
    words = worklist_events.UNDONE[StatusEvent.Kind(act.kind)].words
    audit.note(by, audit.ORDER_RECORD, audit.UPDATE, ("order", act.order.public_id), act=words)
    _tell(act, before, is_undone=True)
    return Order.objects.select_related("facility").get(pk=act.order_id)


def can_reopen(ends: Iterable[StatusEvent]) -> bool:
    """Whether a person may take back the ends of a step: another system takes back its own itself."""
    found = list(ends)
    return bool(found) and all(end.source.startswith(_OURS) for end in found)


def _check(aggregate: OrderAggregate, row: StepRecord, kind: StatusEvent.Kind) -> None:
    allowed = step_status.MAY[kind]
    confirms = kind == StatusEvent.Kind.COMPLETE and image_acts.completed_alone(aggregate, row.id)
    if row.status not in allowed and not confirms:
        raise Conflict(f"the exam is {row.status}; {_when(kind, allowed)}", "status")


def _when(kind: StatusEvent.Kind, allowed: Collection[StepStatus]) -> str:
    """When an act is possible, in words."""
    *others, last = [status.value for status in StepStatus if status in allowed]
    states = f"{', '.join(others)} or {last}" if others else last
    return f"{_POSSIBLE[kind]} when {'the exam' if kind in _OF_PATIENTS else 'it'} is {states}"


def _standing_ends(aggregate: OrderAggregate, row: StepRecord) -> list[StatusEventRecord]:
    """What has ended a step, its order's ends among them."""
    found = [
        event
        for event in aggregate.events
        if event.kind in step_status.ENDS and not event.undone_by and event.step_id in (None, row.id)
    ]
    for end in found:
        if not end.source.startswith(_OURS):
            text = f"{act_history.in_words(end)}; what another system has ended it has to take back itself"
            raise Conflict(text, "status")
    return found


class _Before:
    """What an order was before an act, from inside the lock that the act is done under."""

    status = ""
    told_of_patient = False

    def take(self, aggregate: OrderAggregate) -> None:
        self.status = aggregate.order.status


def _tell(act: StatusEvent, before: _Before, *, is_undone: bool = False) -> None:
    """Tell those above of an act, or of its undo."""
    order = Order.objects.select_related("facility").get(pk=act.order_id)
    is_of_patient = act.kind in _OF_PATIENTS or before.told_of_patient
    is_news = order.status != before.status or is_of_patient
    order_acted.send(sender=None, order=order, act=act, is_undone=is_undone, is_news=is_news)


def _act(
    provenance: Provenance, order: Order, kind: StatusEvent.Kind, step: ScheduledProcedureStep | None
) -> StatusEvent:
    rows = StatusEvent.objects.select_related("step")
    return rows.get(order=order, step=step, kind=kind, stamp=provenance.stamp.key())
