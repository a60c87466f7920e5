"""Kaplan and Meier, against values computed by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from simulator import plan, summary
from simulator.truth import Record
from simulator.turnaround import Figure, Waited, figure, percentile, survival

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def waits(text: str) -> list[Waited]:
    """`1 2+ 3`: ended at 1, still waiting at 2, ended at 3."""
    return [Waited(float(one.rstrip("+")), not one.endswith("+")) for one in text.split()]


def test_survival_by_hand() -> None:
    # 1: 4/5; 3: two of the five are gone, 4/5 * 2/3; 4: 4/5 * 2/3 * 1/2.
    assert survival(waits("1 2+ 3 4 5+")) == [
        (1, pytest.approx(4 / 5)),
        (3, pytest.approx(8 / 15)),
        (4, pytest.approx(4 / 15)),
    ]


def test_ties_end_together_and_one_that_waits_as_long_is_at_risk() -> None:
    assert survival(waits("2 2 2+ 3")) == [(2, pytest.approx(1 / 2)), (3, pytest.approx(0))]


@pytest.mark.parametrize(
    ("text", "share", "value"),
    [
        ("1 2 3 4", 0.5, 2),
        ("1 2 3 4", 0.9, 4),
        ("1 2+ 3 4 5+", 0.5, 4),
        ("1 2+ 3 4 5+", 0.9, None),
        ("1+ 2+", 0.5, None),
        ("10 9 8 7 6 5 4 3 2 1", 0.9, 9),
        ("", 0.5, None),
    ],
)
def test_percentiles_by_hand(text: str, share: float, value: float | None) -> None:
    assert percentile(waits(text), share) == value


def test_leaving_out_who_still_waits_would_flatter() -> None:
    everybody = waits("1 2 3 10+ 11+ 12+")
    assert percentile(everybody, 0.5) == 3
    assert percentile([one for one in everybody if one.ended], 0.5) == 2


def test_fewer_than_twenty_have_no_percentile() -> None:
    assert figure(waits("1 " * 19)) == Figure(19, 19, None, None)
    assert figure(waits("1 " * 19 + "2+")) == Figure(20, 19, 1.0, 1.0)


def test_a_stray_study_waits_from_its_images_and_its_order_from_its_completion() -> None:
    linked, stray, prior = (Record(case) for case in plan.day(seed=1, run="1234567", orders=30)[:3])
    for record in (linked, stray, prior):
        record.acquired_at = NINE
        record.completed_at = NINE + timedelta(minutes=1)
        record.final_at = NINE + timedelta(minutes=3)
        record.case.procedure = linked.case.procedure
    linked.verdict, stray.verdict, prior.verdict = "matched", "mismatch", "matched"
    stray.final_at = None
    prior.case.fate = plan.Fate.PRIOR

    found = summary.waits([linked, stray, prior], NINE + timedelta(minutes=10))

    assert found == {
        linked.case.procedure.modality: [Waited(120, True), Waited(600, False), Waited(540, False)]
    }


def test_a_figure_has_to_lie_between_those_that_our_calls_leave_open() -> None:
    least, most = Figure(20, 19, 9.5, 30.0), Figure(20, 19, 10.5, 31.0)
    assert summary.is_same(least, most, Figure(20, 19, 10.4, 30.1))
    assert not summary.is_same(least, most, Figure(20, 19, 12.0, 30.1))
    assert not summary.is_same(least, most, Figure(20, 18, 10.0, 30.0))
    assert not summary.is_same(least, most, Figure(20, 19, None, 30.0))
    unreached = Figure(20, 10, 9.5, None)
    assert summary.is_same(unreached, unreached, unreached)
    assert not summary.is_same(unreached, unreached, Figure(20, 10, 9.5, 30.0))


def test_a_step_was_completed_somewhere_within_the_call() -> None:
    record = Record(plan.day(seed=1, run="1234567", orders=30)[0])
    record.acquired_at, record.completed_at = NINE, NINE
    record.completed_within, record.verdict = timedelta(seconds=2), "matched"
    record.final_at = NINE + timedelta(seconds=60)

    ((early,), (middle,), (late,)) = (
        summary.waits([record], NINE + timedelta(hours=1), shift)[record.case.procedure.modality]
        for shift in (-1, 0, 1)
    )

    assert (early.seconds, middle.seconds, late.seconds) == (62, 60, 58)
