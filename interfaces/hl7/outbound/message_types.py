"""The types of messages that go out: each is a module below `messages`, which says all there is of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.dispatch import Signal

from interfaces.hl7 import destination_options
from interfaces.hl7.destination_options import DestinationOptions
from interfaces.hl7.models import Destination, OutboundMessage
from interfaces.hl7.outbound.message_writer import Segment

Facts = Mapping[str, Any]
"""What a message tells, as its row keeps it."""


def _nothing(message: OutboundMessage) -> None:
    pass


@dataclass(frozen=True)
class OutboundMessageType:
    """A type of message that goes out."""

    name: str
    """As the site file names it in a destination's `messages`."""
    structure: str
    """MSH-9, such as `ORM^O01^ORM_O01`."""
    segments: Callable[[Facts, DestinationOptions], Iterable[Segment]]
    """The segments after MSH, from the facts and what the destination prefers."""
    in_words: Callable[[Facts], tuple[str, str]]
    """For the preview of a decision: the codes that say what is told (`SC/IP`), and what is told in words."""
    made_by: Mapping[Signal, Callable[..., None]] = field(default_factory=dict)
    """The signals of the domain that cause such messages, each with the receiver that asks for them."""
    on_delivered: Callable[[OutboundMessage], None] = _nothing
    """What is to be done when one was accepted, in the transaction that notes it."""
    since: Mapping[str, str] = field(default_factory=dict)
    """MSH-9 from a version on, where that is another."""
    role: str = ""
    """The role that a destination must have to get any; empty for all."""
    by_default: bool = True
    """Whether a destination gets it whose `messages` name nothing."""
    is_chosen: bool = True
    """Whether a destination's `messages` name it; one that they do not goes where it is sent to."""

    @property
    def code(self) -> str:
        """The message code (MSH-9.1): ORM, ORU …"""
        return self.structure.partition("^")[0]

    def structure_in(self, version: str) -> str:
        """MSH-9 in a version."""
        found = [one for first, one in self.since.items() if _numbers(version) >= _numbers(first)]
        return found[-1] if found else self.structure


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


_types: dict[str, OutboundMessageType] = {}


def register(message_type: OutboundMessageType) -> None:
    """Know a type, and listen to the signals that cause its messages; called from `AppConfig.ready()`."""
    _types[message_type.name] = message_type
    for signal, receiver in message_type.made_by.items():
        signal.connect(receiver, dispatch_uid=f"hl7.{message_type.name}.{receiver.__name__}")


def names() -> list[str]:
    """The names of the types that a destination's `messages` may name."""
    return sorted(name for name, one in _types.items() if one.is_chosen)


def of(message: OutboundMessage) -> OutboundMessageType | None:
    """The type of a message; None for one that an older version asked for."""
    return _types.get(message.kind)


def receivers(message_type: OutboundMessageType) -> list[Destination]:
    """The active destinations that want messages of a type, by name; none of one that is only addressed."""
    if not message_type.is_chosen:
        return []
    rows = Destination.objects.filter(is_active=True).order_by("name")
    return [row for row in rows if _wants(row, message_type)]


def sent_to(destination: Destination) -> list[str]:
    """The names of the types that a destination gets."""
    return [name for name in names() if _wants(destination, _types[name])]


def _wants(destination: Destination, message_type: OutboundMessageType) -> bool:
    options = destination_options.of(destination)
    has_role = message_type.role in ("", options.role)
    return has_role and options.wants(message_type.name, by_default=message_type.by_default)
