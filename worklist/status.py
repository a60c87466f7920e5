"""Status from what was done: ends absorb, unless undone; a start is never taken back by a later re-send.

Status is a pure function of the set of acts, so any order of arrival ends the same.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from worklist.models import Act, OrderStatus, StepStatus

_ENDS: Final[Mapping[str, StepStatus]] = {
    Act.Kind.COMPLETE: StepStatus.COMPLETED,
    Act.Kind.CANCEL: StepStatus.CANCELLED,
    Act.Kind.DISCONTINUE: StepStatus.DISCONTINUED,
    Act.Kind.NO_SHOW: StepStatus.NO_SHOW,
}
ENDED: Final = frozenset(_ENDS.values())

MAY: Final[Mapping[str, frozenset[StepStatus]]] = {
    Act.Kind.ARRIVE: frozenset({StepStatus.SCHEDULED, StepStatus.HELD}),
    Act.Kind.HOLD: frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED}),
    Act.Kind.RELEASE: frozenset({StepStatus.HELD}),
    Act.Kind.START: frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.HELD}),
    Act.Kind.COMPLETE: frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.STARTED}),
    Act.Kind.CANCEL: frozenset({StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.HELD}),
    Act.Kind.DISCONTINUE: frozenset({StepStatus.STARTED}),
    Act.Kind.NO_SHOW: frozenset({StepStatus.SCHEDULED, StepStatus.HELD}),
}
"""The table of transitions: from which states a person may do an act."""


def of_step(acts: Iterable[Act]) -> StepStatus:
    """The status that a step's acts, and those of its order, come to.

    A cancel after the start discontinues: an exam that began is never deleted.
    """
    valid = sorted((act for act in acts if not act.undone_by), key=lambda act: act.stamp)
    end = next((act for act in valid if act.kind in _ENDS), None)
    start = next((act for act in valid if act.kind == Act.Kind.START), None)
    if end is not None:
        if end.kind == Act.Kind.CANCEL and start is not None and start.stamp < end.stamp:
            return StepStatus.DISCONTINUED
        return _ENDS[end.kind]
    if start is not None:
        return StepStatus.STARTED
    newest = {act.kind: act.stamp for act in valid}
    if newest.get(Act.Kind.HOLD, "") > newest.get(Act.Kind.RELEASE, ""):
        return StepStatus.HELD
    return StepStatus.ARRIVED if Act.Kind.ARRIVE in newest else StepStatus.SCHEDULED


def of_order(acts: Iterable[Act], steps: Iterable[StepStatus]) -> OrderStatus:
    """The status of an order: its own end, else what its steps come to."""
    own = of_step(acts)
    states = set(steps)
    if own in ENDED:
        return OrderStatus(own)
    open_states = states - ENDED | states & {StepStatus.NO_SHOW}
    if states and not open_states:
        for end in (StepStatus.COMPLETED, StepStatus.DISCONTINUED):
            if end in states:
                return OrderStatus(end)
        return OrderStatus.CANCELLED
    if StepStatus.STARTED in states or own == StepStatus.STARTED or states & ENDED - {StepStatus.CANCELLED}:
        return OrderStatus.STARTED
    return OrderStatus.HELD if own == StepStatus.HELD else OrderStatus.SCHEDULED
