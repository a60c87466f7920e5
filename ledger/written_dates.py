"""The one form in which people read days and times: that of ISO 8601, with a blank before the time of day.

What machines read has forms of its own: DICOM's and HL7's without dashes, and `isoformat()` in REST and CSV.
"""

import re
from datetime import date, datetime, tzinfo


def day(value: date) -> str:
    """A day: 2026-11-26; of a moment, the one that it has in its own zone."""
    return f"{value:%Y-%m-%d}"


def weekday(value: date) -> str:
    """The same with the day of the week before it: Thu 2026-11-26."""
    return f"{value:%a} {day(value)}"


def minute(value: datetime, zone: tzinfo | None = None) -> str:
    """A moment as its zone's clock shows it, or that of `zone`: 2026-11-26 10:43."""
    local = value.astimezone(zone) if zone else value
    return f"{day(local)} {time(local)}"


def time(value: datetime) -> str:
    """The time of day alone, where the day is clear: 10:43."""
    return f"{value:%H:%M}"


def second(value: datetime, zone: tzinfo | None = None) -> str:
    """A moment to the second: 2026-11-26 10:43:07."""
    local = value.astimezone(zone) if zone else value
    return f"{day(local)} {local:%H:%M:%S}"


def zoned(value: datetime, zone: tzinfo) -> str:
    """A moment with its zone, where readers may be in another: 2026-11-26 10:43 CET."""
    local = value.astimezone(zone)
    return f"{minute(local)} {local:%Z}"


def of_dicom(text: str) -> str:
    """A DICOM date (PS3.5 6.2, DA), as far as it goes; one that is written otherwise as it came."""
    return re.sub(r"^(\d{4})(\d\d)?(\d\d)?$", _dashed, text, flags=re.ASCII)


def time_of_dicom(text: str) -> str:
    """A DICOM time (PS3.5 6.2, TM) to the minute: 10:43; as it came where it does not go that far."""
    return re.sub(r"^(\d\d):?(\d\d).*$", r"\1:\2", text.strip(), flags=re.ASCII)


def _dashed(match: re.Match[str]) -> str:
    return "-".join(part for part in match.groups() if part)
