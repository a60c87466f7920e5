"""What a figure of turnaround counts, one by one: who took how long, who still waits, who left."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from accounts.models import User
from ledger.errors import Invalid
from reporting.turnaround import breakdown, interval_figures, period_figures
from reporting.turnaround.cohort import Observations
from reporting.turnaround.intervals import INTERVALS
from reporting.turnaround.period_figures import GROUPS, Measured, Question
from reporting.turnaround.stage_time import Floats, Truths
from reporting.turnaround.turnaround_rows import Rows, moment_of

STATES: Final[Mapping[str, Callable[[Observations, Floats | None], Truths]]] = {
    "done": lambda seen, target: seen.done,
    "waiting": lambda seen, target: ~seen.done & ~seen.left,
    "withdrawn": lambda seen, target: seen.left,
    "judged": lambda seen, target: interval_figures.judged(seen.time, seen.done, seen.left, target),
    "late": lambda seen, target: interval_figures.late(seen.time, seen.left, target),
}


@dataclass(frozen=True)
class Wanted:
    """Which of those that a figure counts: of one state, of a group, that took so many seconds or longer."""

    interval: str
    state: str = ""
    least: float = 0
    group: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise `Invalid` for what names nothing."""
        if self.interval not in INTERVALS:
            raise Invalid(f"{self.interval} is none of {', '.join(INTERVALS)}", "interval")
        if self.state and self.state not in STATES:
            raise Invalid(f"{self.state} is none of {', '.join(STATES)}", "state")
        for name in self.group:
            if name not in GROUPS:
                raise Invalid(f"{name} is none of {', '.join(GROUPS)}", name)


@dataclass(frozen=True)
class Case:
    """A reading item, or an order without one yet: when the interval began, and how long it took so far."""

    kind: str
    public_id: str
    start: datetime
    took: timedelta
    target: timedelta | None
    state: str
    modality: str
    priority: str

    @property
    def is_late(self) -> bool:
        """Whether it took longer than its target, or has waited so long already."""
        return self.target is not None and self.state != "withdrawn" and self.took > self.target


def cases(user: User, question: Question, wanted: Wanted) -> list[Case]:
    """Those of the user's that the question's figure counts, the longest first; raises `Invalid`."""
    wanted.check()
    measured = Measured(user, replace(question, intervals=(wanted.interval,), group_by=()))
    rows, seen = measured.seen[wanted.interval]
    target = measured.targets(wanted.interval)
    chosen = np.full(len(seen.row), True)
    if wanted.state:
        chosen &= STATES[wanted.state](seen, target)
    if wanted.least:
        chosen &= seen.time >= wanted.least * 1000
    for name, value in wanted.group.items():
        chosen &= _of_group(user, rows, seen, name, value)
    found = np.flatnonzero(chosen)
    longest = found[np.argsort(-seen.time[found], kind="stable")]
    return [_case(rows, seen, target, int(place)) for place in longest]


def _of_group(user: User, rows: Rows, seen: Observations, name: str, value: str) -> Truths:
    """The observations of a group, by its key as text."""
    if name == "reader" and not period_figures.shows_names() and value not in ("0", str(user.pk)):
        raise Invalid("readers' names are hidden here", "reader")
    keys: Any = rows.labels[name][seen.row] if name in rows.labels else None
    if keys is None:
        keys = breakdown.BY_CLOCK[name](breakdown.local(seen.start, rows.zones[seen.row]))
    same: Truths = np.array([_key(name, key) == value for key in keys.tolist()], bool)
    return same


def _key(name: str, key: Any) -> str:
    return str(key) if name in ("reader", "weekday", "hour") else breakdown.shown(name, key)


def _case(rows: Rows, seen: Observations, target: Any, place: int) -> Case:
    row = int(seen.row[place])
    limit = None if target is None or not target[place] > 0 else timedelta(milliseconds=float(target[place]))
    return Case(
        kind="item" if rows.item[row] else "order",
        public_id=str(rows.public_id[row]),
        start=moment_of(seen.start[place]),
        took=timedelta(milliseconds=float(seen.time[place])),
        target=limit,
        state="done" if seen.done[place] else "withdrawn" if seen.left[place] else "waiting",
        modality=str(rows.labels["modality"][row]),
        priority=str(rows.labels["priority"][row]),
    )
