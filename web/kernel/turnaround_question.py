"""What is asked of turnaround, from parameters of a URL as they came: days, times with offset, names."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.dateparse import parse_datetime

from ledger.errors import Invalid
from reporting.turnaround import breakdown
from reporting.turnaround.intervals import INTERVALS
from reporting.turnaround.period_figures import Question


def asked(given: Mapping[str, str], zone: ZoneInfo, now: datetime) -> Question:
    """The question that parameters ask; raises `Invalid` for those that can't be read."""
    seen = moment(given["as_of"], "as_of", zone) if given.get("as_of") else now
    today = breakdown.midnight(seen.astimezone(zone).date() - timedelta(days=6), zone)
    group_by = given.get("group_by", "")
    question = Question(
        begin=moment(given["from"], "from", zone) if given.get("from") else today,
        end=moment(given["to"], "to", zone) if given.get("to") else seen,
        seen=seen,
        intervals=tuple(given["interval"].split(",")) if given.get("interval") else tuple(INTERVALS),
        group_by=tuple(group_by.split(",")) if group_by not in ("", "interval") else (),
        view=given.get("view", "cohort"),
        modality=given.get("modality", ""),
        priority=given.get("priority", ""),
    )
    question.check()
    return question


def moment(text: str, field: str, zone: ZoneInfo) -> datetime:
    """A day, which begins at its local midnight, or a time with its offset; raises `Invalid`."""
    try:
        if len(text) == 10:
            return breakdown.midnight(date.fromisoformat(text), zone)
        found = parse_datetime(text.replace(" ", "+"))  # a plus that was not escaped
        in_range = found is not None and 1970 < found.year < 9999
    except (ValueError, OverflowError):
        found, in_range = None, False
    if found is None or not in_range:
        raise Invalid("a day as 2026-03-02 or a time as 2026-03-02T08:00:00+01:00 is expected", field)
    return found if found.tzinfo else found.replace(tzinfo=zone)
