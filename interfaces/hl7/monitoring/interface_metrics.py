"""The interfaces as Prometheus text."""

from collections.abc import Iterator
from typing import Final

from interfaces.hl7.monitoring import certificate_ends, interface_state
from interfaces.hl7.monitoring.interface_state import DestinationState, Places, Rate, SenderState
from ledger import clock

_GAUGES: Final = {
    "last_message_age_seconds": "since the last message came, or was delivered",
    "messages_this_hour": "messages of this hour of the clock so far",
    "messages_usual_by_now": "how many are usual by now; left out until learnt",
    "open_connections": "connections that a sender has open",
    "errors_24h": "messages that were not applied, or not accepted, by code and place",
    "values_left_out_24h": "values that messages were applied without, by place",
    "backlog": "messages that wait for a destination",
    "backlog_age_seconds": "how long the oldest of them has been waiting",
    "undecided": "messages that are held or stopped",
    "alarm": "1 for each open alarm",
    "certificate_end_seconds": "until a certificate ends that is shown to a partner",
}
Sample = tuple[str, dict[str, str], float]


def lines() -> Iterator[str]:
    """The lines of all interfaces, by metric."""
    found = interface_state.read()
    samples = [
        *(sample for one in found.senders for sample in _of_sender(one)),
        *(sample for one in found.destinations for sample in _of_destination(one)),
        *(
            ("alarm", {"kind": alarm.kind, "direction": alarm.direction, "partner": alarm.partner}, 1)
            for alarm in found.alarms
        ),
    ]
    samples += [
        (
            "certificate_end_seconds",
            {"direction": one.direction, "partner": one.partner},
            round((one.at - clock.now()).total_seconds()),
        )
        for one in certificate_ends.ends()
        if one.at is not None
    ]
    for name, words in _GAUGES.items():
        yield f"# HELP ris_pacs_hl7_{name} {words}"
        yield f"# TYPE ris_pacs_hl7_{name} gauge"
        for metric, labels, value in samples:
            if metric == name:
                yield f"ris_pacs_hl7_{name}{{{_labels(labels)}}} {value:g}"


def _of_sender(one: SenderState) -> Iterator[Sample]:
    partner = {"direction": "in", "partner": one.name}
    if one.last is not None:
        yield "last_message_age_seconds", partner, round((clock.now() - one.last).total_seconds())
    yield from _rate(one.rate, partner)
    yield "open_connections", partner, one.connected.number if one.connected else 0
    yield from _places("errors_24h", one.errors, partner)
    yield from _places("values_left_out_24h", one.left_out, partner)


def _of_destination(one: DestinationState) -> Iterator[Sample]:
    queue = one.queue
    partner = {"direction": "out", "partner": queue.destination.name}
    if queue.last_delivered is not None:
        yield "last_message_age_seconds", partner, round((clock.now() - queue.last_delivered).total_seconds())
    yield from _rate(one.rate, partner)
    yield from _places("errors_24h", one.errors, partner)
    yield "backlog", partner, queue.waiting
    yield "backlog_age_seconds", partner, round(one.oldest_age.total_seconds()) if one.oldest_age else 0
    yield "undecided", partner, queue.undecided


def _rate(rate: Rate, partner: dict[str, str]) -> Iterator[Sample]:
    yield "messages_this_hour", partner, rate.now
    if rate.by_now is not None:
        yield "messages_usual_by_now", partner, round(rate.by_now, 1)


def _places(name: str, places: Places, partner: dict[str, str]) -> Iterator[Sample]:
    for place, number in places:
        yield name, {**partner, "place": place}, number


def _labels(labels: dict[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
