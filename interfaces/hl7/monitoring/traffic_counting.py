"""Count messages by hour, sender and kind, as they come: each is looked at once, soon after it came.

What is counted and how far commit together, so nothing is counted twice, whoever dies.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import Count, Min
from django.db.models.functions import TruncHour

from interfaces.hl7 import hl7_events
from interfaces.hl7.inspect import message_tree
from interfaces.hl7.models import (
    InboundMessage,
    InboundStatus,
    TrafficCount,
    TrafficKind,
    TrafficWatermark,
)
from ledger import clock
from ledger.models import Event

EVERY: Final = timedelta(seconds=15)
LAG: Final = timedelta(seconds=5)
"""What is younger is counted the next time: its transaction may not have ended."""
WINDOW: Final = timedelta(hours=1)
EVENTS: Final = 20_000
"""Messages of at most so long, and so many events, are looked through in one transaction."""
LEARNT: Final = timedelta(days=28)
KEPT: Final = timedelta(days=60)
MOST: Final = 2_000
"""Different counts of an hour: a sender that changes its name with each message fills no table."""
_PUBLIC_ID: Final = "hl7:"


class Key(NamedTuple):
    """What is counted together."""

    hour: datetime
    direction: str
    partner: str
    kind: str
    place: str


def is_due() -> bool:
    """Whether it is time to count again."""
    mark = TrafficWatermark.objects.filter(name="traffic").first()
    return mark is None or clock.now() - mark.until >= EVERY + LAG


def count() -> bool:
    """Count what has come since; whether something is left to be counted."""
    end = clock.now() - LAG
    with transaction.atomic():
        mark = _mark(end)
        until = min(end, _next_message(mark.until, end) + WINDOW)
        top = min(_newest_event(end), mark.event_id + EVENTS)
        found = _received(mark.until, until)
        found.update(_told(mark.event_id, top))
        _add(found)
        is_behind = until < end or top < _newest_event(end)
        mark.until, mark.event_id = max(until, mark.until), max(top, mark.event_id)
        mark.save()
        TrafficCount.objects.filter(hour__lt=end - KEPT).delete()
    return is_behind


def _mark(end: datetime) -> TrafficWatermark:
    """How far it was counted; at the first time, to where something is learnt from what came before."""
    mark = TrafficWatermark.objects.select_for_update().filter(name="traffic").first()
    if mark is not None:
        return mark
    recent = InboundMessage.objects.filter(received_at__gte=end - LEARNT, received_at__lt=end)
    oldest = recent.aggregate(at=Min("received_at"))["at"]
    start = max(0, _newest_event(end) - 10 * EVENTS)
    return TrafficWatermark.objects.create(name="traffic", until=oldest or end, event_id=start)


def _next_message(since: datetime, end: datetime) -> datetime:
    """When the first message came that is to be counted: hours without one are passed over."""
    rows = InboundMessage.objects.filter(received_at__gte=since, received_at__lt=end)
    first: datetime | None = rows.aggregate(at=Min("received_at"))["at"]
    return first or end


def _newest_event(end: datetime) -> int:
    newest = Event.objects.filter(recorded_at__lt=end).order_by("-id").values_list("id", flat=True).first()
    return newest or 0


def _received(since: datetime, until: datetime) -> "Counter[Key]":
    rows = (
        InboundMessage.objects.filter(received_at__gte=since, received_at__lt=until, replay_of=None)
        .order_by()
        .annotate(hour=TruncHour("received_at", tzinfo=UTC))
        .values_list("hour", "source", "status", "error_code", "error_location")
        .annotate(number=Count("id"))
    )
    found: Counter[Key] = Counter()
    for hour, source, status, code, location, number in rows.iterator():
        found[Key(hour, "in", source, TrafficKind.MESSAGE, "")] += number
        if status in (InboundStatus.FAILED, InboundStatus.REFUSED):
            place = f"{code or ''} {message_tree.Place.of(location)}".strip()[:120]
            found[Key(hour, "in", source, TrafficKind.ERROR, place)] += number
    return found


_KINDS: Final = {
    hl7_events.LEFT_OUT.kind: TrafficKind.LEFT_OUT,
    hl7_events.DELIVERED.kind: TrafficKind.MESSAGE,
    hl7_events.HELD.kind: TrafficKind.ERROR,
    hl7_events.STOPPED.kind: TrafficKind.ERROR,
}


def _told(after: int, top: int) -> Iterable[Key]:
    """What events tell: values that were left out, and what became of messages that go out."""
    rows = list(Event.objects.filter(id__gt=after, id__lte=top, kind__in=frozenset(_KINDS)))
    of_values = [row for row in rows if _KINDS[row.kind] == TrafficKind.LEFT_OUT]
    return [*_left_out(of_values), *_sent(rows)]


def _left_out(rows: Sequence[Event]) -> Iterator[Key]:
    ids = [row.source.removeprefix(_PUBLIC_ID) for row in rows]
    sources = dict(InboundMessage.objects.filter(public_id__in=ids).values_list("public_id", "source"))
    for row in rows:
        source = sources.get(row.source.removeprefix(_PUBLIC_ID))
        for location in row.details.get("locations", []) if source is not None else []:
            place = message_tree.Place.of(str(location))
            text = str(place) if place.segment else str(location)
            yield Key(_hour(row.recorded_at), "in", source or "", TrafficKind.LEFT_OUT, text[:120])


def _sent(rows: Iterable[Event]) -> Iterator[Key]:
    for row in rows:
        kind, error = _KINDS[row.kind], str(row.details.get("error") or "")
        if kind == TrafficKind.MESSAGE and row.source:
            yield Key(_hour(row.recorded_at), "out", row.source, kind, "")
        if kind == TrafficKind.ERROR and row.source and error:  # what a person holds is no error
            yield Key(_hour(row.recorded_at), "out", row.source, kind, error[:60])


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _add(found: "Counter[Key]") -> None:
    keys = dict(found.most_common(MOST))
    hours, partners = {key.hour for key in keys}, {key.partner for key in keys}
    known = {
        Key(row.hour, row.direction, row.partner, row.kind, row.place): row
        for row in TrafficCount.objects.filter(hour__in=hours, partner__in=partners)
    }
    changed = []
    for key, number in keys.items():
        if row := known.get(key):
            row.number += number
            changed.append(row)
    room = {hour: MOST - TrafficCount.objects.filter(hour=hour).count() for hour in hours}
    new = []
    for key, number in keys.items():
        if key not in known and room[key.hour] > 0:
            room[key.hour] -= 1
            new.append(TrafficCount(**key._asdict(), number=number))
    TrafficCount.objects.bulk_update(changed, ["number"], batch_size=200)
    TrafficCount.objects.bulk_create(new, batch_size=200)
