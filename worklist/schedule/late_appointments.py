"""What is told of an appointment that comes for an exam that has begun or ended: it changes nothing."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ledger.events import Entry
from worklist import worklist_events
from worklist.models import Appointment, AppointmentStatus
from worklist.orders.order_aggregate import OrderAggregate, StepRecord
from worklist.orders.step_status import Begun
from worklist.provenance import Provenance
from worklist.schedule.bookings import Seen


class Cause(NamedTuple):
    """The message for which orders are brought in line, and its appointment."""

    provenance: Provenance
    appointment: Appointment | None = None


def told(
    cause: Cause, aggregate: OrderAggregate, step: StepRecord, begun: Begun, about: Sequence[Seen]
) -> Iterator[Entry]:
    """That what is said now of one of the appointments of a step came too late for it."""
    ours = next((one.appointment for one in about if _is_of(one, cause)), None)
    if ours is None:
        return
    is_missed = begun.took_place and ours.status == AppointmentStatus.NO_SHOW
    if is_missed or cause.provenance.stamp.key() > begun.stamp:
        kind = worklist_events.EXAM_HAS_BEGUN if begun.took_place else worklist_events.EXAM_HAS_ENDED
        things = [("step", step.public_id), ("order", aggregate.order.public_id)]
        yield cause.provenance.entry(kind, [*things, ("appointment", ours.public_id)])


def _is_of(one: Seen, cause: Cause) -> bool:
    return cause.appointment is not None and one.appointment.pk == cause.appointment.pk
