"""What day a typed date means."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worklist.patients import typed_dates

TODAY = date(2026, 11, 26)
FORMS = (
    "%Y-%m-%d",
    "%Y%m%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d %b %Y",
    "%d-%b-%y",
    "%B %d, %Y",
    "%d.%m.%y",
)


@given(st.dates(date(1927, 1, 1), TODAY), st.sampled_from(FORMS))
def test_every_form_of_a_day_means_that_day(day: date, form: str) -> None:
    found = typed_dates.days(day.strftime(form), TODAY)
    assert f"{day:%Y%m%d}" in found and len(found) <= 4


@given(
    st.dates(date(1927, 1, 1), TODAY),
    st.sampled_from(FORMS),
    st.sampled_from(["{name} {day}", "{day} {name}", "{name}, {day}", "{day}, {name}"]),
    st.sampled_from(["bars", "Bars, Anna", "Anna Bars", "BARS^ANNA"]),
)
def test_a_name_may_stand_beside_it(day: date, form: str, order: str, name: str) -> None:
    found, days = typed_dates.beside(order.format(name=name, day=day.strftime(form)), TODAY)
    assert found == name and f"{day:%Y%m%d}" in days
    assert typed_dates.beside(name, TODAY) == typed_dates.beside(day.strftime(form), TODAY) == ("", [])


@given(st.text(max_size=40))
def test_no_text_fails(text: str) -> None:
    assert all(len(day) == 8 and day.isdigit() for day in typed_dates.days(text, TODAY))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1980",
        "31.02.1980",
        "00.00.1980",
        "14.05.180",
        "2026-11-27",
        "A1",
        "1.2.840",
        "١٤.٠٥.١٩٨٠",
        "1" * 900,
    ],
)
def test_what_is_no_day_of_the_past_means_none(text: str) -> None:
    assert typed_dates.days(text, TODAY) == []


def test_a_year_of_two_digits_means_both_centuries_that_have_been() -> None:
    assert typed_dates.days("14.5.20", TODAY) == ["19200514", "20200514"]
    assert typed_dates.days("14.5.80", TODAY) == ["19800514"]
