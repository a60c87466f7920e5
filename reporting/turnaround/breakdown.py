"""By what figures are grouped. Hours, weekdays and days are those of the start event, on the local clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from reporting.turnaround.stage_time import Floats, Whole

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_QUARTER: Final = 900_000.0
"""Milliseconds. All zones are whole quarters of an hour from UTC, so a quarter lies in one local hour."""

Labels = NDArray[Any]


@dataclass(frozen=True)
class Local:
    """Local clock readings of many moments: day as days since 1970, hour 0-23, weekday 0 (Monday) to 6."""

    day: Whole
    hour: Whole
    weekday: Whole


def local(moments: Floats, zones: NDArray[np.object_]) -> Local:
    """What the clocks on the wall said at `moments` (ms since 1970 UTC), each in its own zone."""
    day, hour = np.zeros(len(moments), np.int64), np.zeros(len(moments), np.int64)
    for zone in dict.fromkeys(zones):
        mine = zones == zone
        quarters, place = np.unique(np.floor(moments[mine] / _QUARTER), return_inverse=True)
        read = [_read(float(quarter) * _QUARTER, zone) for quarter in quarters]
        day[mine] = np.array([one[0] for one in read], np.int64)[place]
        hour[mine] = np.array([one[1] for one in read], np.int64)[place]
    return Local(day, hour, (day + 3) % 7)


def _read(moment: float, zone: str) -> tuple[int, int]:
    at = datetime.fromtimestamp(moment / 1000, UTC).astimezone(ZoneInfo(zone))
    return at.date().toordinal() - _EPOCH, at.hour


_EPOCH: Final = date(1970, 1, 1).toordinal()


def day_of(number: int) -> date:
    """The date of a day of `Local`."""
    return date.fromordinal(int(number) + _EPOCH)


def day_hours(day: date, zone: ZoneInfo) -> float:
    """How many hours a local day has: 23 or 25 where the clocks change."""
    begin, end = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    return (end - begin).total_seconds() / 3600


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a local day begins, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


BY_CLOCK: Final[Mapping[str, Callable[[Local], Whole]]] = {
    "hour": lambda at: at.hour,
    "weekday": lambda at: at.weekday,
    "day": lambda at: at.day,
}


def shown(by: str, value: Any) -> str:
    """A group's key, as pages and the API write it."""
    if by == "hour":
        return f"{int(value):02d}"
    if by == "weekday":
        return WEEKDAYS[int(value)]
    if by == "day":
        return day_of(int(value)).isoformat()
    return str(value)


def split(keys: Sequence[Labels]) -> list[tuple[tuple[Any, ...], Whole]]:
    """The groups of rows that agree in all `keys`, in the order of their keys, with the rows of each."""
    if not len(keys[0]):
        return []
    codes = np.zeros(len(keys[0]), np.int64)
    for key in keys:
        values, place = np.unique(key, return_inverse=True)
        codes = codes * len(values) + place
    found, first, place = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(place, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(place, minlength=len(found)))[:-1])
    return [(tuple(key[start] for key in keys), part) for start, part in zip(first, parts, strict=True)]
