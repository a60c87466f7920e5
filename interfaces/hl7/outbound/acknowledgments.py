"""What receivers say of messages of ours (HL7 v2.5.1 2.9.2, 2.9.3): read, and what becomes of the message.

| after                  | says   | the message is                                                   |
|------------------------|--------|------------------------------------------------------------------|
| it was sent            | AA     | delivered                                                        |
|                        | CA     | accepted, until its application acknowledgment comes, where the  |
|                        |        | destination is `enhanced`; else delivered                        |
| CA                     | AA     | delivered                                                        |
| CA, whatever it is now | AE, AR | held, and a person is told: stored there, but not applied        |
| CA                     | none   | held after the destination's `application_wait`                  |

The application acknowledgment comes on the connection of the message or to our listener, as a message of its
own. One that names no message of ours counts for nothing, and an event tells of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet

from interfaces.hl7 import hl7_events
from interfaces.hl7.models import Destination, InboundMessage, OutboundMessage, OutboundStatus
from interfaces.hl7.outbound import message_status, message_types, outbox
from interfaces.hl7.syntax import er7
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.er7 import Header
from interfaces.hl7.syntax.message_parts import Segments
from ledger import clock, events, jobs, recurring

_STATUS: Final = {
    "AA": OutboundStatus.DELIVERED,
    "CA": OutboundStatus.DELIVERED,
    "AE": OutboundStatus.HELD,
    "CE": OutboundStatus.HELD,
    "AR": OutboundStatus.WAITING,
    "CR": OutboundStatus.STOPPED,
}
_STATUS_OF_REFUSAL: Final = {
    **dict.fromkeys(range(200, 204), OutboundStatus.STOPPED),
    **dict.fromkeys((204, 205, *range(100, 104)), OutboundStatus.HELD),
}
_ANSWERS: Final = frozenset({"ACK", "ORR", "ORG", "ORI"})
"""Messages that acknowledge one, general or with what became of its orders (2.14.1, 4.4)."""
_OF_APPLICATION: Final = ("AA", "AE", "AR")
_OWN_ID: Final = 20
"""Characters of the control ID of an acknowledgment of ours."""


@dataclass(frozen=True)
class Answer:
    """An acknowledgment of our message: MSA-1, the codes of HL70357 in it, its text, its bytes."""

    code: str
    errors: frozenset[int]
    text: str
    raw: bytes
    control_id: str = ""
    """Of the message that it acknowledges (MSA-2)."""

    @property
    def status(self) -> OutboundStatus:
        """Where the message stands after this; WAITING means to send it again later."""
        if self.code == "AR":
            found = {_STATUS_OF_REFUSAL[error] for error in self.errors if error in _STATUS_OF_REFUSAL}
            return max(found, key=lambda status: status == OutboundStatus.STOPPED, default=_STATUS["AR"])
        return _STATUS[self.code]

    @property
    def is_of_application(self) -> bool:
        """Whether it tells what became of the message, not only that it was stored."""
        return self.code in _OF_APPLICATION

    def __str__(self) -> str:
        return " ".join([self.code, *map(str, sorted(self.errors)), self.text]).strip()


def read_answer(payload: bytes) -> Answer | None:
    """The acknowledgment in a payload; None for what is none."""
    try:
        return read(er7.parse(payload), payload)
    except Er7Error:
        return None


def read(message: Segments, payload: bytes = b"") -> Answer | None:
    """The acknowledgment that a message is; None without an MSA that has a code of table 0008."""
    code = message.get("MSA-1")
    if code not in _STATUS:
        return None
    errors = {message.get("MSA-6")}
    texts = [message.get("MSA-3"), message.get("ERR-8"), message.get("ERR-3.2"), message.get("ERR-1.4.2")]
    for segment in message.all("ERR"):
        errors.add(segment.field(3).value)
        errors |= {repetition.component(4) for repetition in segment.field(1).repetitions}
    numbers = frozenset(
        int(error) for error in errors if error.isascii() and error.isdigit() and len(error) < 6
    )
    return Answer(code, numbers, next(filter(None, texts), ""), payload, message.get("MSA-2"))


# Those that come by themselves


def is_one(header: Header) -> bool:
    """Whether a message is an acknowledgment, which is never acknowledged in original mode (2.9.2)."""
    return header.message_code in _ANSWERS


def received(message: Segments, payload: bytes) -> Answer:
    """The acknowledgment that came to our listener, of a message of ours or of an acknowledgment.

    Raises `Er7Error` 100 without MSA, 103 for a code in no table, 101 and 204 where it names no message.
    """
    if message.first("MSA") is None:
        raise Er7Error(100, "MSA", "the acknowledgment has no MSA segment")
    answer = read(message, payload)
    if answer is None:
        raise Er7Error(103, "MSA^1^1", "is not in HL7 Table 0008")
    if not answer.control_id:
        raise Er7Error(101, "MSA^1^2", "the control ID of the acknowledged message is missing")
    if not (_is_sent(answer.control_id) or _is_of_ours(answer.control_id)):
        raise Er7Error(204, "MSA^1^2", f"no message {answer.control_id[:20]!r} was sent from here")
    return answer


def _is_sent(control_id: str) -> bool:
    return OutboundMessage.objects.filter(control_id=control_id).exists()


def _is_of_ours(control_id: str) -> bool:
    """Whether a control ID is that of an application acknowledgment of ours."""
    start = control_id.lower()
    if len(start) != _OWN_ID or not set(start) <= set("0123456789abcdef"):
        return False
    return InboundMessage.objects.filter(public_id__gt=start, public_id__lt=f"{start}g").exists()


def settle_received(answer: Answer) -> None:
    """Do what follows from an acknowledgment that came to our listener, in its transaction."""
    row = OutboundMessage.objects.select_related("destination").filter(control_id=answer.control_id).first()
    if row is not None:
        settle(row, answer)
        jobs.enqueue(outbox.JOB, row.destination.name)


def take(destination: Destination, answer: Answer) -> bool:
    """Do what follows from an acknowledgment that came on a connection of ours without being waited for.

    False where it names no message to this destination.
    """
    row = OutboundMessage.objects.filter(destination=destination, control_id=answer.control_id).first()
    if row is None:
        return False
    row.destination = destination
    with transaction.atomic():
        settle(row, answer)
    return True


def note_stray(destination: Destination, answer: Answer) -> None:
    """Tell of an acknowledgment that names no message to this destination."""
    with transaction.atomic():
        about = [("destination", destination.name)]
        events.record(
            hl7_events.STRAY,
            about=about,
            source=destination.name,
            code=answer.code,
            named=answer.control_id[:80],
        )


def settle(message: OutboundMessage, answer: Answer) -> None:
    """What becomes of a message by an acknowledgment that comes after its accept acknowledgment."""
    is_open = message.status in message_status.OPEN
    values = {"ack": answer.raw, "ack_code": answer.code, "last_error": str(answer)[:500]}
    if answer.code == "AA" and is_open:
        deliver(message, values)
    elif answer.code == "AA" and message.ack_code == "CA":
        OutboundMessage.objects.filter(pk=message.pk).update(**{**values, "last_error": ""})
    elif answer.is_of_application and (is_open or message.ack_code == "CA"):
        change(message, "refuse", values, error=values["last_error"])
    elif answer.code in ("CE", "CR") and message.status == OutboundStatus.WAITING:
        change(message, "hold", values, error=values["last_error"])


def deliver(message: OutboundMessage, values: Mapping[str, Any]) -> None:
    """Its receiver has it: let the message's type do what follows from that."""
    changed = {**values, "last_error": "", "delivered_at": clock.now()}
    if change(message, "deliver", changed) and (message_type := message_types.of(message)):
        message.ack = values["ack"]
        message_type.on_delivered(message)


def change(
    message: OutboundMessage, transition: str, values: Mapping[str, Any] | None = None, **details: Any
) -> bool:
    """Take a message through a transition, unless a person was quicker."""
    source = message.destination.name
    return message_status.change(message, transition, values=values, source=source, **details)


# Those that never come


def register() -> None:
    """Make the messages without application acknowledgment recurring work."""
    recurring.register("hl7.unconfirmed", recurring.Work(batch=hold_unconfirmed, waits=_is_one_unconfirmed))


def _is_one_unconfirmed() -> bool:
    return _unconfirmed().exists()


def hold_unconfirmed() -> int:
    """Hold, for a person, what was accepted and not confirmed in time."""
    rows = list(_unconfirmed().select_related("destination").order_by("id")[:100])
    for row in rows:
        with transaction.atomic():
            change(row, "expire", {"last_error": "accepted, but no application acknowledgment came"})
    return len(rows)


def _unconfirmed() -> QuerySet[OutboundMessage]:
    return OutboundMessage.objects.filter(status=OutboundStatus.ACCEPTED, not_before__lte=clock.now())
