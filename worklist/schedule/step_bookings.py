"""What appointments and arrivals come to for one step.

Who has arrived keeps the place on that day's list: an appointment that is given up, missed or moved to
another day afterwards contradicts that, and it is for a person to say what is so. Nothing here knows a
database.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from worklist.models import PatientArrival, StatusEvent
from worklist.orders import step_status
from worklist.orders.order_aggregate import StatusEventRecord, StepRecord
from worklist.orders.step_status import BY_ARRIVAL, Begun
from worklist.schedule import bookings, wall_clock
from worklist.schedule.bookings import NoShow, Seen

MOVED = "moved"


@dataclass(frozen=True)
class Outcome:
    """What a step keeps of its appointments, whether nobody came, and the arrivals that are for it."""

    booking: dict[str, Any]
    missed: NoShow | None = None
    arrivals: Sequence[PatientArrival] = field(default_factory=tuple)
    here_since: str = ""


class _Came(NamedTuple):
    """A patient was here: since which stamp, on which day."""

    stamp: str
    day: str


@dataclass(frozen=True)
class StepCase:
    """A step with the appointments of its order and the arrivals of its patient.

    `received_at` is when it is due where nobody says a time.
    """

    step: StepRecord
    code: str
    codes: Sequence[str]
    acts: Sequence[StatusEventRecord]
    seen: Sequence[Seen]
    arrivals: Sequence[PatientArrival]
    received_at: datetime
    zone: ZoneInfo

    def outcome(self) -> Outcome:
        """What all that comes to."""
        begun = step_status.begun(self.acts)
        appointments = self._until(begun)
        full = bookings.booking(appointments, self.code)
        day = self._day(full)
        arrivals = [
            one for one in self.arrivals if one.local_date in (day, self._day_until(one.stamp, begun))
        ]
        came = self._came(arrivals, begun)
        if came is None:
            return Outcome(full, bookings.no_show(appointments), arrivals)
        then = self._booked_until(came.stamp)
        if "ended" not in full and day in (came.day, self._day(then)):
            return Outcome(full, None, arrivals, came.stamp)
        return Outcome({**then, **_contradiction(full, came.stamp)}, None, arrivals, came.stamp)

    def about(self) -> list[Seen]:
        """The appointments that are for the step, whenever what was said of them was said."""
        return bookings.relevant(self.seen, self.code, self.codes)

    def _came(self, arrivals: Sequence[PatientArrival], begun: Begun | None) -> _Came | None:
        """The newest act by which the patient is here, if nobody took it back, from before the exam began."""
        acts = [one for one in self.acts if one.kind == StatusEvent.Kind.ARRIVE]
        taken_back = {one.stamp for one in acts if one.undone_by}
        own = [one for one in acts if not one.undone_by and not one.source.startswith(BY_ARRIVAL)]
        found = [_Came(one.stamp, wall_clock.of(one.occurred_at, self.zone)[0]) for one in own]
        found += [_Came(one.stamp, one.local_date) for one in arrivals if one.stamp not in taken_back]
        return max((one for one in found if begun is None or one.stamp <= begun.stamp), default=None)

    def _until(self, begun: Begun | None) -> list[Seen]:
        heard = [then for one in self.seen if (then := one.until(begun)) is not None]
        return bookings.relevant(heard, self.code, self.codes)

    def _booked_until(self, stamp: str) -> dict[str, Any]:
        """As it was when the patient was here: who came has missed nothing."""
        return bookings.booking(self._until(Begun(stamp, took_place=True)), self.code)

    def _day_until(self, stamp: str, begun: Begun | None) -> str:
        return self._day(self._booked_until(min(stamp, begun.stamp) if begun else stamp))

    def _day(self, booking: dict[str, Any]) -> str:
        """The day of a step, or that for which it was booked until that was given up; empty for none."""
        planned = bookings.planned_start(booking, self.step.start, self.step.stamps.get("start", [""])[0])
        if planned is None and "ended" in booking:
            if "was" not in booking:
                return ""
            planned = datetime.fromisoformat(booking["was"])
        return wall_clock.of(planned or self.received_at, self.zone)[0]


def _contradiction(full: dict[str, Any], here_since: str) -> dict[str, Any]:
    """What was said of the appointment after the patient came."""
    if not full or full["stamp"] <= here_since:
        return {}
    what = full.get("ended", MOVED)
    return {"but": {"what": what, **({"start": full["start"]} if what == MOVED else {})}}
