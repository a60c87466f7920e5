"""Application acknowledgments that a source in enhanced mode has sent to a destination (ACK, 2.9.3.2).

All others go back on the connection of their message, and are no messages of this kind.
"""

from collections.abc import Iterator
from typing import Any, Final

from interfaces.hl7.destination_options import DestinationOptions
from interfaces.hl7.models import InboundMessage
from interfaces.hl7.outbound import outbox
from interfaces.hl7.outbound.message_types import Facts, OutboundMessageType
from interfaces.hl7.outbound.message_writer import Fields, Segment
from interfaces.hl7.syntax.er7 import Header


def tell(message: InboundMessage, header: Header, destination: str) -> None:
    """Enqueue what became of a message, in the transaction that notes it, for a destination."""
    facts: dict[str, Any] = {
        "about": [("message", message.public_id)],
        "facility": header.receiving_facility,
        "code": message.ack_code,
        "control_id": message.control_id,
        "error": message.error_code,
        "location": message.error_location,
        "text": message.error_text,
    }
    outbox.enqueue(
        message_type=APPLICATION_ACK,
        key=f"ack:{message.public_id}",
        facts=facts,
        to=destination,
        structure=lambda version: f"ACK^{header.trigger}^ACK",
    )


def segments(facts: Facts, options: DestinationOptions) -> Iterator[Segment]:
    """MSA, and ERR where there is an error: ERR-1 for versions before 2.5, what follows from then on."""
    has_error = facts["error"] is not None
    yield "MSA", {1: facts["code"], 2: facts["control_id"], 3: facts["text"][:80] if has_error else ""}
    if has_error:
        yield "ERR", _err(facts)


def _err(facts: Facts) -> Fields:
    """ERR (2.15.5)."""
    location, code = facts["location"].split("^"), str(facts["error"])
    return {
        1: (*[*location, "", "", ""][:3], code),
        2: tuple(location),
        3: (code, "", "HL70357"),
        4: "E",
        8: facts["text"][:250],
    }


def in_words(facts: Facts) -> tuple[str, str]:
    """MSA-1 and MSA-2."""
    return facts["code"], f"what became of its message {facts['control_id']}"


APPLICATION_ACK: Final = OutboundMessageType(
    name="application_ack",
    structure="ACK^^ACK",
    segments=segments,
    in_words=in_words,
    is_chosen=False,
)
