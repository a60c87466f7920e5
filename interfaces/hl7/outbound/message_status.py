"""The one table of an outbound message's transitions: what people do with it, and what its receiver says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from interfaces.hl7 import hl7_events
from interfaces.hl7.models import OutboundMessage, OutboundStatus
from ledger import events
from ledger.event_types import EventType

S = OutboundStatus

STUCK: Final = (S.HELD, S.STOPPED)
"""What waits for a person, and others behind it."""
OPEN: Final = (S.WAITING, S.ACCEPTED, *STUCK)


@dataclass(frozen=True)
class Transition:
    """From which statuses to which, and what the timeline says of it."""

    before: frozenset[str]
    after: OutboundStatus
    event: EventType


TRANSITIONS: Final[Mapping[str, Transition]] = {
    "resend": Transition(frozenset({S.DELIVERED, S.SKIPPED, S.ACCEPTED}), S.WAITING, hl7_events.RESENT),
    "hold": Transition(frozenset({S.WAITING}), S.HELD, hl7_events.HELD),
    "release": Transition(frozenset(STUCK), S.WAITING, hl7_events.RELEASED),
    "skip": Transition(frozenset(OPEN), S.SKIPPED, hl7_events.SKIPPED),
    "stop": Transition(frozenset({S.WAITING}), S.STOPPED, hl7_events.STOPPED),
    "accept": Transition(frozenset({S.WAITING}), S.ACCEPTED, hl7_events.ACCEPTED),
    "refuse": Transition(frozenset({S.WAITING, S.ACCEPTED, S.DELIVERED}), S.HELD, hl7_events.REFUSED_LATER),
    "expire": Transition(frozenset({S.ACCEPTED}), S.HELD, hl7_events.UNCONFIRMED),
    # Its receiver has it, whatever a person decided while it was on its way.
    "deliver": Transition(frozenset(S), S.DELIVERED, hl7_events.DELIVERED),
}
ACTIONS: Final = ("resend", "hold", "release", "skip")
"""What people do, in the order in which it is offered."""


def actions(message: OutboundMessage) -> list[str]:
    """What a person may do with a message now."""
    return [name for name in ACTIONS if message.status in TRANSITIONS[name].before]


def change(
    message: OutboundMessage, name: str, *, values: Mapping[str, Any] | None = None, **recorded: Any
) -> bool:
    """Take a message through a transition, with `values` for its other fields, and record it with its event.

    False, and nothing happened, where it is in another status by now.
    """
    assert connection.in_atomic_block
    transition = TRANSITIONS[name]
    rows = OutboundMessage.objects.filter(pk=message.pk, status__in=transition.before)
    if not rows.update(**values or {}, status=transition.after):
        return False
    events.record(transition.event, about=subjects(message), **named(message), **recorded)
    return True


def named(message: OutboundMessage) -> dict[str, Any]:
    """What the details of an event name a message by."""
    return {"control_id": message.control_id, "message_type": message.message_type}


def subjects(message: OutboundMessage) -> list[events.Thing]:
    """What an event about a message is about: itself, its destination and what it tells of."""
    told = [(str(type_), str(key)) for type_, key in message.facts.get("about", ())]
    return [("message", message.public_id), ("destination", message.destination.name), *told]
