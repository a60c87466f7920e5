"""The numbers by which people look for a message, read when it comes, whether or not it can be applied."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from interfaces.hl7.models import InboundMessage, MessageKey, OutboundMessage
from interfaces.hl7.syntax import er7
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.message_parts import NULL, Message, Segments
from ledger.row_sets import Condition, Table

PATIENT: Final = "patient"
ORDER: Final = "order"
ACCESSION: Final = "accession"
VISIT: Final = "visit"

READ: Final = 64 * 1024
"""Bytes of a message that are looked through; what follows is documents."""
MOST: Final = 60
"""Keys of one message."""

FIELDS: Final = (
    (PATIENT, "PID", 3),
    (PATIENT, "PID", 2),
    (PATIENT, "MRG", 1),
    (ORDER, "ORC", 2),
    (ORDER, "ORC", 3),
    (ORDER, "OBR", 2),
    (ORDER, "OBR", 3),
    (ORDER, "SCH", 1),
    (ORDER, "SCH", 2),
    (ORDER, "SCH", 26),
    (ORDER, "SCH", 27),
    (ORDER, "ARQ", 24),
    (ORDER, "ARQ", 25),
    (VISIT, "PV1", 19),
    (VISIT, "PID", 18),
    (VISIT, "MRG", 3),
    (VISIT, "MRG", 5),
    (ACCESSION, "OBR", 18),
    (ACCESSION, "IPC", 1),
)


@dataclass(slots=True)
class _Key:
    inbound_id: int | None
    outbound_id: int | None
    kind: str
    value: str


_KEYS: Final = Table(MessageKey, _Key)


def named_in(raw: bytes) -> list[tuple[str, str]]:
    """Kind and value of the numbers that a message names, each once; none for what can't be read."""
    try:
        codec = er7.read_header(raw).codec
        head = raw[:READ].replace(b"\0", b"") if codec not in ("utf-16-le", "utf-16-be") else raw[:READ]
        message = er7.parse_text(head.decode(codec, "replace"))
    except (Er7Error, LookupError):
        return []
    return _named_in(message)


def keep_all(rows: Iterable[tuple[InboundMessage, Message | None]]) -> None:
    """Write down the keys of messages, in the transaction that stores them; some are parsed already."""
    _KEYS.insert([_Key(row.pk, None, kind, value) for row, kind, value in _named_by(rows)])


def keeping(rows: Iterable[tuple[InboundMessage, Message | None]]) -> Condition:
    """What writes down the keys of those messages that a statement of PostgreSQL has `made`, for that one."""
    named = [(row.public_id, kind, value) for row, kind, value in _named_by(rows)]
    columns = [[one[place] for one in named] for place in range(3)]
    keys = "unnest(%s::text[], %s::text[], %s::text[]) AS k (public_id, kind, value)"
    return (
        f", kept AS (INSERT INTO {_KEYS.name} (inbound_id, kind, value)"
        f" SELECT made.id, k.kind, k.value FROM made JOIN {keys} ON k.public_id = made.public_id)",
        columns,
    )


def keep_told(row: OutboundMessage) -> None:
    """Write down what a message tells of, in the transaction that asks for it."""
    about = [(str(type_), str(key)) for type_, key in row.facts.get("about", ())]
    _KEYS.insert([_Key(None, row.pk, kind[:16], value[:199]) for kind, value in about[:MOST]])


def _named_by(
    rows: Iterable[tuple[InboundMessage, Message | None]],
) -> Iterator[tuple[InboundMessage, str, str]]:
    for row, parsed in rows:
        for kind, value in named_in(bytes(row.raw)) if parsed is None else _named_in(parsed):
            yield row, kind, value


def _named_in(message: Segments) -> list[tuple[str, str]]:
    return list(dict.fromkeys(_numbers(message)))[:MOST]


def _numbers(message: Segments) -> Iterator[tuple[str, str]]:
    for kind, segment_name, n in FIELDS:
        for segment in message.all(segment_name):
            for repetition in segment.field(n).repetitions[:10]:
                value = repetition.component(1).strip()
                if value and value != NULL and value.isprintable():
                    yield kind, value[:199]
