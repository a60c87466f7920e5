"""Which period the URL of a turnaround page asks for."""

from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils import timezone

from reporting.turnaround import breakdown
from reporting.turnaround.period_figures import Question
from web.kernel.list_filters import text_of
from web.kernel.turnaround_question import asked
from worklist.patients import typed_dates

PERIODS: Final = {"today": ("Today", 0), "7d": ("7 days", 6), "30d": ("30 days", 29), "90d": ("90 days", 89)}
_PARAMETERS: Final = ("from", "to", "as_of", "view", "modality", "priority")


def asked_of(request: HttpRequest, zone: ZoneInfo, group_by: str = "") -> Question:
    """The question that the URL asks; `period` is short for a `from`."""
    given = {name: text for name in _PARAMETERS if (text := text_of(request.GET, name, 100))}
    now = timezone.now()
    period = request.GET.get("period", "")
    if period in PERIODS and "from" not in given:
        seen = asked({"as_of": given.get("as_of", "")}, zone, now).seen
        first = seen.astimezone(zone).date() - timedelta(days=PERIODS[period][1])
        given["from"] = breakdown.midnight(first, zone).isoformat()
    for name in ("from", "to"):
        if day := typed_dates.day(given.get(name, "")):
            # A person's last day is part of the period.
            given[name] = (day if name == "from" else _day_after(day)).isoformat()
    return asked({**given, "group_by": group_by}, zone, now)


def _day_after(day: date) -> date:
    return day + timedelta(days=1) if day < date.max else day
