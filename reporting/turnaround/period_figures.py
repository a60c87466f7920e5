"""The turnaround of a period: figures of each interval, in all and by group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from accounts.models import User
from ledger.errors import Invalid
from reporting.reporting_section import ReportingSection
from reporting.turnaround import breakdown, interval_figures
from reporting.turnaround.cohort import Observations, Watch, Window, cohort, period
from reporting.turnaround.interval_figures import Figures
from reporting.turnaround.intervals import AMEND, INTERVALS, Interval
from reporting.turnaround.stage_time import Whole
from reporting.turnaround.turnaround_rows import Rows, milliseconds, moment_of, read, rechecks, taken

GROUPS: Final = ("modality", "priority", "reader", "facility", "hour", "weekday", "day")
LONGEST: Final = timedelta(days=400)
"""How much time a question may span."""
_WITH_TARGET: Final = ("reading", AMEND)
_MOST_BAD: Final = 200


@dataclass(frozen=True)
class Question:
    """What is asked: the period `[begin, end)` seen at `seen`, which intervals, by what.

    `view` is `cohort` (those that began in the period) or `period` (those that were under way in it).
    """

    begin: datetime
    end: datetime
    seen: datetime
    intervals: tuple[str, ...] = tuple(INTERVALS)
    group_by: tuple[str, ...] = ()
    view: str = "cohort"
    modality: str = ""
    priority: str = ""

    def check(self) -> None:
        """Raise `Invalid` for what can't be answered."""
        if self.end - self.begin > LONGEST:
            raise Invalid(f"a period has {LONGEST.days} days at most", "to")
        if self.begin >= self.end:
            raise Invalid("the period ends before it begins", "to")
        for name in self.intervals:
            if name not in INTERVALS:
                raise Invalid(f"{name} is none of {', '.join(INTERVALS)}", "interval")
        for name in self.group_by:
            if name not in GROUPS:
                raise Invalid(f"{name} is none of {', '.join(GROUPS)}", "group_by")
        if len(self.group_by) > 2 or len(set(self.group_by)) < len(self.group_by):
            raise Invalid("group by one or two different things", "group_by")
        if self.view not in ("cohort", "period"):
            raise Invalid("view is cohort or period", "view")


@dataclass(frozen=True)
class BadTime:
    """A row that ended an interval more than two minutes before it began: one of its times is wrong."""

    kind: str
    public_id: str
    interval: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Group:
    """The figures of one group. `keys` are sortable, `titles` what they are called; `reads` were signed."""

    keys: tuple[Any, ...]
    titles: tuple[str, ...]
    intervals: Mapping[str, Figures]
    reads: int


@dataclass(frozen=True)
class Report:
    """The answer. `quartiles` are those of the readers' medians in seconds, where `reader` is asked for."""

    question: Question
    intervals: Mapping[str, Figures]
    reads: int
    groups: Sequence[Group] = ()
    bad_times: Sequence[BadTime] = ()
    quartiles: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    shows_names: bool = True


class Measured:
    """The rows of a period and what was seen of each interval, read once for all questions about it."""

    def __init__(self, user: User, question: Question) -> None:
        question.check()
        self.user, self.question = user, question
        wanted = [INTERVALS[name] for name in question.intervals]
        others = [one for one in wanted if one.key != AMEND]
        by_period = question.view == "period"
        begin, end = question.begin, question.end
        seen = min(question.seen, end) if by_period else question.seen
        self.window = Window(milliseconds(begin), milliseconds(end), milliseconds(seen))
        self._look = period if by_period else cohort
        self.seen: dict[str, tuple[Rows, Observations]] = {}
        if others:
            rows = _chosen(read(user, begin, end, others, under_way=by_period), question)
            self._watch(rows, others)
        if len(others) < len(wanted):
            self._watch(_chosen(rechecks(user, begin, end), question), [INTERVALS[AMEND]])

    def _watch(self, rows: Rows, intervals: Sequence[Interval]) -> None:
        watch = Watch(rows.table, self.window.seen)
        for one in intervals:
            self.seen[one.key] = (rows, self._look(watch, one, self.window))

    def figures(self, name: str) -> Figures:
        """Those of one interval."""
        rows, seen = self.seen[name]
        return interval_figures.of(seen, self._target(name, rows, seen), bad=len(seen.bad))

    def groups(self, names: Sequence[str], group_by: Sequence[str]) -> list[Group]:
        """The figures of these intervals, by group."""
        found: dict[tuple[Any, ...], dict[str, Figures]] = {}
        reads: dict[tuple[Any, ...], int] = {}
        for name in names:
            rows, seen = self.seen[name]
            target = self._target(name, rows, seen)
            for keys, part, bad in _parts(rows, seen, group_by):
                found.setdefault(keys, {})[name] = interval_figures.of(seen, target, part, bad)
                reads[keys] = max(reads.get(keys, 0), self._reads(rows, seen.row[part]))
        titles = self._titles(found, group_by)
        return [
            Group(
                keys,
                titles[keys],
                {name: one.get(name, interval_figures.NOTHING) for name in names},
                reads[keys],
            )
            for keys, one in sorted(found.items())
            if keys in titles
        ]

    def reads(self) -> int:
        """How many items were signed; one for all accessions that it reports."""
        parts = [rows.item[_signed(rows, seen.row, self.window.seen)] for rows, seen in self.seen.values()]
        return len(np.unique(np.concatenate(parts))) if parts else 0

    def bad_times(self) -> list[BadTime]:
        """The rows whose times contradict each other, the newest first."""
        found = []
        for name, (rows, seen) in self.seen.items():
            interval = INTERVALS[name]
            ends = np.fmin.reduce([rows.table.moments[end] for end in interval.ends]) if len(seen.bad) else []
            for row, start in zip(seen.bad, seen.bad_start, strict=True):
                kind = "item" if rows.item[row] else "order"
                moments = moment_of(start), moment_of(ends[row])
                found.append(BadTime(kind, rows.public_id[row], name, *moments))
        return sorted(found, key=lambda one: one.start, reverse=True)[:_MOST_BAD]

    def quartiles(self, names: Sequence[str]) -> dict[str, tuple[float, float, float]]:
        """Of each interval the quartiles of its readers' medians."""
        found = {}
        for name in names:
            rows, seen = self.seen[name]
            parts = [part for (reader,), part, _ in _parts(rows, seen, ("reader",)) if reader]
            medians = [interval_figures.median(seen.time[part], seen.done[part]) for part in parts]
            if spread := interval_figures.quartiles([one for one in medians if one is not None]):
                found[name] = spread
        return found

    def targets(self, name: str) -> Any:
        """How long each observation of an interval may take, in milliseconds; None where it has no target."""
        return self._target(name, *self.seen[name])

    def _target(self, name: str, rows: Rows, seen: Observations) -> Any:
        if name not in _WITH_TARGET or self.question.view == "period":
            return None
        return rows.table.target[seen.row]

    def _reads(self, rows: Rows, row: Whole) -> int:
        return len(np.unique(rows.item[_signed(rows, row, self.window.seen)]))

    def _titles(self, keys: Any, group_by: Sequence[str]) -> dict[tuple[Any, ...], tuple[str, ...]]:
        """What each group is called; groups of people whose names may not be shown are left out."""
        names: dict[int, str] = {}
        if "reader" in group_by:
            place = list(group_by).index("reader")
            names = _names(self.user, {int(one[place]) for one in keys})
        titles = {}
        for one in keys:
            words = [
                names.get(int(value)) if by == "reader" else breakdown.shown(by, value)
                for by, value in zip(group_by, one, strict=True)
            ]
            if all(word is not None for word in words):
                titles[one] = tuple(str(word) for word in words)
        return titles


def report(user: User, question: Question) -> Report:
    """Answer a question; raises `Invalid` for one that has no answer."""
    measured = Measured(user, question)
    names = question.intervals
    by_reader = "reader" in question.group_by
    return Report(
        question=question,
        intervals={name: measured.figures(name) for name in names},
        reads=measured.reads(),
        groups=measured.groups(names, question.group_by) if question.group_by else [],
        bad_times=measured.bad_times(),
        quartiles=measured.quartiles(names) if by_reader else {},
        shows_names=shows_names(),
    )


def shows_names() -> bool:
    """Whether the site lets people see each other's figures."""
    return ReportingSection.current().show_reader_names


def _names(user: User, keys: set[int]) -> dict[int, str]:
    """The names of readers that `user` may see: all of them, or only their own."""
    allowed = keys if shows_names() else keys & {user.pk}
    names = {row.pk: str(row) for row in User.objects.filter(pk__in=allowed)}
    return {**names, 0: "no reader yet"} if 0 in keys else names


def _chosen(rows: Rows, question: Question) -> Rows:
    """The rows of the modality and the priority that are asked for."""
    wanted = np.full(len(rows), True)
    for name, value in (("modality", question.modality), ("priority", question.priority)):
        if value:
            wanted &= rows.labels[name] == value
    return rows if wanted.all() else taken(rows, np.flatnonzero(wanted))


def _parts(
    rows: Rows, seen: Observations, group_by: Sequence[str]
) -> list[tuple[tuple[Any, ...], Whole, int]]:
    """Each group's keys, the places of its observations, and how many bad times it has."""
    row, start = np.concatenate([seen.row, seen.bad]), np.concatenate([seen.start, seen.bad_start])
    clock = breakdown.local(start, rows.zones[row]) if set(group_by) & set(breakdown.BY_CLOCK) else None
    keys = [
        breakdown.BY_CLOCK[by](clock) if clock and by in breakdown.BY_CLOCK else rows.labels[by][row]
        for by in group_by
    ]
    count = len(seen.row)
    return [(group, part[part < count], int((part >= count).sum())) for group, part in breakdown.split(keys)]


def _signed(rows: Rows, row: Whole, seen: float) -> Whole:
    """Those of these rows whose report was signed, and not retracted, by `seen`."""
    moments = rows.table.moments
    stands = (moments["final"][row] <= seen) & ~(moments["withdrawn"][row] <= seen)
    signed: Whole = row[stands & (rows.item[row] > 0)]
    return signed
