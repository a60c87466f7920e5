"""What is told of an appointment that comes for an exam that has begun or ended: it changes nothing."""

from collections.abc import Iterator
from typing import NamedTuple

from ledger.events import Entry
from worklist import worklist_events
from worklist.models import Appointment, AppointmentStatus
from worklist.orders import step_status
from worklist.orders.order_aggregate import OrderAggregate
from worklist.provenance import Provenance
from worklist.schedule import booking_events
from worklist.schedule.bookings import Seen
from worklist.schedule.step_bookings import Outcome, StepCase


class Cause(NamedTuple):
    """The message for which orders are brought in line, and its appointment."""

    provenance: Provenance
    appointment: Appointment | None = None


def told(cause: Cause, aggregate: OrderAggregate, case: StepCase, outcome: Outcome) -> Iterator[Entry]:
    """That what is said now of one of the appointments of a step came too late for it."""
    ours = next((one.appointment for one in case.about() if _is_of(one, cause)), None)
    begun, step = step_status.begun(case.acts), case.step
    if ours is None:
        return
    if begun is None:
        yield from _after_arrival(cause, ours, aggregate, case, outcome)
        return
    is_missed = begun.took_place and ours.status == AppointmentStatus.NO_SHOW
    if is_missed or cause.provenance.stamp.key() > begun.stamp:
        kind = worklist_events.EXAM_HAS_BEGUN if begun.took_place else worklist_events.EXAM_HAS_ENDED
        things = [("step", step.public_id), ("order", aggregate.order.public_id)]
        yield cause.provenance.entry(kind, [*things, ("appointment", ours.public_id)])


def _after_arrival(
    cause: Cause, ours: Appointment, aggregate: OrderAggregate, case: StepCase, outcome: Outcome
) -> Iterator[Entry]:
    """That it contradicts that the patient is here."""
    but = outcome.booking.get("but")
    if not but or cause.provenance.stamp.key() <= outcome.here_since:
        return
    start = {"start": booking_events.in_words(but["start"], case.zone)} if "start" in but else {}
    things = [("step", case.step.public_id), ("order", aggregate.order.public_id)]
    things.append(("appointment", ours.public_id))
    yield cause.provenance.entry(worklist_events.AFTER_ARRIVAL, things, what=but["what"], **start)


def _is_of(one: Seen, cause: Cause) -> bool:
    return cause.appointment is not None and one.appointment.pk == cause.appointment.pk
