"""What happens to patients, orders and steps, in words."""

from collections.abc import Mapping
from typing import Final

from ledger.event_types import EventType, declare, labels
from worklist.models import AppointmentStatus, OrderStatus, StatusEvent, StepStatus

_FIELDS: Final = {
    "character_set": "",  # no page shows it
    "birth_date": "birth date",
    "weight_kg": "weight",
    "height_m": "height",
    "other_identifiers": "other identifiers",
    "deleted_at_sender": "deleted at its sender",
}

PATIENT_UPDATED: Final = declare(
    "patient.updated",
    "Patient data received or changed[: {fields}]",
    short="patient",
    labels={"fields": _FIELDS},
)
PATIENT_MERGED: Final = declare(
    "patient.merged", "{retired} was merged into {survivor}[: {reason}]", short="merge"
)
PATIENT_LINKED: Final = declare(
    "patient.linked", "{retired} was linked to {survivor}[: {reason}]", short="link"
)
PATIENT_UNLINKED: Final = declare(
    "patient.unlinked", "{retired} and {survivor} were parted[: {reason}]", short="unlinked"
)
UNLINK_UNDONE: Final = declare("patient.unlink_undone", "Parting undone[: {reason}]", short="parting undone")
PATIENT_UNMERGED: Final = declare("patient.unmerged", "Merge undone[: {reason}]", short="merge undone")
IDENTITY_EXCEPTION_OPENED: Final = declare(
    "identity.exception_opened", "Listed under Exceptions: {text}", short="exception", tone="bad"
)
IDENTITY_EXCEPTION_ENDED: Final = declare(
    "identity.exception_ended", "Exception ended: {reason}", short="exception ended"
)
IDENTITY_EXCEPTION_HANDED: Final = declare(
    "identity.exception_handed_over", "Exception handed over[ to {person}]", short="exception handed over"
)
IDENTITY_EXCEPTION_REOPENED: Final = declare(
    "identity.exception_reopened", "Exception opened again: {reason}", short="exception opened again"
)

VISIT_REGISTERED: Final = declare("visit.registered", "Visit {number} registered", short="visit")
VISIT_CHANGED: Final = declare(
    "visit.changed",
    "Visit {number} changed[: {fields}]",
    short="visit",
    labels={
        "fields": {
            "patient_class": "class",
            "into_id": "number",
            "moved_to_id": "",
            "patient_id": "patient",
            "attending_provider": "",
            "referring_provider": "",
        }
    },
)

ORDER_MOVED: Final = declare(
    "order.moved", "Moved to another patient with its visit[: {reason}]", short="moved"
)
ORDER_STATED: Final = declare("order.stated", "Order received or changed", short="order")
_ON_ORDERS: Final[Mapping[StatusEvent.Kind, str]] = {
    StatusEvent.Kind.ARRIVE: "Patient arrival reported",
    StatusEvent.Kind.HOLD: "Order put on hold",
    StatusEvent.Kind.RELEASE: "Order released from hold",
    StatusEvent.Kind.START: "Order started",
    StatusEvent.Kind.COMPLETE: "Order completed",
    StatusEvent.Kind.CANCEL: "Order cancelled",
    StatusEvent.Kind.DISCONTINUE: "Order discontinued",
    StatusEvent.Kind.NO_SHOW: "No-show reported",
    StatusEvent.Kind.REOPEN: "Order reopened",
}
_ON_STEPS: Final[Mapping[StatusEvent.Kind, str]] = {
    StatusEvent.Kind.ARRIVE: "Patient arrival recorded",
    StatusEvent.Kind.HOLD: "Exam put on hold",
    StatusEvent.Kind.RELEASE: "Hold released",
    StatusEvent.Kind.START: "Exam started",
    StatusEvent.Kind.COMPLETE: "Exam completed",
    StatusEvent.Kind.CANCEL: "Exam cancelled",
    StatusEvent.Kind.DISCONTINUE: "Exam discontinued",
    StatusEvent.Kind.NO_SHOW: "No-show recorded",
    StatusEvent.Kind.REOPEN: "Exam reopened",
}
_UNDOING: Final[Mapping[StatusEvent.Kind, str]] = {
    StatusEvent.Kind.ARRIVE: "Arrival undone",
    StatusEvent.Kind.HOLD: "Hold undone",
    StatusEvent.Kind.RELEASE: "Release from hold undone",
    StatusEvent.Kind.START: "Start of the exam undone",
    StatusEvent.Kind.COMPLETE: "Completion undone",
    StatusEvent.Kind.CANCEL: "Cancellation undone",
    StatusEvent.Kind.DISCONTINUE: "Discontinuation undone",
    StatusEvent.Kind.NO_SHOW: "No-show undone",
    StatusEvent.Kind.REOPEN: "Reopening undone",
}
ORDER_CHANGED: Final[Mapping[StatusEvent.Kind, EventType]] = {
    kind: declare(
        f"order.{kind}",
        f"{words}[ (the order is {{now}})]",
        short=words[:1].lower() + words[1:],
        labels={"now": labels(OrderStatus)},
    )
    for kind, words in _ON_ORDERS.items()
}
STEP_CHANGED: Final[Mapping[StatusEvent.Kind, EventType]] = {
    kind: declare(f"step.{kind}", words) for kind, words in _ON_STEPS.items()
}
UNDONE: Final[Mapping[StatusEvent.Kind, EventType]] = {
    kind: declare(f"order.undo.{kind}", words) for kind, words in _UNDOING.items()
}
STEP_STATUS: Final = declare(
    "step.status",
    "Step status changed from {before} to {after}",
    short="step status",
    labels={"before": labels(StepStatus), "after": labels(StepStatus)},
)

STEP_BOOKED: Final = declare("step.booked", "Appointment on {start}", short="appointment")
STEP_UNBOOKED: Final = declare(
    "step.unbooked", "Appointment cancelled: to be scheduled again", short="appointment cancelled"
)
STEP_MISSED: Final = declare(
    "step.missed", "The patient did not come to the appointment[ of {start}]", short="no-show reported"
)
STEP_ORDER_COUNTS: Final = declare(
    "step.order_counts",
    "Appointment on {start} does not count: the order message of {at} is newer",
    short="the order's own time counts",
)
OF_ARRIVED: Final = {
    "moved": "The HIS moved the appointment",
    "cancelled": "The HIS cancelled the appointment",
    "deleted": "The HIS deleted the appointment",
    "no-show": "The HIS reports a no-show",
    "other-order": "The HIS took the appointment for another order",
}
"""What contradicts that a patient has arrived."""
AFTER_ARRIVAL: Final = declare(
    "appointment.after_arrival",
    "{what}[ to {start}] after the patient arrived: nothing changed",
    short="after the patient arrived",
    labels={"what": OF_ARRIVED},
)
EXAM_HAS_BEGUN: Final = declare(
    "appointment.exam_has_begun",
    "The appointment changed nothing: the exam has begun",
    short="nothing: the exam has begun",
)
EXAM_HAS_ENDED: Final = declare(
    "appointment.exam_has_ended",
    "The appointment changed nothing: the exam was cancelled",
    short="nothing: the exam was cancelled",
)
APPOINTMENT_CHANGED: Final = declare(
    "appointment.changed",
    "Appointment {number} received or changed: {status}[, {start}]",
    short="appointment",
    labels={"status": labels(AppointmentStatus)},
)
PATIENT_ARRIVED: Final = declare("patient.arrived", "Patient arrived at {location}", short="arrival reported")
APPOINTMENT_WAITS: Final = declare(
    "appointment.waits", "An appointment waits for its order", short="appointment waits"
)
APPOINTMENT_OF_ANOTHER: Final = declare(
    "appointment.of_another_patient",
    "Not applied: an appointment of another patient names this order",
    short="appointment of another patient",
    tone="bad",
)

MASTER_FILE_CHANGED: Final = declare(
    "master_file.changed", "Master file ({file}) changed: {codes}", short="master file"
)

SPEAKS_OF_ORDERS: Final = frozenset(
    event.kind for event in (ORDER_STATED, *ORDER_CHANGED.values(), *UNDONE.values())
)
"""The kinds by which an order is spoken of, by its sender or by a person."""
