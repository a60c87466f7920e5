"""Each sender and each destination as it is now, for the page, REST and `/metrics`. Only reads counts."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Max, OuterRef, Subquery, Sum

from interfaces.hl7 import source_options
from interfaces.hl7.inbound import sources
from interfaces.hl7.models import (
    Alarm,
    InboundMessage,
    OpenConnections,
    Source,
    TrafficCount,
    TrafficKind,
)
from interfaces.hl7.monitoring import usual_rates
from interfaces.hl7.monitoring.usual_rates import UsualRates
from interfaces.hl7.outbound import delivery_queues
from interfaces.hl7.outbound.delivery_queues import Queue
from ledger import clock, heartbeat
from ledger.models import Heartbeat

MOST_SENDERS: Final = 200
PLACES: Final = 5
"""Kinds of errors, and places of values left out, that are named of each."""
DAY: Final = timedelta(hours=24)
Places = Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Rate:
    """Messages of this hour so far, and how many are usual by now and in the whole hour, as far as learnt."""

    now: int
    by_now: float | None
    in_hour: float | None


@dataclass(frozen=True)
class Connected:
    """The open connections of a sender: how many, from where, and since when the oldest."""

    number: int
    since: datetime
    peers: Sequence[str]


@dataclass(frozen=True)
class SenderState:
    """A sender as it names itself, and the entry of the site file that it is; None where it is unknown.

    Of an entry that nobody has sent under yet, `name` is its own.
    """

    name: str
    entry: Source | None
    connected: Connected | None
    last: datetime | None
    rate: Rate
    errors: Places
    left_out: Places
    alarms: Sequence[Alarm]
    silence: str
    """What the site file says of its silence: `learnt`, `off` or minutes."""

    @property
    def has_sent(self) -> bool:
        """Whether anything of it is known."""
        return self.last is not None

    @property
    def error_count(self) -> int:
        """Errors of the last 24 hours, those named."""
        return sum(number for _, number in self.errors)

    @property
    def left_out_count(self) -> int:
        """Values left out in the last 24 hours, those named."""
        return sum(number for _, number in self.left_out)


@dataclass(frozen=True)
class DestinationState:
    """A destination: its queue, and what was delivered to it."""

    queue: Queue
    rate: Rate
    errors: Places
    alarms: Sequence[Alarm]

    @property
    def error_count(self) -> int:
        """Refusals of the last 24 hours, those named."""
        return sum(number for _, number in self.errors)

    @property
    def oldest_age(self) -> timedelta | None:
        """How long the oldest message has been waiting."""
        return clock.now() - self.queue.oldest if self.queue.oldest else None


@dataclass(frozen=True)
class Interfaces:
    """All of them, and the alarms that are open."""

    senders: Sequence[SenderState]
    destinations: Sequence[DestinationState]
    alarms: Sequence[Alarm]

    @property
    def unknown(self) -> Sequence[SenderState]:
        """Senders that the site file does not know."""
        return [one for one in self.senders if one.entry is None]


def read() -> Interfaces:
    """The state of every interface now."""
    now = clock.now()
    usual, alarms = usual_rates.learnt(now), list(Alarm.objects.filter(cleared_at=None).order_by("raised_at"))
    around = _Around(now, usual, alarms)
    return Interfaces(around.senders(), around.destinations(), alarms)


def last_received() -> dict[str, datetime]:
    """When each sender's newest message came, those that were heard last."""
    recent = TrafficCount.objects.filter(direction="in", kind=TrafficKind.MESSAGE).order_by()
    came = InboundMessage.objects.filter(replay_of=None).order_by("-received_at")
    newest = came.filter(source=OuterRef("partner"))
    rows = recent.values("partner").annotate(
        latest=Max("hour"), last=Subquery(newest.values("received_at")[:1])
    )
    found = rows.order_by("-latest").values_list("partner", "last")[:MOST_SENDERS]
    known = {partner: last for partner, last in found if last is not None}
    return known | _not_counted_yet(set(known))


def _not_counted_yet(known: Collection[str]) -> dict[str, datetime]:
    """The same of senders that the site file names whole, and that have sent their first message just now."""
    came = InboundMessage.objects.filter(replay_of=None).order_by("-received_at")
    rows = came.values_list("received_at", flat=True)
    named = (f"{one.application}|{one.facility_name}" for one in Source.objects.all())
    newest = {name: rows.filter(source=name).first() for name in named if name not in known}
    return {name: last for name, last in newest.items() if last is not None}


def shown(sender: str) -> str:
    """A sender as pages write it."""
    return " · ".join(part or "(not said)" for part in sender.split("|"))


class _Around:
    def __init__(self, now: datetime, usual: UsualRates, alarms: Sequence[Alarm]) -> None:
        self.now, self.usual = now, usual
        self.alarms: dict[usual_rates.Partner, list[Alarm]] = defaultdict(list)
        for alarm in alarms:
            self.alarms[alarm.direction, alarm.partner].append(alarm)
        self.hour = now.replace(minute=0, second=0, microsecond=0)
        self.this_hour = dict(_sums(TrafficKind.MESSAGE, self.hour))
        self.errors = _places(TrafficKind.ERROR, now - DAY)
        self.left_out = _places(TrafficKind.LEFT_OUT, now - DAY)

    def senders(self) -> list[SenderState]:
        entries = list(Source.objects.order_by("name"))
        connected, last = _connected(), last_received()
        found, seen = [], set()
        for name in sorted({*last, *(name for name in connected if name)}):
            application, _, facility = name.partition("|")
            entry = sources.entry_for(entries, application, facility)
            seen.add(entry.pk if entry else None)
            found.append(self._sender(name, entry, connected.get(name), last.get(name)))
        for entry in entries:
            if entry.pk not in seen and (entry.application, entry.facility_name) != ("*", "*"):
                found.append(self._sender(f"{entry.application}|{entry.facility_name}", entry, None, None))
        return found

    def _sender(
        self, name: str, entry: Source | None, connected: Connected | None, last: datetime | None
    ) -> SenderState:
        key = ("in", name)
        return SenderState(
            name=name,
            entry=entry,
            connected=connected,
            last=last,
            rate=self._rate(key),
            errors=self.errors.get(key, []),
            left_out=self.left_out.get(key, []),
            alarms=self.alarms[key],
            silence=str(source_options.of(entry).silence_alarm) if entry else "off",
        )

    def destinations(self) -> list[DestinationState]:
        return [
            DestinationState(
                queue=queue,
                rate=self._rate(("out", queue.destination.name)),
                errors=self.errors.get(("out", queue.destination.name), []),
                alarms=self.alarms["out", queue.destination.name],
            )
            for queue in delivery_queues.queues()
        ]

    def _rate(self, key: usual_rates.Partner) -> Rate:
        in_hour = self.usual.at(key, self.now)
        by_now = None if in_hour is None else self.usual.expected(key, self.hour, self.now)
        return Rate(self.this_hour.get(key, 0), by_now, in_hour)


def _sums(kind: TrafficKind, since: datetime) -> list[tuple[usual_rates.Partner, int]]:
    rows = TrafficCount.objects.filter(kind=kind, hour__gte=since).order_by()
    return [
        ((direction, partner), number)
        for direction, partner, number in rows.values_list("direction", "partner").annotate(Sum("number"))
    ]


def _places(kind: TrafficKind, since: datetime) -> Mapping[usual_rates.Partner, Places]:
    """The most frequent places of each partner."""
    rows = TrafficCount.objects.filter(kind=kind, hour__gt=since).order_by()
    sums = rows.values_list("direction", "partner", "place").annotate(number=Sum("number"))
    found: dict[usual_rates.Partner, list[tuple[str, int]]] = defaultdict(list)
    for direction, partner, place, number in sums.order_by("-number", "place"):
        found[direction, partner].append((place, number))
    return {key: _first(places) for key, places in found.items()}


def _first(places: list[tuple[str, int]]) -> Places:
    rest = sum(number for _, number in places[PLACES:])
    return [*places[:PLACES], *([("elsewhere", rest)] if rest else [])]


def _connected() -> dict[str, Connected]:
    """The open connections of each sender, of listeners that live."""
    alive = Heartbeat.objects.filter(process="hl7", at__gte=clock.now() - heartbeat.STALE)
    rows = OpenConnections.objects.filter(instance__in=alive.values("instance")).order_by("peer")
    found: dict[str, Connected] = {}
    for row in rows:
        known = found.get(row.source)
        found[row.source] = Connected(
            number=row.number + (known.number if known else 0),
            since=min(row.since, known.since) if known else row.since,
            peers=[*(known.peers if known else []), row.peer][:3],
        )
    return found
