"""How many messages are usual in an hour: learnt from the counts of the last four weeks.

Working days and weekends are learnt apart. The median of the same hour of those days is usual, so that one
day of trouble, or of catching up, changes nothing.
"""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date as Date
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from accounts.models import Facility
from interfaces.hl7.models import TrafficCount, TrafficKind

DAYS: Final = 28
FEWEST: Final = 3
"""Days of a kind from which something is learnt."""
LONGEST: Final = timedelta(days=7)
Partner = tuple[str, str]
"""A direction and a sender or destination."""
_HOUR: Final = timedelta(hours=1)
_SATURDAY: Final = 5


@dataclass(frozen=True)
class UsualRates:
    """What is usual, for each partner of which enough is known."""

    zone: ZoneInfo
    counts: Mapping[Partner, Mapping[tuple[Date, int], int]]
    today: Date
    _known: dict[tuple[Partner, bool, int], float | None] = field(default_factory=dict)

    def at(self, partner: Partner, at: datetime) -> float | None:
        """How many messages are usual in the hour of a time; None where that is not learnt yet."""
        local = at.astimezone(self.zone)
        key = (partner, local.weekday() >= _SATURDAY, local.hour)
        if key not in self._known:
            self._known[key] = self._learn(*key)
        return self._known[key]

    def expected(self, partner: Partner, since: datetime, until: datetime) -> float | None:
        """How many messages would have been usual between two times, at most a week apart."""
        since = max(since, until - LONGEST)
        total, start = 0.0, since
        while start < until:
            end = min(until, start.replace(minute=0, second=0, microsecond=0) + _HOUR)
            usual = self.at(partner, start)
            if usual is None:
                return None
            total += usual * ((end - start) / _HOUR)
            start = end
        return total

    def _learn(self, partner: Partner, is_weekend: bool, hour: int) -> float | None:
        counts = self.counts.get(partner, {})
        if not counts:
            return None
        first = min(day for day, _ in counts)
        days = [first + timedelta(days=n) for n in range((self.today - first).days)]
        same: Sequence[Date] = [day for day in days if (day.weekday() >= _SATURDAY) == is_weekend]
        if len(same) < FEWEST:
            return None
        return statistics.median(counts.get((day, hour), 0) for day in same)


def learnt(now: datetime) -> UsualRates:
    """What is usual, from the days before today."""
    facility = Facility.objects.order_by("pk").first()
    zone = ZoneInfo(facility.time_zone if facility else "UTC")
    midnight = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = TrafficCount.objects.filter(
        kind=TrafficKind.MESSAGE, hour__gte=midnight - timedelta(days=DAYS), hour__lt=midnight
    )
    counts: dict[Partner, dict[tuple[Date, int], int]] = defaultdict(lambda: defaultdict(int))
    for direction, partner, hour, number in rows.values_list("direction", "partner", "hour", "number"):
        local = hour.astimezone(zone)
        counts[direction, partner][local.date(), local.hour] += number
    return UsualRates(zone, counts, midnight.date())
