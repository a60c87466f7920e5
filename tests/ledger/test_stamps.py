"""A value is as new as the message that set it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.stamps import NONE, Stamp, join, stamp, write

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class _Field:
    null = False

    @staticmethod
    def get_default() -> str:
        return ""


class _Meta:
    @staticmethod
    def get_field(name: str) -> type[_Field]:
        return _Field


@dataclass
class Row:
    a: str = ""
    b: str = ""
    stamps: dict[str, Any] = field(default_factory=dict)
    _meta: Any = _Meta


def at(minute: int) -> Stamp:
    return Stamp(NOON + timedelta(minutes=minute))


def test_an_older_message_does_not_fill_what_a_newer_one_set() -> None:
    row = Row()
    write(row, {"a": "2"}, at(2))
    write(row, {"b": "1"}, at(3))
    assert write(row, {"a": "1"}, at(1)) == set()
    assert (row.a, row.b) == ("2", "1")


def test_none_says_nothing_and_the_null_value_clears() -> None:
    row = Row()
    write(row, {"a": "1", "b": "1"}, at(1))
    write(row, {"a": None, "b": NONE}, at(2))
    assert (row.a, row.b) == ("1", "")


def test_a_clock_that_is_ahead_is_cut_to_the_receipt() -> None:
    ahead, was_cut = stamp(made_at=NOON + timedelta(days=1), received_at=NOON)
    assert (ahead.made_at, was_cut) == (NOON, True)
    near, was_cut = stamp(made_at=NOON + timedelta(minutes=9), received_at=NOON)
    assert (near.made_at, was_cut) == (NOON + timedelta(minutes=9), False)


@pytest.mark.parametrize(
    "control_ids", [("84412", "12207"), ("9", "10"), ("B", "A"), ("1", "A"), ("A", "1"), ("7", "7")]
)
def test_of_one_time_that_which_came_later_is_newer(control_ids: tuple[str, str]) -> None:
    first, then = (
        stamp(made_at=NOON, received_at=NOON + timedelta(seconds=n), control_id=control_id)[0]
        for n, control_id in enumerate(control_ids)
    )
    assert first < then and first.key() < then.key()


def test_control_ids_that_rise_compare_as_numbers_whichever_came_first() -> None:
    nine, ten = (
        stamp(
            made_at=NOON, received_at=NOON - timedelta(seconds=n), control_id=str(n), control_ids_rise=True
        )[0]
        for n in (9, 10)
    )
    assert nine < ten and nine.key() < ten.key()


stamps = st.builds(
    lambda minute, sequence, control_id, digest, rise: stamp(
        made_at=NOON + timedelta(minutes=minute),
        received_at=NOON + timedelta(days=9),
        sequence=str(sequence),
        control_id=control_id,
        digest=digest,
        control_ids_rise=rise,
    )[0],
    st.integers(0, 3),
    st.integers(0, 2),
    st.sampled_from(["", "1", "2", "10", "A1", "B"]),
    st.sampled_from(["", "aa", "bb"]),
    st.booleans(),
)


@settings(max_examples=300)
@given(stamps, stamps)
def test_the_text_sorts_as_the_stamp_does(one: Stamp, other: Stamp) -> None:
    assert (one < other) == (one.key() < other.key())


writes = st.tuples(
    stamps, st.fixed_dictionaries({}, optional={n: st.sampled_from(["1", "2", NONE, None]) for n in "ab"})
)


@given(st.lists(writes, max_size=6, unique_by=lambda pair: pair[0].key()), st.data())
def test_joining_two_halves_is_the_same_as_one_row(history: list[Any], data: Any) -> None:
    whole, left, right = Row(), Row(), Row()
    for when, values in history:
        write(whole, values, when)
        write(data.draw(st.sampled_from([left, right])), values, when)
    join(left, right, ("a", "b"))
    assert (left.a, left.b, left.stamps) == (whole.a, whole.b, whole.stamps)
