"""Status from what was done: ends absorb, unless undone; a start is never taken back by a later re-send.

Status is a pure function of the set of acts, so any order of arrival ends the same.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from worklist.models import OrderStatus, StatusEvent, StepStatus

ENDS: Final[Mapping[str, StepStatus]] = {
    StatusEvent.Kind.COMPLETE: StepStatus.COMPLETED,
    StatusEvent.Kind.CANCEL: StepStatus.CANCELLED,
    StatusEvent.Kind.DISCONTINUE: StepStatus.DISCONTINUED,
    StatusEvent.Kind.NO_SHOW: StepStatus.NO_SHOW,
}
ENDED: Final = frozenset(ENDS.values())

MAY: Final[Mapping[str, frozenset[StepStatus]]] = {
    StatusEvent.Kind.ARRIVE: frozenset({StepStatus.SCHEDULED, StepStatus.HELD}),
    StatusEvent.Kind.HOLD: frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED}),
    StatusEvent.Kind.RELEASE: frozenset({StepStatus.HELD}),
    StatusEvent.Kind.START: frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.HELD}),
    StatusEvent.Kind.COMPLETE: frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.STARTED}),
    StatusEvent.Kind.CANCEL: frozenset(StepStatus) - ENDED,
    StatusEvent.Kind.DISCONTINUE: frozenset({StepStatus.STARTED}),
    StatusEvent.Kind.NO_SHOW: frozenset({StepStatus.SCHEDULED, StepStatus.HELD}),
    StatusEvent.Kind.REOPEN: ENDED,
}
"""The table of transitions: from which states a person may do an act. To cancel what has begun discontinues
it."""

NEVER_STARTED: Final = MAY[StatusEvent.Kind.COMPLETE] - {StepStatus.STARTED}
"""What is completed from here was never started: a person is asked whether that is meant."""


BY_APPOINTMENT: Final = "appointment:"
"""How the source of an act begins that follows from an appointment."""
BY_ARRIVAL: Final = "arrival:"
"""How that of one begins that an ADT message told of."""
_TAKES_PLACE: Final = frozenset(
    {StatusEvent.Kind.START, StatusEvent.Kind.COMPLETE, StatusEvent.Kind.DISCONTINUE}
)


class Done(Protocol):
    """What is asked of a status event: what was done, when, by whom, and whether that was undone."""

    kind: str
    stamp: str
    occurred_at: datetime
    source: str
    undone_by: str


def of_step(acts: Iterable[Done]) -> StepStatus:
    """The status that a step's acts, and those of its order, come to.

    A cancel after the start discontinues: an exam that began is never deleted. Nor does an appointment say of
    one that nobody came.
    """
    valid = sorted((act for act in acts if not act.undone_by), key=lambda act: act.stamp)
    if any(act.kind in _TAKES_PLACE for act in valid):
        valid = [act for act in valid if not _is_missed_appointment(act)]
    end = next((act for act in valid if act.kind in ENDS), None)
    start = next((act for act in valid if act.kind == StatusEvent.Kind.START), None)
    if end is not None:
        if end.kind == StatusEvent.Kind.CANCEL and start is not None and start.stamp < end.stamp:
            return StepStatus.DISCONTINUED
        return ENDS[end.kind]
    if start is not None:
        return StepStatus.STARTED
    newest = {act.kind: act.stamp for act in valid}
    if newest.get(StatusEvent.Kind.HOLD, "") > newest.get(StatusEvent.Kind.RELEASE, ""):
        return StepStatus.HELD
    return StepStatus.ARRIVED if StatusEvent.Kind.ARRIVE in newest else StepStatus.SCHEDULED


def _is_missed_appointment(act: Done) -> bool:
    return act.kind == StatusEvent.Kind.NO_SHOW and act.source.startswith(BY_APPOINTMENT)


class Begun(NamedTuple):
    """Since when a step has begun or ended, and whether the exam took place."""

    stamp: str
    took_place: bool


def begun(acts: Iterable[Done]) -> Begun | None:
    """Since when appointments say nothing of a step any more; None while they do."""
    valid = [act for act in acts if not act.undone_by]
    stamps = [act.stamp for act in valid if act.kind in _TAKES_PLACE or act.kind == StatusEvent.Kind.CANCEL]
    if not stamps:
        return None
    return Begun(min(stamps), any(act.kind in _TAKES_PLACE for act in valid))


def came(acts: Iterable[Done]) -> datetime | None:
    """When the patient of a step was first here; None where nobody says so."""
    valid = (act for act in acts if not act.undone_by)
    here = (
        act.occurred_at for act in valid if act.kind in _TAKES_PLACE or act.kind == StatusEvent.Kind.ARRIVE
    )
    return min(here, default=None)


def is_only_missed(acts: Iterable[Done]) -> bool:
    """Whether a step has ended by nothing but an appointment to which nobody came."""
    ends = [act for act in acts if act.kind in ENDS and not act.undone_by]
    return bool(ends) and all(_is_missed_appointment(act) for act in ends)


def _end_after_completion(acts: Iterable[Done], states: set[StepStatus]) -> StepStatus | None:
    """The end that an order came to by its own acts after its exam was completed, by whatever."""
    ends = sorted((act for act in acts if act.kind in ENDS and not act.undone_by), key=lambda act: act.stamp)
    later = [act for act in ends if act.kind in (StatusEvent.Kind.CANCEL, StatusEvent.Kind.DISCONTINUE)]
    is_completed = states == {StepStatus.COMPLETED} or (ends and ends[0].kind == StatusEvent.Kind.COMPLETE)
    return ENDS[later[0].kind] if later and is_completed else None


_NOT_BEGUN: Final = frozenset({StepStatus.CANCELLED, StepStatus.NO_SHOW})


def of_order(acts: Iterable[Done], steps: Iterable[StepStatus]) -> OrderStatus:
    """The status of an order: its own end, else what its steps come to; a no-show leaves it open.

    An order whose exam was completed may still be cancelled or discontinued; the exam stays completed.
    """
    acts, states = list(acts), set(steps)
    own = _end_after_completion(acts, states) or of_step(acts)
    if own in ENDED - {StepStatus.NO_SHOW}:
        return OrderStatus(own)
    open_states = states - ENDED | states & {StepStatus.NO_SHOW}
    if states and not open_states:
        for end in (StepStatus.COMPLETED, StepStatus.DISCONTINUED):
            if end in states:
                return OrderStatus(end)
        return OrderStatus.CANCELLED
    if StepStatus.STARTED in states or own == StepStatus.STARTED or states & ENDED - _NOT_BEGUN:
        return OrderStatus.STARTED
    return OrderStatus.HELD if own == StepStatus.HELD else OrderStatus.SCHEDULED
