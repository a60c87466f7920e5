"""Kaplan and Meier, Greenwood, percentiles, and the share in time, against values worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.turnaround import interval_figures, survival
from reporting.turnaround.cohort import Observations

# Remission times in weeks of 21 patients under 6-MP (Freireich 1963), the textbook example; + is censored:
# 6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+
WEEKS = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
ENDED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def freireich() -> survival.Curve:
    return survival.curve(floats(*WEEKS), np.array(ENDED, bool))


def observations(times: list[float], done: list[bool], left: list[bool] | None = None) -> Observations:
    count = len(times)
    zeros = np.zeros(count)
    return Observations(
        row=np.arange(count),
        start=zeros,
        time=floats(*times) * 1000,
        hold=zeros,
        done=np.array(done, bool),
        left=np.array(left or [False] * count, bool),
        zeroed=np.zeros(count, bool),
        entry=zeros - 1,
        bad=np.zeros(0, np.int64),
        bad_start=np.zeros(0),
    )


def test_the_curve_is_that_of_the_textbook() -> None:
    curve = freireich()
    assert list(curve.at) == [6, 7, 10, 13, 16, 22, 23]
    known = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert curve.survival == pytest.approx(known, abs=5e-5)


def test_the_limits_are_those_of_log_log_greenwood() -> None:
    """As R's survfit(conf.type = "log-log") and lifelines print them."""
    curve = freireich()
    assert curve.lower[:3] == pytest.approx([0.6197, 0.5631, 0.5032], abs=5e-4)
    assert curve.upper[:3] == pytest.approx([0.9516, 0.9228, 0.8894], abs=5e-4)
    assert curve.lower[-1] == pytest.approx(0.1881, abs=5e-4)
    assert curve.upper[-1] == pytest.approx(0.6801, abs=5e-4)


def test_the_median_and_its_limits_are_those_of_the_textbook() -> None:
    assert survival.percentile(freireich(), 0.5) == survival.Percentile(23, 13, None)


def test_what_is_not_reached_is_more_than_the_longest_time() -> None:
    found = interval_figures.of(observations(WEEKS, [bool(one) for one in ENDED]))
    assert found.gross["p90"] == interval_figures.Quantile(None, None, None, 35)


def test_without_censoring_a_percentile_is_that_of_the_sorted_times() -> None:
    found = interval_figures.of(observations([*range(1, 21)], [True] * 20))
    assert [found.gross[name].value for name in ("p50", "p90", "p95")] == [10, 18, 19]


def test_of_fewer_than_twenty_no_percentile_is_told() -> None:
    found = interval_figures.of(observations([*range(1, 20)], [True] * 19))
    assert (found.n, found.gross) == (19, {})


def test_where_everybody_ended_there_is_no_division_by_nothing() -> None:
    curve = survival.curve(floats(5), np.array([True]))
    assert (curve.survival[0], curve.lower[0], curve.upper[0]) == (0, 0, 1)


def test_n_is_done_and_waiting_and_withdrawn() -> None:
    found = interval_figures.of(
        observations([1, 2, 3, 4], [True, False, False, True], [False, True, False, False])
    )
    assert (found.n, found.done, found.waiting, found.withdrawn) == (4, 2, 1, 1)


def test_who_leaves_competes_with_who_ends() -> None:
    """Of four: one ends at 1, one leaves at 2, one ends at 3, one at 4. F(3) = 1/4 + 1/2 * 1/2."""
    time, done = floats(1, 2, 3, 4), np.array([True, False, True, True])
    left = np.array([False, True, False, False])
    assert survival.within(time, done, left, 1) == pytest.approx(0.25)
    assert survival.within(time, done, left, 3) == pytest.approx(0.50)
    assert survival.within(time, done, left, 9) == pytest.approx(0.75)


def test_who_waits_is_no_competitor() -> None:
    """The same, but the second still waits: it is only seen for less long. F(3) = 1/4 + 3/4 * 1/2."""
    time, done = floats(1, 2, 3, 4), np.array([True, False, True, True])
    assert survival.within(time, done, np.zeros(4, bool), 3) == pytest.approx(0.625)


def test_who_came_late_is_at_risk_only_from_then() -> None:
    """At 2 the one who entered at 2.5 isn't at risk: 1 of 2 ended, then 1 of 2, then the last."""
    curve = survival.curve(floats(2, 3, 4), np.array([True] * 3), floats(-1, -1, 2.5))
    assert curve.survival == pytest.approx([1 / 2, 1 / 4, 0])


def naive(times: list[int], ended: list[bool], share: float) -> float | None:
    """The percentile, in fractions and loops."""
    from fractions import Fraction

    alive = Fraction(1)
    for at in sorted({t for t, e in zip(times, ended, strict=True) if e}):
        risk = sum(t >= at for t in times)
        alive *= 1 - Fraction(sum(t == at and e for t, e in zip(times, ended, strict=True)), risk)
        if 1 - alive >= Fraction(share).limit_denominator(100):
            return at
    return None


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=60))
def test_percentiles_are_exact(rows: list[tuple[int, bool]]) -> None:
    times, ended = [t for t, _ in rows], [e for _, e in rows]
    curve = survival.curve(floats(*times), np.array(ended, bool))
    for share in (0.5, 0.9, 0.95):
        assert survival.percentile(curve, share).value == naive(times, ended, share)
