"""Days and times are written in one form wherever people read them, and one place writes them."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.models import User
from ledger import written_dates
from tests.web.pages.world import signed_in
from web.templatetags import pages
from worklist.patients import typed_dates

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ledger", "accounts", "worklist", "archive", "reporting", "interfaces", "web")
FORMATTED = r"%[aAbBdmIHMYy][-/:., ]+%[aAbBdmIHMSpYy]|%[bBpxXc]\b"
"""A date or a time of day with marks between its parts, as people read it; machines' forms have none."""
PLACES = {
    ".py": (FORMATTED, "ledger/written_dates.py"),
    ".html": (
        r"\|\s*(?:date|time|naturaltime|naturalday|timesince)\b|type=.(?:date|time|datetime-local)\b",
        "",
    ),
    ".js": (
        r"toLocale\w*String|Intl\.DateTimeFormat\(|\.toDateString|\.getMonth\(",
        "web/static/web/times.js",
    ),
}


@pytest.mark.parametrize("suffix", PLACES)
def test_nothing_but_one_place_writes_dates(suffix: str) -> None:
    pattern, place = PLACES[suffix]
    found = []
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob(f"*{suffix}")):
        name = path.relative_to(ROOT).as_posix()
        if name == place or "/migrations/" in name or "/static/vendor/" in name:
            continue
        lines = enumerate(path.read_text().splitlines(), start=1)
        found += [f"{name}:{at}: {line.strip()}" for at, line in lines if re.search(pattern, line)]
    assert not found, "\n".join(found)


def test_a_day_is_named_by_its_year_too_whatever_the_year() -> None:
    for age in (timedelta(days=1), timedelta(days=400)):
        then = timezone.now() - age
        written = f"{timezone.localtime(then):%Y-%m-%d %H:%M}"
        assert f">{written}</time>" in str(pages.clock(then))
        assert f">{written}</time>" in str(pages.moment(then))
        assert pages.minute(then) == written


def test_what_is_written_can_be_typed() -> None:
    day = date(2026, 11, 26)
    assert typed_dates.day(written_dates.day(day)) == day
    assert written_dates.minute(datetime(2026, 11, 26, 9, 5, tzinfo=UTC)) == "2026-11-26 09:05"


@pytest.mark.parametrize("text", ["2026-11-26", "20261126", "26.11.2026", "2026/11/26", " 2026-11-26 "])
def test_a_filter_takes_every_form_that_means_one_day(text: str) -> None:
    assert typed_dates.day(text) == date(2026, 11, 26)


@pytest.mark.parametrize(
    "text", ["", "11/26/2026", "05/06/2026", "31.2.2026", "2026-13-01", "today", "٢٠٢٦-11-26"]
)
def test_a_filter_takes_no_day_that_may_be_another(text: str) -> None:
    assert typed_dates.day(text) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/worklist?day=", "/messages?since=", "/quality?from=", "/administration/audit?until="]
)
def test_a_day_that_is_none_is_said_to_be(user: User, path: str) -> None:
    client = signed_in(user)
    said = "is not a valid date"
    assert said in client.get(f"{path}31.2.2026").content.decode()
    assert said not in client.get(f"{path}2026-02-28").content.decode()
    assert said not in client.get(path).content.decode()
