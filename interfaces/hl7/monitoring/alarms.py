"""Alarms: raised once when something is wrong, ended by itself when it is not any more.

| alarm | when |
|---|---|
| silent | no message for the minutes that the site says, or while many would have been usual |
| errors | more messages of a sender failed in this hour of the clock, or the last, than the policy allows |
| stalled | a destination gives no answer |
| backlog | a message waits for too long, though its receiver answers |
| undecided | messages are held or stopped |
| expires | a certificate of ours ends within `expiry_days`, or can't be used |

A destination that a person has paused, and one that is switched off, raises none.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import Sum

from interfaces.hl7 import hl7_events, source_options
from interfaces.hl7.hl7_section import AlarmPolicy, HL7Section
from interfaces.hl7.inbound import sources
from interfaces.hl7.models import Alarm, AlarmKind, Source, TrafficCount, TrafficKind
from interfaces.hl7.monitoring import (
    alarm_notices,
    certificate_ends,
    interface_state,
    traffic_counting,
    usual_rates,
)
from interfaces.hl7.outbound import delivery_queues
from interfaces.hl7.outbound.delivery_queues import Queue
from ledger import clock, events, recurring, written_dates

ENOUGH: Final = 15.0
"""So many messages must be missing: by chance alone that is so once in millions of hours."""
SHORTEST: Final = timedelta(minutes=10)
"""Nobody is told of a silence that is shorter, however much is usual."""
_HOUR: Final = timedelta(hours=1)


class Wrong(NamedTuple):
    """What is wrong with whom."""

    kind: str
    direction: str
    partner: str


def watch() -> int:
    """Count what has come, then raise and end alarms; whether there is more to be counted at once."""
    if traffic_counting.count():
        return 1
    check()
    return 0


def check() -> None:
    """Raise and end alarms by what is so now; one that stands says how it is now, and tells nobody again."""
    found = dict(_wrong(clock.now(), HL7Section.current().alarms))
    with transaction.atomic():
        open_ones = {
            Wrong(row.kind, row.direction, row.partner): row
            for row in Alarm.objects.select_for_update(of=("self",)).filter(cleared_at=None)
        }
        for wrong, text in found.items():
            if wrong not in open_ones:
                _raise(wrong, text)
        for wrong, alarm in open_ones.items():
            if wrong not in found:
                _clear(alarm)
            elif alarm.text != found[wrong][:500]:
                alarm.text = found[wrong][:500]
                alarm.save(update_fields=["text"])


def _raise(wrong: Wrong, text: str) -> None:
    alarm = Alarm.objects.create(**wrong._asdict(), text=text[:500], raised_at=clock.now())
    events.record(hl7_events.ALARM_RAISED, about=_about(alarm), source=alarm.partner[:200], text=alarm.text)
    alarm_notices.tell(alarm)


def _clear(alarm: Alarm) -> None:
    alarm.cleared_at = clock.now()
    alarm.save(update_fields=["cleared_at"])
    events.record(hl7_events.ALARM_CLEARED, about=_about(alarm), source=alarm.partner[:200], text=alarm.text)
    alarm_notices.tell(alarm)


def _about(alarm: Alarm) -> list[events.Thing]:
    return [("source" if alarm.direction == "in" else "destination", alarm.partner[:100])]


def _wrong(now: datetime, policy: AlarmPolicy) -> Iterator[tuple[Wrong, str]]:
    yield from _silent(now)
    yield from _failing(now, policy)
    yield from _expiring(now)
    for queue in delivery_queues.queues():
        if queue.destination.is_active and queue.destination.paused_since is None:
            yield from _of_queue(queue, now, policy)


def _silent(now: datetime) -> Iterator[tuple[Wrong, str]]:
    entries, usual = list(Source.objects.all()), usual_rates.learnt(now)
    for sender, last in interface_state.last_received().items():
        application, _, facility = sender.partition("|")
        entry = sources.entry_for(entries, application, facility)
        if entry is None:
            continue
        silence = source_options.of(entry).silence_alarm
        if _is_too_silent(silence, usual, sender, last, now):
            text = f"No message from {interface_state.shown(sender)} since {_stamp(last, usual)}"
            yield Wrong(AlarmKind.SILENT, "in", sender), text


def _is_too_silent(
    silence: str | int, usual: usual_rates.UsualRates, sender: str, last: datetime, now: datetime
) -> bool:
    if isinstance(silence, int):
        return now - last >= timedelta(minutes=silence)
    if silence == "off" or now - last < SHORTEST:
        return False
    missing = usual.expected(("in", sender), last, now)
    return missing is not None and missing >= ENOUGH


def _failing(now: datetime, policy: AlarmPolicy) -> Iterator[tuple[Wrong, str]]:
    since = now.replace(minute=0, second=0, microsecond=0) - _HOUR
    rows = TrafficCount.objects.filter(kind=TrafficKind.ERROR, direction="in", hour__gte=since).order_by()
    sums = rows.values_list("hour", "partner").annotate(sum=Sum("number"))
    for _, sender, number in sums.filter(sum__gt=policy.errors_per_hour).order_by("hour"):
        text = f"{number} messages from {interface_state.shown(sender)} were not applied within an hour"
        yield Wrong(AlarmKind.ERRORS, "in", sender), text


def _expiring(now: datetime) -> Iterator[tuple[Wrong, str]]:
    days = HL7Section.current().expiry_days
    for one in certificate_ends.ends():
        if text := one.warning(now, days):
            yield Wrong(AlarmKind.EXPIRES, one.direction, one.partner), text


def _of_queue(queue: Queue, now: datetime, policy: AlarmPolicy) -> Iterator[tuple[Wrong, str]]:
    name, since = queue.destination.name, queue.destination.stalled_since
    longest = timedelta(minutes=policy.backlog_minutes)
    if since is not None and now - since >= timedelta(minutes=policy.stalled_minutes):
        yield Wrong(AlarmKind.STALLED, "out", name), f"Sending to {name} stopped"
    if since is None and queue.oldest is not None and now - queue.oldest >= longest and not queue.undecided:
        text = f"A message to {name} has been waiting for more than {policy.backlog_minutes} minutes"
        yield Wrong(AlarmKind.BACKLOG, "out", name), text
    if queue.undecided:
        number = queue.undecided
        need = f"messages to {name} need" if number > 1 else f"message to {name} needs"
        text = f"{number} {need} a decision"
        yield Wrong(AlarmKind.UNDECIDED, "out", name), text


def _stamp(at: datetime, usual: usual_rates.UsualRates) -> str:
    return written_dates.zoned(at, usual.zone)


def register() -> None:
    """Make it recurring work."""
    recurring.register("hl7.watch", recurring.Work(batch=watch, waits=traffic_counting.is_due))
