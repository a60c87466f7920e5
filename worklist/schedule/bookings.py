"""What appointments come to for a step: when it is booked, whether that was given up, whether nobody came.

It follows from the set of appointments that name its order, and from nothing else, so any order of arrival of
orders and appointments ends the same. Nothing here knows a database.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from worklist.models import Appointment, AppointmentStatus
from worklist.orders.step_status import Begun
from worklist.schedule import appointment_history

NOTHING: dict[str, Any] = {}
OTHER_ORDER: Final = "other-order"
"""How an appointment ended for an order that it names no more; else its own status says how."""


@dataclass(frozen=True)
class Seen:
    """An appointment as an order sees it; `left` is since when it names other orders only."""

    appointment: Appointment
    left: str = ""

    def until(self, begun: Begun | None) -> "Seen | None":
        """What counts for a step that has begun or ended: what was said until then; None where nothing was.

        That nobody came to an exam that took place never counts.
        """
        if begun is None:
            return self
        then = appointment_history.as_of(self.appointment, begun.stamp)
        if then is None:
            return None
        if begun.took_place and then.status == AppointmentStatus.NO_SHOW:
            then.status = AppointmentStatus.BOOKED
        return Seen(then, self.left if self.left <= begun.stamp else "")

    @property
    def stands(self) -> bool:
        return not self.left and self.stands_itself

    @property
    def how_ended(self) -> str:
        """How it came not to stand."""
        return OTHER_ORDER if self.left and self.stands_itself else str(self.appointment.status)

    @property
    def stands_itself(self) -> bool:
        """Whether it stands, be it for another order."""
        return self.appointment.status == AppointmentStatus.BOOKED

    @property
    def ended(self) -> str:
        """Since when it does not stand, or else stands."""
        return max(self.left, self._stamp("status"))

    def codes(self) -> set[str]:
        return {one["code"] for one in self.appointment.services if one["code"]}

    def start(self, code: str) -> tuple[str, str, str]:
        """Since when which start is said for a procedure of this code, and the number to tell two apart."""
        own = (one["start"] for one in self.appointment.services if one["code"] == code)
        of_service = next((start for start in own if start), "")
        of_all = self.appointment.start.astimezone(UTC).isoformat() if self.appointment.start else ""
        stamps = self._stamp("start"), self._stamp("services")
        if of_service and (stamps[1] >= stamps[0] or not of_all):
            return stamps[1], of_service, self.appointment.number
        return stamps[0], of_all, self.appointment.number

    def _stamp(self, name: str) -> str:
        return str(self.appointment.stamps.get(name, [""])[0])


class NoShow(NamedTuple):
    """That nobody came to an appointment."""

    appointment: Appointment
    stamp: str


def relevant(seen: Sequence[Seen], code: str, codes: Iterable[str]) -> list[Seen]:
    """The appointments for a procedure: those that name its code, else those that name none of the order."""
    own = [one for one in seen if code and code in one.codes()]
    return own or [one for one in seen if not one.codes() & set(codes)]


def booking(appointments: Sequence[Seen], code: str) -> dict[str, Any]:
    """What a step keeps of its appointments; empty where none says anything of it."""
    standing = [one for one in appointments if one.stands]
    if standing:
        best = max(standing, key=lambda one: one.start(code))
        stamp, start, _ = best.start(code)
        return _kept(best, stamp, start) if start else NOTHING
    if not appointments:
        return NOTHING
    newest = max(appointments, key=lambda one: (one.ended, one.appointment.number))
    return _given_up(newest, newest.start(code)[1])


def no_show(appointments: Sequence[Seen]) -> NoShow | None:
    """The no-show that the newest of appointments, none of which stands, came to."""
    if any(one.stands for one in appointments):
        return None
    newest = max(appointments, key=lambda one: (one.ended, one.appointment.number), default=None)
    if newest is None or newest.left or newest.appointment.status != AppointmentStatus.NO_SHOW:
        return None
    return NoShow(newest.appointment, newest.ended)


def planned_start(booking: dict[str, Any], start: datetime | None, stamp: str) -> datetime | None:
    """When a step begins: of its appointments and its order the newest decides; None where neither says."""
    if not decides(booking, stamp):
        return start
    return datetime.fromisoformat(booking["start"]) if "start" in booking else None


def decides(booking: Mapping[str, Any], stamp: str) -> bool:
    """Whether appointments say when a step begins, and not its order, which said it with this stamp."""
    return "stamp" in booking and bool(booking["stamp"] >= stamp)


def _given_up(one: Seen, start: str) -> dict[str, Any]:
    """Of one that does not stand: how it ended, and who said so why. One that was missed keeps its time."""
    said = one.appointment.stamps.get("status", ["", ""])
    kept = {"stamp": one.ended, "appointment": one.appointment.public_id, "ended": one.how_ended}
    if one.how_ended != OTHER_ORDER:
        kept["source"] = said[1]
        if one.appointment.stamps.get("reason", [""])[0] == said[0]:
            kept["reason"] = one.appointment.reason
    if start:
        kept["start" if one.how_ended == AppointmentStatus.NO_SHOW else "was"] = start
    return kept


def _kept(one: Seen, stamp: str, start: str) -> dict[str, Any]:
    kept = {"stamp": stamp, "start": start, "appointment": one.appointment.public_id}
    for name in ("location", "station_ae_title"):
        if value := getattr(one.appointment, name):
            kept[name] = value
    return kept
