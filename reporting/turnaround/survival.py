"""Kaplan and Meier: what share has come to its end by when, where some still wait and some have left.

Times are in any unit. S(t) = prod over t_j <= t of (1 - d_j/n_j); n_j are those at risk at t_j, who have
entry < t_j <= time.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from reporting.turnaround.stage_time import Floats, Truths

FEWEST: Final = 20
"""Of fewer no percentile is told."""
_Z: Final = 1.959963984540054
"""97.5 % of a standard normal distribution: intervals are of 95 %."""
_TINY: Final = 1e-9
"""Sums of fractions are not exact; what misses a percentile by less has reached it."""


@dataclass(frozen=True)
class Curve:
    """The survival function S and its 95 % confidence limits after each time at which somebody ended."""

    at: Floats
    survival: Floats
    lower: Floats
    upper: Floats
    longest: float
    """The longest time that anybody was seen for."""


@dataclass(frozen=True)
class Percentile:
    """The least time by which a share has ended, and its confidence limits; None: not reached."""

    value: float | None
    low: float | None
    high: float | None


def curve(time: Floats, done: Truths, entry: Floats | None = None) -> Curve:
    """Estimate from how long each was seen, and whether its end came then."""
    at, ends, risk = _counts(time, done, entry)
    survival = np.asarray(np.cumprod(1.0 - ends / risk), np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.cumsum(ends / (risk * (risk - ends)))
        spread = _Z * np.sqrt(variance) / np.abs(np.log(survival))
        lower = np.asarray(survival ** np.exp(spread), np.float64)
        upper = np.asarray(survival ** np.exp(-spread), np.float64)
    _end_where_all_ended(survival, lower, upper)
    return Curve(at, survival, lower, upper, float(time.max()) if len(time) else 0.0)


def percentile(estimate: Curve, share: float) -> Percentile:
    """The least t with 1 - S(t) >= share; the limits are where the limits of S cross it."""
    return Percentile(
        _first(estimate.at, estimate.survival, share),
        _first(estimate.at, estimate.lower, share),
        _first(estimate.at, estimate.upper, share),
    )


def within(time: Floats, done: Truths, left: Truths, limit: float) -> float:
    """The share that ends within `limit`, where leaving competes: sum of S_all(t_j-) d_j/n_j."""
    at, gone, risk = _counts(time, done | left, None)
    ends = np.bincount(np.searchsorted(at, time[done]), minlength=len(at))
    before = np.concatenate([[1.0], np.cumprod(1.0 - gone / risk)[:-1]]) if len(at) else at
    return float(np.sum((before * ends / risk)[at <= limit]))


def _counts(time: Floats, ended: Truths, entry: Floats | None) -> tuple[Floats, Floats, Floats]:
    """The distinct times of ends, how many ended then, and how many were at risk."""
    at, ends = np.unique(time[ended], return_counts=True)
    risk = len(time) - np.searchsorted(np.sort(time), at, side="left")
    if entry is not None:
        risk = risk - (len(time) - np.searchsorted(np.sort(entry), at, side="left"))
    return at, ends.astype(np.float64), risk.astype(np.float64)


def _end_where_all_ended(survival: Floats, lower: Floats, upper: Floats) -> None:
    """Where nobody is left Greenwood says nothing: the lower limit is 0, the upper one stays as it was."""
    over = survival <= _TINY
    lower[over] = 0.0
    if over.any():
        first = int(np.argmax(over))
        upper[over] = upper[first - 1] if first else 1.0


def _first(at: Floats, values: Floats, share: float) -> float | None:
    reached = 1.0 - values >= share - _TINY
    return float(at[np.argmax(reached)]) if reached.any() else None
