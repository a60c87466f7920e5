"""The figures of an interval: how many, how long for half of them, for nine in ten, how many in time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from reporting.turnaround import survival
from reporting.turnaround.cohort import Observations
from reporting.turnaround.stage_time import Floats, Truths, Whole

SHARES: Final[Mapping[str, float]] = {"p50": 0.5, "p90": 0.9, "p95": 0.95}
_SECOND: Final = 1000.0


@dataclass(frozen=True)
class Quantile:
    """A percentile in seconds with its 95 % limits. A value of None was not reached: it is more than
    `longest`, the longest time seen."""

    value: float | None
    low: float | None
    high: float | None
    longest: float


@dataclass(frozen=True)
class Figures:
    """One interval of a group. `n` = done + waiting + withdrawn; those that wait are censored.

    `gross` and `net` (the same minus holds) are empty where n < 20. `within` estimates the share that ends
    within its target; `judged` counts those that ended or are past it, `late` which of these are not in time.
    `zeroed` ended up to 120 s before they began and count as 0; `bad` by more, and don't count. `longest` is
    the longest time seen, in seconds.
    """

    n: int = 0
    done: int = 0
    waiting: int = 0
    withdrawn: int = 0
    zeroed: int = 0
    bad: int = 0
    held: int = 0
    longest: float = 0.0
    gross: Mapping[str, Quantile] = field(default_factory=dict)
    net: Mapping[str, Quantile] = field(default_factory=dict)
    within: float | None = None
    judged: int = 0
    late: int = 0

    @property
    def in_time(self) -> float | None:
        """The share of those judged that ended within their target; None where there is none."""
        return 1 - self.late / self.judged if self.judged else None


NOTHING: Final = Figures()


def of(
    seen: Observations, target: Floats | None = None, chosen: Whole | None = None, bad: int = 0
) -> Figures:
    """Sum up the observations, or the `chosen` ones; `target` is each one's, in milliseconds."""
    part = slice(None) if chosen is None else chosen
    time, hold = seen.time[part], seen.hold[part]
    done, left, entry = seen.done[part], seen.left[part], seen.entry[part]
    if not len(time):
        return Figures(bad=bad)
    counts = (int(done.sum()), int((~done & ~left).sum()), int(left.sum()))
    delayed = entry if (entry >= 0).any() else None
    held = int((hold > 0).sum())
    gross = _quantiles(time, done, delayed)
    limit = None if target is None else target[part]
    return Figures(
        sum(counts),
        *counts,
        zeroed=int(seen.zeroed[part].sum()),
        bad=bad,
        held=held,
        longest=float(time.max()) / _SECOND,
        gross=gross,
        net=_quantiles(time - hold, done, delayed) if held else gross,
        within=_within(time, done, left, limit),
        judged=int(judged(time, done, left, limit).sum()),
        late=int(late(time, left, limit).sum()),
    )


def judged(time: Floats, done: Truths, left: Truths, target: Floats | None) -> Truths:
    """Those of which it is known whether they are in time: they ended, or their target is past."""
    if target is None:
        return np.zeros(len(time), bool)
    return (done & ~np.isnan(target)) | late(time, left, target)


def late(time: Floats, left: Truths, target: Floats | None) -> Truths:
    """Those that took longer than their target, or have waited so long already."""
    if target is None:
        return np.zeros(len(time), bool)
    found: Truths = ~left & (time > target)
    return found


def median(time: Floats, done: Truths) -> float | None:
    """Half have ended within so many seconds; None for fewer than 20, or where it was not reached."""
    if len(time) < survival.FEWEST:
        return None
    value = survival.percentile(survival.curve(time, done), 0.5).value
    return None if value is None else value / _SECOND


def quartiles(values: list[float]) -> tuple[float, float, float] | None:
    """The quartiles of people's medians; None of fewer than four people: one could tell who is who."""
    if len(values) < 4:
        return None
    low, middle, high = (float(one) for one in np.percentile(values, [25, 50, 75]))
    return low, middle, high


def _quantiles(time: Floats, done: Truths, entry: Floats | None) -> dict[str, Quantile]:
    if len(time) < survival.FEWEST:
        return {}
    estimate = survival.curve(time, done, entry)
    return {name: _quantile(estimate, share) for name, share in SHARES.items()}


def _quantile(estimate: survival.Curve, share: float) -> Quantile:
    found = survival.percentile(estimate, share)
    value, low, high = (None if t is None else t / _SECOND for t in (found.value, found.low, found.high))
    return Quantile(value, low, high, longest=estimate.longest / _SECOND)


def _within(time: Floats, done: Truths, left: Truths, target: Floats | None) -> float | None:
    """Each time is measured by its own target, so that those of all priorities can be counted together."""
    if target is None:
        return None
    known = target > 0
    if not known.any():
        return None
    return survival.within(time[known] / target[known], done[known], left[known], 1.0)
