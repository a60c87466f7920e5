"""What is told of a step that is booked, whose appointment is given up or missed, or has another time."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ledger import stamps, written_dates
from ledger.events import Entry
from worklist import worklist_events
from worklist.models import AppointmentStatus
from worklist.orders.order_aggregate import OrderAggregate, StepRecord
from worklist.provenance import Provenance
from worklist.schedule import bookings


def told(
    before: Mapping[str, Any], step: StepRecord, aggregate: OrderAggregate, zone: ZoneInfo, by: Provenance
) -> Iterator[Entry]:
    """What is another start, or another end, of a step's appointment."""
    now = step.booking
    if all(before.get(name) == now.get(name) for name in ("start", "ended")):
        return
    about = [("step", step.public_id), ("order", aggregate.order.public_id)]
    start = in_words(now["start"], zone) if "start" in now else ""
    said = step.stamps.get("start", [""])[0]
    if now.get("ended") == AppointmentStatus.NO_SHOW:
        yield by.entry(worklist_events.STEP_MISSED, about, reason=now.get("reason", ""), start=start)
    elif not bookings.decides(now, said) and said and start:
        at = written_dates.minute(stamps.moment_of(said), zone)
        yield by.entry(worklist_events.STEP_ORDER_COUNTS, about, at=at, start=start)
    elif start:
        yield by.entry(worklist_events.STEP_BOOKED, about, start=start)
    else:
        yield by.entry(worklist_events.STEP_UNBOOKED, about, reason=now.get("reason", ""))


def in_words(start: str, zone: ZoneInfo) -> str:
    """When a booking begins."""
    return written_dates.minute(datetime.fromisoformat(start), zone)
