"""The numbers by which people look for a message, read when it comes, whether or not it can be applied."""

from collections.abc import Iterator, Sequence
from typing import Final

from interfaces.hl7.models import InboundMessage, MessageKey, OutboundMessage
from interfaces.hl7.syntax import er7
from interfaces.hl7.syntax.er7 import Er7Error, Segments
from ledger.row_sets import Table

PATIENT: Final = "patient"
ORDER: Final = "order"
ACCESSION: Final = "accession"

READ: Final = 64 * 1024
"""Bytes of a message that are looked through; what follows is documents."""
MOST: Final = 60
"""Keys of one message."""

_KEYS: Final = Table(MessageKey, MessageKey)
_FIELDS: Final = (
    (PATIENT, "PID", 3),
    (PATIENT, "PID", 2),
    (PATIENT, "MRG", 1),
    (ORDER, "ORC", 2),
    (ORDER, "ORC", 3),
    (ORDER, "OBR", 2),
    (ORDER, "OBR", 3),
    (ACCESSION, "OBR", 18),
    (ACCESSION, "IPC", 1),
)


def named_in(raw: bytes) -> list[tuple[str, str]]:
    """Kind and value of the numbers that a message names, each once; none for what can't be read."""
    try:
        codec = er7.read_header(raw).codec
        head = raw[:READ].replace(b"\0", b"") if codec not in ("utf-16-le", "utf-16-be") else raw[:READ]
        message = er7.parse_text(head.decode(codec, "replace"))
    except (Er7Error, LookupError):
        return []
    return list(dict.fromkeys(_numbers(message)))[:MOST]


def keep_all(rows: Sequence[InboundMessage]) -> None:
    """Write down the keys of messages, in the transaction that stores them."""
    keys = [
        MessageKey(inbound=row, kind=kind, value=value)
        for row in rows
        for kind, value in named_in(bytes(row.raw))
    ]
    _KEYS.insert(keys, with_id=False)


def keep_told(row: OutboundMessage) -> None:
    """Write down what a message tells of, in the transaction that asks for it."""
    about = [(str(type_), str(key)) for type_, key in row.facts.get("about", ())]
    keys = [MessageKey(outbound=row, kind=kind[:16], value=value[:199]) for kind, value in about[:MOST]]
    _KEYS.insert(keys, with_id=False)


def _numbers(message: Segments) -> Iterator[tuple[str, str]]:
    for kind, segment_name, n in _FIELDS:
        for segment in message.all(segment_name):
            for repetition in segment.field(n).repetitions[:10]:
                value = repetition.component(1).strip()
                if value and value != er7.NULL and value.isprintable():
                    yield kind, value[:199]
