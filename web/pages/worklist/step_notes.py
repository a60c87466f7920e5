"""What is said of a step's time beside the time: why there is none, what contradicts it, what it was."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from interfaces.hl7.models import InboundMessage
from ledger import stamps, written_dates
from worklist import worklist_events
from worklist.models import AppointmentStatus, ScheduledProcedureStep, StepStatus
from worklist.schedule import bookings

_MESSAGE = "hl7:"
_ENDED: Mapping[str, str] = {
    AppointmentStatus.CANCELLED: "cancelled",
    AppointmentStatus.DELETED: "deleted",
    AppointmentStatus.NO_SHOW: "missed",
}


@dataclass(frozen=True)
class Note:
    """A sentence; one that contradicts what the row says is an alert."""

    text: str
    is_alert: bool = False


def of(steps: Iterable[ScheduledProcedureStep]) -> dict[int, Note]:
    """The notes of some steps, by their keys, by one query for all."""
    booked = [step for step in steps if step.booking]
    who = _senders(booked)
    found = {step.pk: _note(step, who) for step in booked}
    return {key: note for key, note in found.items() if note}


def _senders(steps: Iterable[ScheduledProcedureStep]) -> dict[str, str]:
    """The applications that sent the messages by which appointments were given up."""
    named = {step.booking.get("source", "") for step in steps}
    ids = {one.removeprefix(_MESSAGE) for one in named if one.startswith(_MESSAGE)}
    rows = InboundMessage.objects.filter(public_id__in=ids).values_list("public_id", "source") if ids else ()
    return {f"{_MESSAGE}{key}": source.split("|")[0] for key, source in rows}


def _note(step: ScheduledProcedureStep, who: Mapping[str, str]) -> Note | None:
    booking = step.booking
    if "but" in booking and step.status == StepStatus.ARRIVED:
        return _after_arrival(booking["but"])
    said = step.stamps.get("start", [""])[0]
    is_open = step.status in (StepStatus.SCHEDULED, StepStatus.HELD, StepStatus.ARRIVED)
    if "start" in booking and is_open and not bookings.decides(booking, said):
        at = _minute(stamps.moment_of(said))
        return Note(f"The order message of {at} is newer than the appointment of {_clock(booking['start'])}")
    if step.awaits_time:
        return Note(_given_up(booking, who))
    if booking.get("ended") == AppointmentStatus.NO_SHOW and step.status == StepStatus.NO_SHOW:
        when = f" of {_clock(booking['start'])}" if "start" in booking else ""
        return Note(f"Did not come to the appointment{when}")
    return None


def _after_arrival(but: Mapping[str, str]) -> Note:
    to = f" to {_clock(but['start'])}" if "start" in but else ""
    return Note(f"{worklist_events.OF_ARRIVED[but['what']]}{to} after the patient arrived", is_alert=True)


def _given_up(booking: Mapping[str, str], who: Mapping[str, str]) -> str:
    if booking["ended"] not in _ENDED:
        return "Its appointment is for another order now"
    was = f" of {_clock(booking['was'])}" if "was" in booking else ""
    by = f" by {name}" if (name := who.get(booking.get("source", ""))) else ""
    why = f": {booking['reason']}" if booking.get("reason") else ""
    return f"Appointment{was} {_ENDED[booking['ended']]}{by}{why}"


def _clock(text: str) -> str:
    return _minute(datetime.fromisoformat(text))


def _minute(moment: datetime) -> str:
    return written_dates.minute(timezone.localtime(moment))
