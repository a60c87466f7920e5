"""The rows of the technologist worklist: who, what, where, how long, and what can be done."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from archive.models import HAS_SIGNATURE, Study
from web.kernel import shortcuts
from web.kernel.health import duration
from web.pages import patients
from web.pages.worklist import step_notes
from web.pages.worklist.step_notes import Note
from worklist.models import Order, ScheduledProcedureStep, Station, StatusEvent, StepStatus
from worklist.orders import step_status
from worklist.patients import care_notes
from worklist.patients.care_notes import CareNotes
from worklist.schedule import day_schedule, end_reasons, step_actions

LONGEST_WAIT: Final = timedelta(minutes=30)
"""How long a patient should wait at most, before the exam and after the time of the appointment."""


@dataclass(frozen=True)
class Action:
    """An act of a person on a step: its key, its name, what it says, and what it asks before."""

    kind: str
    key: str
    name: str
    done: str
    says: str
    asks: str = ""
    keeps: str = ""
    """What the button says that leaves all as it is, where "Cancel" would be the act itself."""
    instead: str = ""
    """What is done where the act is not possible and the exam can be cancelled."""

    @property
    def needs_reason(self) -> bool:
        """Whether it asks why."""
        return end_reasons.needed(self.kind)

    @property
    def mark(self) -> str:
        """Its key on a small button."""
        return self.key.upper() if len(self.key) == 1 else "✕"


ACTIONS: Final[Mapping[str, Action]] = {
    action.kind: action
    for action in (
        Action("arrive", shortcuts.key("arrive"), "Arrive", "arrived", "The patient has arrived"),
        Action("start", shortcuts.key("start"), "Start", "started", "The exam begins"),
        Action("complete", shortcuts.key("complete"), "Complete", "completed", "The exam is done"),
        Action(
            "no-show",
            shortcuts.key("no_show"),
            "No-show",
            "marked as a no-show",
            "The patient did not come",
            "The exam leaves the modalities' worklist. The HIS is told why.",
            instead="Cancel the exam instead.",
        ),
        Action(
            "cancel",
            shortcuts.key("discard"),
            "Cancel exam",
            "cancelled",
            "The exam is not done",
            "The exam leaves the modalities' worklist, discontinued if it has begun. The HIS is told why.",
            keeps="Keep the exam",
        ),
        Action("reopen", shortcuts.key("reopen"), "Reopen", "reopened", "Take back that the exam has ended"),
    )
}
_STATES: Final[Mapping[StepStatus, str]] = {
    StepStatus.ARRIVED: "the patient has arrived",
    StepStatus.STARTED: "the exam has begun",
    StepStatus.NO_SHOW: "the patient did not come",
}
IMAGES: Final = "There are images of this exam."
SIGNED: Final = "A report of this exam is signed."
REOPEN_ALL_THE_SAME: Final = "Reopen it all the same?"
NEVER_STARTED: Final = "The exam was never started. Complete it all the same?"


@dataclass(frozen=True)
class Row:
    """A step as the list shows it."""

    step: ScheduledProcedureStep
    order: Order
    patient: patients.Header
    place: str
    procedure: str
    alerts: Sequence[str]
    note: Note | None
    wait: str
    wait_minutes: int
    wait_colour: str
    is_past: bool
    actions: Sequence[Action]
    state: str
    """Why other acts are not possible."""

    @property
    def url(self) -> str:
        """Where the row leads."""
        return reverse("order", args=[self.order.public_id])


def whole(rows: QuerySet[ScheduledProcedureStep]) -> QuerySet[ScheduledProcedureStep]:
    """The rows with all that they show."""
    patient = "procedure__order__patient"
    rows = rows.select_related(f"{patient}__authority", f"{patient}__survivor__authority")
    return rows.prefetch_related(*care_notes.OF_STEPS)


def shown(
    steps: Sequence[ScheduledProcedureStep], *, can_change: bool, leaving: Collection[int] = ()
) -> list[Row]:
    """Steps as rows, by three queries for all; those `leaving` show until one has seen that they are done."""
    stations = stations_by_title()
    arrivals = _arrivals(steps)
    ends = ends_of(steps)
    notes = step_notes.of(steps)
    images = _images(steps) if can_change else {}
    rows = [
        _row(step, stations, arrivals.get(step.pk), ends.get(step.pk, ()), can_change, step.pk in leaving)
        for step in steps
    ]
    return [
        replace(
            row,
            actions=_asking(row.actions, images.get(row.step.procedure_id, "")),
            note=notes.get(row.step.pk),
        )
        for row in rows
    ]


def _images(steps: Sequence[ScheduledProcedureStep]) -> dict[int, str]:
    """What there is of the exams of some steps already, in words, by the keys of their procedures."""
    wanted = {step.procedure_id for step in steps}
    through = Study.procedures.through.objects.filter(requestedprocedure__in=wanted, study__hidden="")
    found: dict[int, str] = {}
    for procedure, status in through.values_list("requestedprocedure", "study__reading_status"):
        is_signed = status in HAS_SIGNATURE
        found[procedure] = SIGNED if is_signed else found.get(procedure, IMAGES)
    return found


def _asking(found: Sequence[Action], there: str) -> Sequence[Action]:
    """Acts that undo an exam of which there is something ask, and say of what."""
    if not there:
        return found
    asked = {StatusEvent.Kind.CANCEL, StatusEvent.Kind.NO_SHOW}
    asked |= {StatusEvent.Kind.REOPEN} if there == SIGNED else set()
    return [
        replace(one, asks=f"{there} {one.asks or REOPEN_ALL_THE_SAME}") if one.kind in asked else one
        for one in found
    ]


def lanes(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """The rows by room, each in the order that they have."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.place or "No room yet", []).append(row)
    return sorted(found.items())


def _row(
    step: ScheduledProcedureStep,
    stations: Mapping[str, Station],
    arrived: datetime | None,
    ends: Sequence[StatusEvent],
    can_change: bool,
    is_leaving: bool,
) -> Row:
    order = step.procedure.order
    now = timezone.now()
    wait, minutes, colour = _wait(step, arrived, now)
    return Row(
        step=step,
        order=order,
        patient=patients.short(order.patient),
        place=place(step, stations),
        procedure=step.description or step.procedure.description or step.procedure.code,
        alerts=alerts(order),
        note=None,
        wait=wait,
        wait_minutes=minutes,
        wait_colour=colour,
        is_past=step.status in step_status.ENDED or is_leaving,
        actions=actions(step, ends) if can_change else (),
        state=state(step, ends) if can_change else "",
    )


def actions(step: ScheduledProcedureStep, ends: Sequence[StatusEvent]) -> list[Action]:
    """What may be done to a step that has these ends, the likeliest first."""
    now = StepStatus(step.status)
    found = [action for action in ACTIONS.values() if now in step_status.MAY[StatusEvent.Kind(action.kind)]]
    if not step_actions.can_reopen(ends):
        found = [action for action in found if action.kind != StatusEvent.Kind.REOPEN]
    if never_started(step):
        asking = ACTIONS[StatusEvent.Kind.COMPLETE]
        found = [replace(one, asks=NEVER_STARTED) if one is asking else one for one in found]
    return found


def state(step: ScheduledProcedureStep, ends: Sequence[StatusEvent]) -> str:
    """Where a step that has these ends stands, in words."""
    now = StepStatus(step.status)
    text = _STATES.get(now, f"the exam is {now.value}")
    by_others = now in step_status.ENDED and not step_actions.can_reopen(ends)
    return f"{text}, which can't be taken back here" if by_others else text


def never_started(step: ScheduledProcedureStep) -> bool:
    """Whether to complete a step would be to complete what was never started."""
    return StepStatus(step.status) in step_status.NEVER_STARTED


def ends_of(steps: Iterable[ScheduledProcedureStep]) -> dict[int, list[StatusEvent]]:
    """What has ended those of some steps that have ended, be it that their orders ended, by their keys."""
    ended = {step.pk: step.procedure.order_id for step in steps if step.status in step_status.ENDED}
    if not ended:
        return {}
    rows = StatusEvent.objects.filter(order__in=set(ended.values()), kind__in=step_status.ENDS, undone_by="")
    of_orders: dict[int, list[StatusEvent]] = {}
    for event in rows:
        of_orders.setdefault(event.order_id, []).append(event)
    return {
        key: [one for one in of_orders.get(order, ()) if one.step_id in (None, key)]
        for key, order in ended.items()
    }


def stations_by_title() -> dict[str, Station]:
    """The stations by AE title."""
    return {station.ae_title: station for station in Station.objects.all()}


def place(step: ScheduledProcedureStep, stations: Mapping[str, Station]) -> str:
    """Where a step takes place: the station's name and the room that was said, else its own.

    While no station is chosen, the room that was said, or else the station group.
    """
    station = stations.get(step.station_ae_title)
    if station is None:
        return step.station_ae_title or step.location or step.station_group
    is_own = not step.location or station.location.startswith(step.location)
    room = station.location if is_own else step.location
    return " · ".join(part for part in (station.name or station.ae_title, room) if part)


def alerts(order: Order) -> list[str]:
    """The alerts of a row: allergies first, since contrast is given in this room."""
    care = care_notes.of(order.patient) if order.patient else CareNotes()
    allergies = [f"allergy: {care.allergies}"] if care.allergies else []
    return allergies + patients.alerts(care, order)


def _wait(step: ScheduledProcedureStep, arrived: datetime | None, now: datetime) -> tuple[str, int, str]:
    """How long the patient has waited, or how late the appointment is; the minutes, and the bar's colour."""
    if step.status == StepStatus.ARRIVED and arrived:
        since, text = now - arrived, "waits {}"
    elif step.awaits_time:
        return "", 0, ""
    elif step.status in day_schedule.OPEN - {StepStatus.STARTED} and step.due < now:
        since, text = now - step.due, "{} late"
    else:
        return "", 0, ""
    colour = "red" if since > 2 * LONGEST_WAIT else "amber" if since > LONGEST_WAIT else ""
    return text.format(duration(since)), int(since.total_seconds() // 60), colour


def _arrivals(steps: Sequence[ScheduledProcedureStep]) -> dict[int, datetime]:
    keys = [step.pk for step in steps if step.status == StepStatus.ARRIVED]
    rows: Any = StatusEvent.objects.filter(
        step__in=keys, kind=StatusEvent.Kind.ARRIVE, undone_by=""
    ).order_by("occurred_at")
    return dict(rows.values_list("step", "occurred_at"))
