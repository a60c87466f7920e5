"""Working time, on the local clock, with holidays and the days on which clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.turnaround import grouping, working
from reporting.turnaround.working import Calendar

BERLIN = ZoneInfo("Europe/Berlin")
ALWAYS = Calendar(BERLIN)
OFFICE = Calendar(BERLIN, {day: ((time(8), time(17)),) for day in range(5)}, frozenset({date(2026, 4, 6)}))
NIGHT = Calendar(BERLIN, {day: ((time(0), time.max),) for day in range(7)})


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=BERLIN)


def test_only_opening_hours_count() -> None:
    friday, monday = local(2026, 3, 6, 16), local(2026, 3, 9, 9)
    assert working.between(OFFICE, friday, monday) == timedelta(hours=2)
    assert working.due(OFFICE, friday, timedelta(hours=2)) == local(2026, 3, 9, 9)


def test_a_holiday_is_closed() -> None:
    assert working.due(OFFICE, local(2026, 4, 3, 17), timedelta(hours=1)) == local(2026, 4, 7, 9)


def test_without_opening_hours_it_is_always_open() -> None:
    start = local(2026, 3, 7, 23)
    assert working.due(ALWAYS, start, timedelta(hours=2)) == start.astimezone(UTC) + timedelta(hours=2)


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 3, 30), 24)])
def test_a_day_on_which_clocks_change_has_23_or_25_hours(day: tuple[int, int, int], hours: int) -> None:
    begin, end = local(*day), local(*day) + timedelta(days=1)
    assert working.between(NIGHT, begin, end) == timedelta(hours=hours)
    assert grouping.day_hours(date(*day), BERLIN) == hours


def test_a_target_that_never_comes_is_refused() -> None:
    with pytest.raises(ValueError, match="never"):
        working.due(Calendar(BERLIN, {0: ()}), local(2026, 3, 2), timedelta(minutes=1))


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
    st.timedeltas(timedelta(seconds=1), timedelta(hours=80)),
)
def test_due_is_the_least_time_at_which_the_target_is_spent(start: datetime, target: timedelta) -> None:
    due = working.due(OFFICE, start, target)
    assert working.between(OFFICE, start, due) == target
    assert working.between(OFFICE, start, due - timedelta(microseconds=1)) < target
