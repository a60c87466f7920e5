"""What is seen of an interval at a moment T: who took how long, who still waits, who left."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from reporting.turnaround.intervals import BY_REPORT, WITH_HOLDS, Interval, Moment, Part
from reporting.turnaround.stage_time import CODE, Floats, Log, Spent, Truths, Whole, held, spend

MAY_DIFFER: Final = 120_000.0
"""Milliseconds by which clocks may differ: an end that comes up to that before its start counts as at it."""


@dataclass(frozen=True)
class Window:
    """The period `[begin, end)` and the moment `seen` (T) at which it is looked at, in milliseconds."""

    begin: float
    end: float
    seen: float


@dataclass(frozen=True)
class Table:
    """What happened to n studies: for each `Moment` when, in milliseconds, NaN where it has not."""

    moments: Mapping[str, Floats]
    log: Log
    target: Floats
    """Milliseconds that each may take from ready to final."""

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class Observations:
    """One interval of those rows that began it in the period, or were in it.

    `time` is t in milliseconds, `hold` how much of it was held for somebody outside. `done`: the end came
    first; `left`: withdrawn first; else it still waits. `entry` is when a row came under observation, on the
    scale of `time`: below 0 for one that was watched from its start. `bad` are rows that ended before they
    began, by more than clocks differ; they are none of the others.
    """

    row: Whole
    start: Floats
    time: Floats
    hold: Floats
    done: Truths
    left: Truths
    zeroed: Truths
    entry: Floats
    bad: Whole
    bad_start: Floats


class Watch:
    """The table as it is seen at one moment: nothing later has happened yet."""

    def __init__(self, table: Table, seen: float) -> None:
        self.table, self.seen = table, seen
        log = table.log
        past = log.at <= seen
        self.log = Log(log.row[past], log.at[past], log.owner[past])
        self.left = self.when(Moment.WITHDRAWN)
        self.ready = self.when(Moment.READY)
        self._spent: Spent | None = None

    def when(self, *moments: str) -> Floats:
        """The first of the moments of each row, as far as it has come."""
        first = np.full(len(self.table), np.nan)
        for moment in moments:
            first = np.fmin(first, self.table.moments[moment])
        return np.where(first <= self.seen, first, np.nan)

    @property
    def stop(self) -> Floats:
        """When the reading of each row ended, by signature or withdrawal, else T."""
        ended = np.fmin(self.when(Moment.FINAL), self.left)
        return np.fmin(ended, self.seen)

    @property
    def taken_back(self) -> Truths:
        """Those that were withdrawn after their final report: it was retracted."""
        taken: Truths = self.left >= self.when(Moment.FINAL)
        return taken

    @property
    def spent(self) -> Spent:
        """Whose the time was until `stop`."""
        if self._spent is None:
            self._spent = spend(self.log, self.ready, self.stop)
        return self._spent


def cohort(watch: Watch, interval: Interval, window: Window) -> Observations:
    """Those whose start lies in the period, seen at T: t = min(end, withdrawn, T) - start."""
    seen = _of_part(watch, interval) if interval.part else _between(watch, interval)
    return _those(seen, window.begin, window.end, np.full(len(seen.row), True))


def period(watch: Watch, interval: Interval, window: Window) -> Observations:
    """Those that were in the interval during the period, each from when the period began or it did.

    `watch` is of the period's end, or of T where that is earlier: at risk at t is who has
    max(0, a - start) < t <= min(end, T) - start.
    """
    seen = _of_part(watch, interval) if interval.part else _between(watch, interval)
    early = seen.start < window.begin
    if interval.part:
        before = Watch(watch.table, window.begin).spent.time[CODE[interval.part]][seen.row]
        entry = np.where(early, before, -1.0)
    else:
        entry = np.where(early, window.begin - seen.start, -1.0)
    return _those(replace(seen, entry=entry), -np.inf, window.end, (entry < seen.time) | ~early)


def _between(watch: Watch, interval: Interval) -> Observations:
    start, end, left = watch.when(interval.start), watch.when(*interval.ends), watch.left
    known = ~np.isnan(start)
    bad = known & (start - end > MAY_DIFFER)
    row, bad_start = np.flatnonzero(known & ~bad), start[bad]
    start, end, left = start[row], end[row], left[row]
    done = ~np.isnan(end) & ~(left < end)
    if interval.key in BY_REPORT:
        done &= ~watch.taken_back[row]
    gone = ~np.isnan(left) & ~done
    stop = np.where(done, end, np.where(gone, left, watch.seen))
    hold = np.zeros(len(row))
    if interval.key in WITH_HOLDS:
        bounds = np.full((2, len(watch.table)), np.nan)
        bounds[0][row], bounds[1][row] = start, stop
        hold = held(watch.log, watch.ready, bounds[0], bounds[1])[row]
    return Observations(
        row=row,
        start=start,
        time=np.maximum(stop - start, 0.0),
        hold=hold,
        done=done,
        left=gone,
        zeroed=done & (end < start),
        entry=np.full(len(row), -1.0),
        bad=np.flatnonzero(bad),
        bad_start=bad_start,
    )


def _of_part(watch: Watch, interval: Interval) -> Observations:
    """A part is done once it is somebody else's turn; it may come back, and then it is not."""
    assert interval.part is not None
    code = CODE[interval.part]
    spent = watch.spent
    row = np.flatnonzero(~np.isnan(spent.since[code]))
    final, left = watch.when(Moment.FINAL)[row], watch.left[row]
    is_over = ~np.isnan(final) & ~(left < final)
    has_it = spent.is_held[row] if interval.part == Part.OUTSIDE else spent.holder[row] == code
    gone = ~np.isnan(left) & ~is_over & has_it
    zeros = np.zeros(len(row))
    return Observations(
        row=row,
        start=spent.since[code][row],
        time=spent.time[code][row],
        hold=zeros,
        done=is_over | ~has_it,
        left=gone,
        zeroed=np.zeros(len(row), bool),
        entry=zeros - 1.0,
        bad=np.zeros(0, dtype=np.int64),
        bad_start=np.zeros(0),
    )


def _those(seen: Observations, begin: float, end: float, wanted: Truths) -> Observations:
    """The wanted observations of those that started in `[begin, end)`."""
    wanted = wanted & (seen.start >= begin) & (seen.start < end)
    kept = {name: getattr(seen, name)[wanted] for name in _EACH}
    is_bad = (seen.bad_start >= begin) & (seen.bad_start < end)
    return Observations(**kept, bad=seen.bad[is_bad], bad_start=seen.bad_start[is_bad])


_EACH: Final = ("row", "start", "time", "hold", "done", "left", "zeroed", "entry")
