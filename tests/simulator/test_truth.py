"""The truth file has one object for each order or study, and the table counts by it."""

import json
from pathlib import Path

import pytest

from simulator import plan, summary, truth
from simulator.faults import Fault, expected_verdict
from simulator.plan import Case
from simulator.truth import Record, Truth


@pytest.fixture
def cases() -> list[Case]:
    return plan.day(seed=1, run="1234567", orders=150)


def of_kind(cases: list[Case], fault: Fault | None) -> Record:
    return Record(next(case for case in cases if case.fault is fault))


def test_each_case_is_one_line_with_its_fault_and_the_right_verdict(
    tmp_path: Path, cases: list[Case]
) -> None:
    kept = Truth(tmp_path, cases)
    kept.records[3].note("order placed", control_id="1")
    kept.save(at_once=True)
    kept.save(at_once=True)

    records = list(truth.read(tmp_path / "truth.jsonl", "1234567"))
    assert [record["case"] for record in records] == [case.number for case in cases]
    for record, case in zip(records, cases, strict=True):
        assert record["fault"] == (case.fault.name.lower() if case.fault else None)
        assert record["expected_verdict"] == (expected_verdict(case.fault) if case.is_imaged else None)
        assert bool(record["truth"]) == bool(case.fault)
    assert records[2]["happened"][0]["what"] == "order placed"


def test_a_second_day_is_added_behind_the_first(tmp_path: Path, cases: list[Case]) -> None:
    Truth(tmp_path, cases).save(at_once=True)
    second = plan.day(seed=1, run="7654321", orders=20)
    Truth(tmp_path, second).save(at_once=True)

    lines = (tmp_path / "truth.jsonl").read_text().splitlines()
    assert len(lines) == len(cases) + len(second)
    assert len(list(truth.read(tmp_path / "truth.jsonl", "7654321"))) == len(second)


def test_what_comes_after_the_day_is_appended_and_forgotten(tmp_path: Path, cases: list[Case]) -> None:
    kept = Truth(tmp_path, cases)
    late = next(plan.trickle(seed=1, run="1234567", first=len(cases) + 1))
    record = kept.of(late)
    kept.save(at_once=True)
    kept.append(record)
    kept.save(at_once=True)

    assert late.number not in kept.records
    lines = (tmp_path / "truth.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["case"] == late.number
    assert len(lines) == len(cases) + 1


@pytest.mark.parametrize(
    ("fault", "verdict", "caught", "as_expected"),
    [
        (Fault.PREVIOUS_PATIENT, "mismatch", True, True),
        (Fault.PREVIOUS_PATIENT, "probable", True, False),
        (Fault.PREVIOUS_PATIENT, "matched", False, False),
        (Fault.PREVIOUS_PATIENT, "pending", False, False),
        (Fault.UNSCHEDULED, "unscheduled", True, True),
        (Fault.NAME_TYPO, "corrected", True, True),
        (Fault.NAME_TYPO, "probable", True, False),
        (Fault.NAME_TYPO, "matched", False, False),
        (None, "corrected", False, True),
        (None, "probable", True, False),
    ],
)
def test_a_fault_is_caught_by_an_exception_or_by_a_rule_that_mends_it(
    cases: list[Case], fault: Fault | None, verdict: str, caught: bool, as_expected: bool
) -> None:
    record = of_kind(cases, fault)
    record.verdict = verdict

    if fault:
        assert summary.is_caught(record) == caught
    assert summary.is_expected(record) == as_expected


def test_a_duplicate_is_kept_once(cases: list[Case]) -> None:
    record = of_kind(cases, Fault.DUPLICATE)
    record.verdict, record.images, record.kept = "matched", 6, 6
    assert summary.is_expected(record)
    record.kept = 12
    assert not summary.is_expected(record)
