"""Everything that the turnaround page shows, from two readings of the rows: the period's and today's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from accounts import access
from accounts.models import User
from ledger import clock, written_dates
from reporting.models import ReadingItem
from reporting.reporting_section import TARGETS, ReportingSection
from reporting.turnaround import backlog, breakdown, orphans, period_figures
from reporting.turnaround.backlog import Exceptions, Waiting
from reporting.turnaround.interval_figures import NOTHING, Figures
from reporting.turnaround.intervals import HEADLINE
from reporting.turnaround.period_figures import BadTime, Group, Measured, Question

_HOURLY_UP_TO: Final = timedelta(days=2)
_MOST_DAYS: Final = 400
_MOST_SHOWN: Final = 6
"""Rows of what is late and at risk that are shown at once."""
_READING: Final = "reading"


@dataclass(frozen=True)
class Slot:
    """A day, or an hour of one, of the chart over time; `hours` is how long a day is where clocks change.

    `keys` are those of the group that its figures are of.
    """

    title: str
    figures: Figures
    keys: Mapping[str, str]
    hours: float = 24


@dataclass(frozen=True)
class PriorityToday:
    """A priority today: what became ready and how it stands to its target, and what of it waits."""

    priority: str
    target: timedelta
    figures: Figures
    waiting: Waiting


@dataclass(frozen=True)
class Now:
    """How the reading stands at a moment. `late` and `at_risk` are the first due of those that wait."""

    seen: datetime
    today: Mapping[str, Figures]
    waiting: Waiting
    priorities: Sequence[PriorityToday]
    late: Sequence[ReadingItem]
    at_risk: Sequence[ReadingItem]


@dataclass(frozen=True)
class Dashboard:
    """The page's content. `heat[weekday][hour]` and `by` are of the chosen interval.

    `now` is of the question's moment; `orphan_counts` are of now.
    """

    question: Question
    chosen: str
    now: Now
    exceptions: Exceptions
    intervals: Mapping[str, Figures]
    reads: int
    is_hourly: bool
    over_time: Sequence[Slot]
    heat: Sequence[Sequence[Figures]]
    by: Mapping[str, Sequence[Group]]
    quartiles: tuple[float, float, float] | None
    shows_names: bool
    bad_times: Sequence[BadTime]
    orphan_counts: Mapping[str, int]
    modalities: Sequence[str]
    priorities: Sequence[str]


def standing_at(user: User, seen: datetime, zone: ZoneInfo, modality: str = "", priority: str = "") -> Now:
    """What is late, at risk, and done against its target today, for a glance."""
    midnight = breakdown.midnight(seen.astimezone(zone).date(), zone)
    end = seen + timedelta(milliseconds=1)
    asked = Question(midnight, end, seen, (HEADLINE, _READING), modality=modality, priority=priority)
    today = Measured(user, asked)
    only = {"modality": modality, "priority": priority}
    waiting = backlog.waiting_by_priority(user, seen, **only)
    done = {group.titles[0]: group.intervals[_READING] for group in today.groups([_READING], ["priority"])}
    section = ReportingSection.current()
    return Now(
        seen=seen,
        today={name: today.figures(name) for name in (HEADLINE, _READING)},
        waiting=backlog.waiting(user, seen, **only),
        priorities=[
            PriorityToday(
                name, section.target(name), done.get(name, NOTHING), waiting.get(name) or _none(seen)
            )
            for name in TARGETS
            if name in done or name in waiting
        ],
        late=_shown(backlog.part(user, seen, "late", **only)),
        at_risk=_shown(backlog.part(user, seen, "at_risk", **only)),
    )


def _none(seen: datetime) -> Waiting:
    return Waiting(seen, 0, 0, 0, 0)


def _shown(rows: QuerySet[ReadingItem]) -> list[ReadingItem]:
    return list(rows.select_related("lease__holder")[:_MOST_SHOWN])


def dashboard(user: User, question: Question, chosen: str, zone: ZoneInfo) -> Dashboard:
    """Measure the period and today; raises `Invalid` for a question that has no answer."""
    replace(question, intervals=(chosen,)).check()
    measured = Measured(user, question)
    seen = question.seen
    by_hour = question.end - question.begin <= _HOURLY_UP_TO
    groups = ["modality", "priority", "reader"] + ["facility"] * (user.facilities.count() > 1)
    quartiles = measured.quartiles([chosen])
    return Dashboard(
        question=question,
        chosen=chosen,
        now=standing_at(user, seen, zone, question.modality, question.priority),
        exceptions=backlog.exceptions(user, question.begin, min(question.end, seen)),
        intervals={name: measured.figures(name) for name in question.intervals},
        reads=measured.reads(),
        is_hourly=by_hour,
        over_time=_over_time(measured, chosen, question, zone, by_hour),
        heat=_heat(measured, chosen),
        by={name: measured.groups([chosen], [name]) for name in groups},
        quartiles=quartiles.get(chosen),
        shows_names=period_figures.shows_names(),
        bad_times=measured.bad_times(),
        orphan_counts=orphans.counts(user, clock.now()),
        modalities=_values(user, "modality"),
        priorities=_values(user, "priority"),
    )


def _over_time(
    measured: Measured, chosen: str, question: Question, zone: ZoneInfo, by_hour: bool
) -> list[Slot]:
    """Every day of the period, or every hour of each, also those in which nothing began."""
    last = (question.end - timedelta(milliseconds=1)).astimezone(zone).date()
    first = max(question.begin.astimezone(zone).date(), last - timedelta(days=_MOST_DAYS))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    keys = ["day", "hour"] if by_hour else ["day"]
    found = {group.titles: group.intervals[chosen] for group in measured.groups([chosen], keys)}
    if not by_hour:
        return [_day(day, found.get((day.isoformat(),), NOTHING), zone) for day in days]
    return [
        Slot(
            f"{written_dates.day(day)} {hour:02d}:00",
            found.get((day.isoformat(), f"{hour:02d}"), NOTHING),
            {"day": day.isoformat(), "hour": str(hour)},
        )
        for day in days
        for hour in range(24)
    ]


def _day(day: date, figures: Figures, zone: ZoneInfo) -> Slot:
    return Slot(written_dates.weekday(day), figures, {"day": day.isoformat()}, breakdown.day_hours(day, zone))


def _heat(measured: Measured, chosen: str) -> list[list[Figures]]:
    heat = [[NOTHING] * 24 for _ in range(7)]
    for group in measured.groups([chosen], ["weekday", "hour"]):
        weekday, hour = group.keys
        heat[int(weekday)][int(hour)] = group.intervals[chosen]
    return heat


def _values(user: User, name: str) -> list[str]:
    """The values that the user's items have; there are few."""
    rows = access.visible(ReadingItem.objects.all(), user).order_by(name).values_list(name, flat=True)
    return [value for value in rows.distinct() if value]
