"""Working time: how much of a stretch lies in opening hours, and when a target counted in them is reached."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from reporting.turnaround.grouping import midnight

_LONGEST = timedelta(days=3660)


@dataclass(frozen=True)
class Calendar:
    """Opening hours by weekday (0: Monday), on the local clock; closed on `holidays`. Empty: always open."""

    zone: ZoneInfo
    hours: Mapping[int, tuple[tuple[time, time], ...]] = field(default_factory=dict)
    holidays: frozenset[date] = frozenset()

    def open(self, begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The stretches open_k, in UTC, that touch `[begin, end]`, in order."""
        day, last = begin.astimezone(self.zone).date(), end.astimezone(self.zone).date()
        while day <= last:
            hours = () if day in self.holidays else self.hours.get(day.weekday(), ())
            for opens, closes in hours:
                yield self._at(day, opens), self._at(day, closes)
            day += timedelta(days=1)

    def _at(self, day: date, at: time) -> datetime:
        """A time of day in UTC; 00:00 as a closing time would be `time.max`, which is the next midnight."""
        if at == time.max:
            return midnight(day + timedelta(days=1), self.zone)
        return datetime.combine(day, at, self.zone).astimezone(UTC)


def between(calendar: Calendar, begin: datetime, end: datetime) -> timedelta:
    """B(a, b): the sum of |[a, b] ∩ open_k|."""
    begin, end = begin.astimezone(UTC), end.astimezone(UTC)
    if not calendar.hours:
        return max(end - begin, timedelta())
    parts = (min(end, closes) - max(begin, opens) for opens, closes in calendar.open(begin, end))
    return sum((part for part in parts if part > timedelta()), timedelta())


def due(calendar: Calendar, start: datetime, target: timedelta) -> datetime:
    """The least x with B(start, x) >= target; raises ValueError where ten years don't have so many hours."""
    start = start.astimezone(UTC)
    if not calendar.hours:
        return start + target
    left = target
    for opens, closes in calendar.open(start, start + _LONGEST):
        length = closes - max(start, opens)
        if length <= timedelta():
            continue
        if length >= left:
            return max(start, opens) + left
        left -= length
    raise ValueError("the opening hours never come to this target")
