"""Messages that go out: asked for with their facts, written in the destination's version, steered by people.

The transaction that causes a message stores its facts and its MSH-10. The sender (`delivery`) writes the
bytes and freezes them before it sends them for the first time; from then on they never change.
"""

import base64
import secrets
from collections.abc import Callable
from datetime import UTC
from typing import Final

from django.db import connection, transaction

from accounts.actor import Actor
from interfaces.hl7 import destination_options
from interfaces.hl7.inbound import message_index
from interfaces.hl7.models import Destination, OutboundMessage, OutboundStatus
from interfaces.hl7.outbound import message_status, message_types, message_writer
from interfaces.hl7.outbound.message_types import Facts, OutboundMessageType
from interfaces.hl7.outbound.message_writer import Segment
from ledger import audit, clock, jobs
from ledger.errors import Conflict, Invalid
from worklist.orders.generated_ids import NAMESPACE

JOB: Final = "hl7.deliver"


def enqueue(
    *,
    message_type: OutboundMessageType,
    key: str,
    facts: Facts,
    ordering_key: str = "",
    to: str = "",
    structure: Callable[[str], str] | None = None,
) -> None:
    """Have each active destination that wants this type of message told of `facts`, once for each `key`, in
    the caller's transaction; or only the one whose name is `to`. `structure` gives MSH-9 for a version where
    it is not the type's.

    `facts["facility"]` is the code that MSH-4 names, `facts["about"]` the things in whose timelines the
    message shows. Messages of one ordering key arrive in the order in which they were asked for; those of the
    empty key have no order among each other.
    """
    assert connection.in_atomic_block, "a message is part of the transaction that causes it"
    now = clock.now()
    for destination in _receivers(message_type, to):
        rows = OutboundMessage.objects.filter(destination=destination, key=key)
        if rows.exists():
            continue
        message = OutboundMessage(
            destination=destination,
            key=key,
            ordering_key=ordering_key,
            kind=message_type.name,
            message_type=(structure or message_type.structure_in)(destination.version),
            control_id=_new_control_id(),
            facts=dict(facts),
            not_before=now,
        )
        OutboundMessage.objects.bulk_create([message], ignore_conflicts=True)
        if made := rows.filter(control_id=message.control_id).first():
            message_index.keep_told(made)
        jobs.enqueue(JOB, destination.name)


def _receivers(message_type: OutboundMessageType, to: str) -> list[Destination]:
    if to:
        return list(Destination.objects.filter(name=to, is_active=True))
    return message_types.receivers(message_type)


def _new_control_id() -> str:
    """MSH-10 (2.15.9.10): ST of 20 characters. 96 random bits aren't drawn twice, nor after a restore."""
    return base64.b32encode(secrets.token_bytes(12)).decode().rstrip("=")


# What people do with a message


def resend(message: OutboundMessage, *, by: Actor, reason: str) -> None:
    """Send a delivered or skipped message again: the same bytes under the same MSH-10."""
    _step("resend", message, by, reason)


def hold(message: OutboundMessage, *, by: Actor, reason: str) -> None:
    """Keep back a message that waits; what has to follow it waits with it."""
    _step("hold", message, by, reason)


def release(message: OutboundMessage, *, by: Actor, reason: str) -> None:
    """Let a held or stopped message go on, and what has to follow it."""
    _step("release", message, by, reason)


def skip(message: OutboundMessage, *, by: Actor, reason: str) -> None:
    """Give a message up, so that what follows it goes on."""
    _step("skip", message, by, reason)


def try_now(destination: Destination, *, by: Actor) -> None:
    """End the pause of what waits for a destination, so that it is tried at once.

    The order of the messages stays, and so does the count of their attempts: where there is still no
    answer, the pause goes on as long as it was.
    """
    by.require("message.replay")
    if destination.paused_since is not None:
        raise Conflict(f"{destination.name} is paused; resume it first")
    waiting = OutboundMessage.objects.filter(destination=destination, status=OutboundStatus.WAITING)
    with transaction.atomic():
        waiting.filter(not_before__gt=clock.now()).update(not_before=clock.now())
        audit.note(
            by,
            audit.EXPORT,
            audit.EXECUTE,
            ("destination", destination.name),
            act="Sending tried again at once",
        )
        jobs.enqueue(JOB, destination.name)


def _step(name: str, message: OutboundMessage, by: Actor, reason: str) -> None:
    by.require("message.replay")
    waits = message_status.TRANSITIONS[name].after == OutboundStatus.WAITING
    values = {"attempts": 0, "not_before": clock.now()} if waits else None
    with transaction.atomic():
        is_done = message_status.change(message, name, values=values, actor=by, reason=reason)
        message.refresh_from_db()
        if not is_done:
            raise Conflict(f"can't {name} a message that is {message.status}")
        words = message_status.TRANSITIONS[name].event.say({})
        audit.note(by, audit.EXPORT, audit.EXECUTE, ("message", message.public_id), act=words)
        jobs.enqueue(JOB, message.destination.name)


# How a message is written


def write(message: OutboundMessage, destination: Destination) -> bytes:
    """The bytes of a message, which follow from its row, its destination and what was signed.

    Raises `Invalid` for a type that nobody writes, and for what the destination's version or character set
    can't hold.
    """
    message_type = message_types.of(message)
    if message_type is None:
        raise Invalid(f"nobody writes {message.message_type}")
    options = destination_options.of(destination)
    segments = [_header(message, destination), *message_type.segments(message.facts, options)]
    return message_writer.write(
        [(name, options.shaped(name, fields)) for name, fields in segments],
        message_type=message.message_type,
        version=destination.version,
        charset=options.charset,
    )


def _header(message: OutboundMessage, destination: Destination) -> Segment:
    """MSH (2.15.9). MSH-7 is when the message was asked for, so that it is the same however often built."""
    code, trigger, structure = (*message.message_type.split("^"), "", "")[:3]
    is_acknowledgment = code == "ACK"
    options = destination_options.of(destination)
    is_enhanced = is_acknowledgment or options.enhanced
    return "MSH", {
        3: NAMESPACE,
        4: str(message.facts.get("facility", "")),
        5: destination.application,
        6: destination.facility_name,
        7: message.created_at.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000"),
        9: (code, trigger, structure),
        10: message.control_id,
        11: "P",
        12: destination.version,
        15: "AL" if is_enhanced else "",
        16: ("NE" if is_acknowledgment else "AL") if is_enhanced else "",
        18: options.charset,
    }
