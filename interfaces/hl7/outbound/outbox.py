"""Messages that go out: asked for with their facts, written in the destination's version, steered by people.

The transaction that causes a message stores its facts and its MSH-10. The sender (`delivery`) writes the
bytes and freezes them before it sends them for the first time; from then on they never change.
"""

import base64
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import lru_cache
from typing import Any, Final

from django.db import connection, transaction
from hl7apy import load_reference
from hl7apy.exceptions import HL7apyException

from interfaces.hl7 import hl7_events
from interfaces.hl7.inbound import message_index
from interfaces.hl7.inbound.ack import escape
from interfaces.hl7.models import Destination, OutboundMessage, OutboundStatus
from interfaces.hl7.syntax.er7 import DEFAULT_DELIMITERS
from ledger import clock, events, jobs
from ledger.event_types import EventType

JOB: Final = "hl7.deliver"
APPLICATION: Final = "RISPACS"
CHARACTER_SET: Final = "UNICODE UTF-8"


class Formatted(str):
    r"""A value of the data type FT (2.A.33): its line feeds are written as `\.br\`."""


Components = str | Sequence[str | Sequence[str]]
"""One repetition of a field: a plain value, or components, each a value or its subcomponents."""
Value = Components | list[Components]
"""A field; a list (never a tuple) holds repetitions."""
Fields = dict[int, Value]
Segment = tuple[str, Fields]
Writer = Callable[[Mapping[str, Any]], Iterable[Segment]]
"""From a message's facts, with its destination's `options` among them, to the segments after MSH."""
Listener = Callable[[OutboundMessage], None]
"""What is told that a message was accepted, in the transaction that notes it."""

_writers: dict[str, Writer] = {}
_listeners: dict[str, Listener] = {}


class OutboxError(ValueError):
    """A message can't be written, or what is asked of it doesn't fit the state that it is in."""


def register(message_type: str, writer: Writer, on_delivered: Listener | None = None) -> None:
    """Say how messages of a type, such as `ORM^O01^ORM_O01`, are written, and who hears that they arrived;
    called from `AppConfig.ready()`."""
    _writers[message_type] = writer
    if on_delivered is not None:
        _listeners[message_type] = on_delivered


def delivered(message: OutboundMessage) -> None:
    """Tell who asked for it that a message was accepted, in the transaction that notes it."""
    if listener := _listeners.get(message.message_type):
        listener(message)


def enqueue(*, key: str, message_type: str, facts: Mapping[str, Any], lane: str = "") -> None:
    """Have every active destination told of `facts`, once for each `key`, in the caller's transaction.

    `facts["facility"]` is the code that MSH-4 names, `facts["about"]` the things in whose timelines the
    message shows. Messages of one lane arrive in the order in which they were asked for; those of the
    empty lane have no order among each other.
    """
    assert connection.in_atomic_block, "a message is part of the transaction that causes it"
    now = clock.now()
    for destination in Destination.objects.filter(is_active=True).order_by("name"):
        rows = OutboundMessage.objects.filter(destination=destination, key=key)
        if rows.exists():
            continue
        message = OutboundMessage(
            destination=destination,
            key=key,
            lane=lane,
            message_type=message_type,
            control_id=_new_control_id(),
            facts=dict(facts),
            not_before=now,
        )
        OutboundMessage.objects.bulk_create([message], ignore_conflicts=True)
        if made := rows.filter(control_id=message.control_id).first():
            message_index.keep_told(made)
        jobs.enqueue(JOB, destination.name)


def _new_control_id() -> str:
    """MSH-10 (2.15.9.10): ST of 20 characters. 96 random bits aren't drawn twice, nor after a restore."""
    return base64.b32encode(secrets.token_bytes(12)).decode().rstrip("=")


# What people do with a message


@dataclass(frozen=True)
class _Step:
    event: EventType
    before: frozenset[str]
    after: OutboundStatus


_STUCK: Final = frozenset({OutboundStatus.HELD, OutboundStatus.STOPPED})
_STEPS: Final = {
    "resend": _Step(
        hl7_events.RESENT,
        frozenset({OutboundStatus.DELIVERED, OutboundStatus.SKIPPED}),
        OutboundStatus.WAITING,
    ),
    "hold": _Step(hl7_events.HELD, frozenset({OutboundStatus.WAITING}), OutboundStatus.HELD),
    "release": _Step(hl7_events.RELEASED, _STUCK, OutboundStatus.WAITING),
    "skip": _Step(hl7_events.SKIPPED, _STUCK | {OutboundStatus.WAITING}, OutboundStatus.SKIPPED),
}


def resend(message: OutboundMessage, by: str, reason: str) -> None:
    """Send a delivered or skipped message again: the same bytes under the same MSH-10."""
    _step("resend", message, by, reason)


def hold(message: OutboundMessage, by: str, reason: str) -> None:
    """Keep back a message that waits; its lane waits with it."""
    _step("hold", message, by, reason)


def release(message: OutboundMessage, by: str, reason: str) -> None:
    """Let a held or stopped message go on, and its lane with it."""
    _step("release", message, by, reason)


def skip(message: OutboundMessage, by: str, reason: str) -> None:
    """Give a message up, so that its lane goes on without it."""
    _step("skip", message, by, reason)


def _step(name: str, message: OutboundMessage, by: str, reason: str) -> None:
    step = _STEPS[name]
    with transaction.atomic():
        row = OutboundMessage.objects.select_for_update().get(pk=message.pk)
        if row.status not in step.before:
            raise OutboxError(f"can't {name} a message that is {row.status}")
        row.status = step.after
        if step.after == OutboundStatus.WAITING:
            row.attempts, row.not_before = 0, clock.now()
        row.save(update_fields=["status", "attempts", "not_before"])
        destination = Destination.objects.get(pk=row.destination_id)
        events.record(step.event, about=subjects(row, destination), actor=by, reason=reason)
        jobs.enqueue(JOB, destination.name)
    message.refresh_from_db()


def subjects(message: OutboundMessage, destination: Destination) -> list[events.Thing]:
    """What an event about a message is about: itself, its destination and what it tells of."""
    told = [(str(type_), str(key)) for type_, key in message.facts.get("about", ())]
    return [("message", message.public_id), ("destination", destination.name), *told]


# How a message is written


@dataclass(frozen=True)
class _Shape:
    """A field in a version of HL7: whether it is required, how often, and its components' subcomponents."""

    required: bool
    repeats: int
    components: tuple[int, ...]


def write(message: OutboundMessage, destination: Destination) -> bytes:
    """The bytes of a message, which follow from its row and its destination alone.

    Raises `OutboxError` for a type that nobody writes, and where the destination's version lacks a segment or
    a required field stays empty.
    """
    writer = _writers.get(message.message_type)
    if writer is None:
        raise OutboxError(f"nobody writes {message.message_type}")
    segments = [_header(message, destination), *writer({**message.facts, "options": destination.options})]
    try:
        _check_order(message.message_type, destination.version, [name for name, _ in segments])
        lines = [_segment(name, fields, destination.version) for name, fields in segments]
    except HL7apyException as error:
        raise OutboxError(f"HL7 {destination.version}: {error}") from error
    return "".join(line + "\r" for line in lines).encode("utf-8")


def _header(message: OutboundMessage, destination: Destination) -> Segment:
    """MSH (2.15.9). MSH-7 is when the message was asked for, so that it is the same however often built."""
    code, trigger, structure = (*message.message_type.split("^"), "", "")[:3]
    return "MSH", {
        3: APPLICATION,
        4: str(message.facts.get("facility", "")),
        5: destination.application,
        6: destination.facility_name,
        7: message.created_at.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000"),
        9: (code, trigger, structure),
        10: message.control_id,
        11: "P",
        12: destination.version,
        18: CHARACTER_SET,
    }


def _check_order(message_type: str, version: str, names: Sequence[str]) -> None:
    """Each segment is one that the message's structure has (2.12), in its place when it comes first."""
    structure = iter(_structure(message_type, version))
    known = [name for name in dict.fromkeys(names) if not name.startswith("Z")]
    if not all(name in structure for name in known):  # each found behind the one before
        raise OutboxError(f"{message_type} of HL7 {version} can't hold {' '.join(known)}")


@lru_cache(maxsize=64)
def _structure(message_type: str, version: str) -> tuple[str, ...]:
    def names(reference: Any) -> Iterable[str]:
        for name, child, _, kind in reference[1]:
            if kind == "SEG":
                yield name
            else:
                yield from names(child)

    parts = message_type.split("^")
    return tuple(names(load_reference(parts[2] if len(parts) > 2 else "_".join(parts), "Message", version)))


@lru_cache(maxsize=256)
def _shapes(segment: str, version: str) -> dict[int, _Shape]:
    shapes = {}
    for name, reference, (least, most), _ in load_reference(segment, "Segment", version)[1]:
        components = reference[1] or ((None, (None, None)),)
        counts = tuple(len(component[1][1] or (None,)) for component in components)
        shapes[int(name.rpartition("_")[2])] = _Shape(least > 0, most, counts)
    return shapes


def _segment(name: str, fields: Fields, version: str) -> str:
    """Write what the version has; what it lacks is left out, from the end of a field on."""
    separator = DEFAULT_DELIMITERS.field
    if name.startswith("Z"):
        texts = [_field(fields.get(n, ""), None) for n in range(1, max(fields) + 1)]
        return separator.join([name, *texts])
    shapes = _shapes(name, version)
    texts = []
    for n in range(1, max(shapes) + 1):
        shape = shapes.get(n)
        if (name, n) == _OF_ANY_TYPE:
            texts.append(_field(fields.get(n, ""), None))
            continue
        text = _field(fields.get(n, ""), shape) if shape else ""
        if shape and shape.required and not text and not (name == "MSH" and n <= 2):
            raise OutboxError(f"{name}-{n} is required in HL7 {version}, and there is no value for it")
        texts.append(text)
    if name == "MSH":
        texts[:2] = [DEFAULT_DELIMITERS.encoding_characters]
    return separator.join([name, *texts]).rstrip(separator)


_OF_ANY_TYPE: Final = ("OBX", 5)
"""The field whose data type another field names, so that no version can say how many components it has."""


def _field(value: Value, shape: _Shape | None) -> str:
    repetitions: list[Components] = value if isinstance(value, list) else [value]
    if shape and shape.repeats > 0:
        repetitions = repetitions[: shape.repeats]
    texts = [_components(repetition, shape) for repetition in repetitions]
    return DEFAULT_DELIMITERS.repetition.join(text for text in texts if text)


def _components(value: Components, shape: _Shape | None) -> str:
    parts = [value] if isinstance(value, str) else list(value)
    texts = []
    for place, part in enumerate(parts[: len(shape.components)] if shape else parts):
        values = [part] if isinstance(part, str) else list(part)
        kept = values[: shape.components[place]] if shape else values
        joined = DEFAULT_DELIMITERS.subcomponent.join(_escaped(text) for text in kept)
        texts.append(joined.rstrip(DEFAULT_DELIMITERS.subcomponent))
    return DEFAULT_DELIMITERS.component.join(texts).rstrip(DEFAULT_DELIMITERS.component)


def _escaped(text: str) -> str:
    if not isinstance(text, Formatted):
        return escape(text)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return f"{DEFAULT_DELIMITERS.escape}.br{DEFAULT_DELIMITERS.escape}".join(map(escape, lines))
