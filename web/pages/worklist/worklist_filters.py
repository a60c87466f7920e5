"""The filters of the technologist worklist: what the URL says, as keys, and as chips that change the URL."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from django.http import HttpRequest, QueryDict
from django.utils import timezone

from web.kernel.list_filters import Chip, any_of, modalities, one_of, text_of, texts_of
from web.pages.worklist.worklist_columns import TABLE
from worklist.models import PRESSING, StepStatus
from worklist.patients import typed_dates
from worklist.schedule import day_schedule

UNSCHEDULED: Final = "unscheduled"
DAYS: Final = {"today": "Today", "yesterday": "Yesterday", "tomorrow": "Tomorrow", "any": "Any day"} | {
    UNSCHEDULED: "To be scheduled"
}
STATES: Final = {
    "open": sorted(day_schedule.OPEN),
    "waiting": [StepStatus.ARRIVED],
    "running": [StepStatus.STARTED],
    "done": [StepStatus.COMPLETED],
    "ended": [StepStatus.NO_SHOW, StepStatus.CANCELLED, StepStatus.DISCONTINUED],
    "all": [],
}
"""Names of sets of statuses, in the words of a technologist; a single status names itself."""
_STATE_WORDS: Final = {"open": "To do", "waiting": "Arrived", "running": "In the room", "done": "Done"} | {
    "ended": "Not done",
    "all": "All",
}
PRIORITIES: Final = {priority.value: str(priority.label) for priority in PRESSING}
LONGEST_TEXT: Final = 200


@dataclass(frozen=True)
class Filters:
    """What the URL asks for, cleaned; what makes no sense is as if not there."""

    day: str = "today"
    state: str = "open"
    modalities: tuple[str, ...] = ()
    station: str = ""
    priorities: tuple[str, ...] = ()
    text: str = ""
    sort: str = TABLE.usual
    as_lanes: bool = False

    def keys(self, also: Collection[int] = ()) -> day_schedule.Keys:
        """The same as keys of the search; `also` for steps whose status is another since a moment."""
        first, last = self.days()
        return day_schedule.Keys(
            from_day=f"{first:%Y%m%d}" if first else "",
            to_day=f"{last:%Y%m%d}" if last else "",
            statuses=STATES.get(self.state, [self.state]),
            modalities=self.modalities,
            station=self.station,
            priorities=self.priorities,
            text=self.text,
            awaits_time=self.day == UNSCHEDULED,
            also=also,
        )

    def days(self) -> tuple[date | None, date | None]:
        """The first and the last day, in the time zone that is active."""
        today = timezone.localdate()
        if not self.is_of_day:
            return None, None
        near = {"today": 0, "yesterday": -1, "tomorrow": 1}
        day = today + timedelta(days=near[self.day]) if self.day in near else date.fromisoformat(self.day)
        return day, day

    @property
    def is_of_day(self) -> bool:
        """Whether a day is asked for."""
        return self.day not in ("any", UNSCHEDULED)

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is asked for beside today's open steps."""
        return self != Filters(sort=self.sort, as_lanes=self.as_lanes)


def read(query: QueryDict) -> Filters:
    """The filters in a query string."""
    return Filters(
        day=_day(text_of(query, "day", max(map(len, DAYS)))),
        state=_state(text_of(query, "status", 20)),
        modalities=texts_of(query, "modality", 16),
        station=text_of(query, "station", 16),
        priorities=tuple(value for value in texts_of(query, "priority", 8) if value in PRIORITIES),
        text=text_of(query, "q", LONGEST_TEXT),
        sort=TABLE.sort_of(query),
        as_lanes=query.get("view") == "lanes",
    )


def _day(text: str) -> str:
    if text in DAYS:
        return text
    day = typed_dates.day(text)
    return day.isoformat() if day else "today"


def _state(text: str) -> str:
    return text if text in STATES or text in StepStatus.values else "open"


# Chips


def chips(request: HttpRequest, filters: Filters, to_schedule: int) -> list[tuple[str, list[Chip]]]:
    """The chips by group; a day and a status are one of several, modalities and priorities add up.

    `to_schedule` is how many steps wait for a time.
    """
    days = dict(DAYS) if filters.day in DAYS else {**DAYS, filters.day: filters.day}
    days[UNSCHEDULED] += f" ({to_schedule})"
    states = dict(_STATE_WORDS)
    if filters.state not in states:
        states[filters.state] = filters.state
    return [
        ("Day", [_day_chip(request, key, text, filters.day) for key, text in days.items()]),
        (
            "Status",
            [one_of(request, "status", key, text, filters.state, "open") for key, text in states.items()],
        ),
        (
            "Modality",
            [
                any_of(request, "modality", key, key, filters.modalities)
                for key in modalities(filters.modalities)
            ],
        ),
        ("Priority", [any_of(request, "priority", *pair, filters.priorities) for pair in PRIORITIES.items()]),
    ]


def _day_chip(request: HttpRequest, key: str, text: str, chosen: str) -> Chip:
    chip = one_of(request, "day", key, text, chosen, "today")
    return replace(chip, key_name="unscheduled") if key == UNSCHEDULED else chip
