"""The durable rows of messages as they came; the same bytes from the same source are one row.

Messages that wait at the same moment are stored by one statement in one commit.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from interfaces.hl7.inbound import message_index
from interfaces.hl7.models import InboundMessage, InboundStatus
from interfaces.hl7.syntax import character_sets, er7
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.er7 import Header
from interfaces.hl7.syntax.message_parts import Message
from ledger import durability
from ledger.crashpoint import crashpoint
from ledger.row_sets import Table

NOT_OUR_DAY: Final = (206, 207)
"""HL7 Table 0357 for what is not the message's fault: the same bytes again are applied anew."""

MESSAGES: Final = Table(InboundMessage, InboundMessage)
_UNLESS_KNOWN: Final = "ON CONFLICT DO NOTHING RETURNING id, public_id, control_id_reused"
_REUSED: Final = f"""v.control_id_reused OR (v.control_id <> '' AND EXISTS (
    SELECT 1 FROM {MESSAGES.name} other
    WHERE other.source = v.source AND other.control_id = v.control_id AND other.sha256 <> v.sha256))"""
"""Whether a control ID came before with other bytes."""


class Peer(str):
    """The address that a message came from, with the subject of the certificate that was shown there."""

    certificate: str

    def __new__(cls, address: str, certificate: str = "") -> "Peer":
        peer = super().__new__(cls, address)
        peer.certificate = certificate
        return peer


@dataclass(frozen=True)
class Arrival:
    """A message as it came: its bytes, and as far as it can be read as it says itself."""

    raw: bytes
    peer: str
    header: Header
    parsed: Message | None

    @classmethod
    def of(cls, raw: bytes, peer: str) -> "Arrival":
        """Raises `Er7Error` where there is no MSH. A long one is read when it is applied, not kept twice."""
        text = er7.without_nul(raw)
        header = er7.read_header(text if b"\0" not in text else _readable(text))
        if len(text) > er7.LONG:
            return cls(raw, peer, header, None)
        try:
            return cls(raw, peer, header, er7.parse(text))
        except Er7Error:
            return cls(raw, peer, header, None)

    @property
    def source(self) -> str:
        """Who sent it, as it says."""
        return _text(f"{self.header.sending_application}|{self.header.sending_facility}")[:500]


def store(
    arrivals: Sequence[Arrival], answer_of: Callable[[InboundMessage, Arrival], bytes] = lambda *_: b""
) -> list[tuple[InboundMessage, bool]]:
    """The row of each message, and whether it is new; then its first attempt is counted.

    A killed process loses nothing of it. It is on disk no later than what becomes of the message; at once
    where `answer_of` gives what its sender is told now, and its attempts are counted later.
    """
    rows = [row_of(arrival.raw, arrival.header, arrival.source, arrival.peer) for arrival in arrivals]
    _part_times(rows)
    for row, arrival in zip(rows, arrivals, strict=True):
        if answer := answer_of(row, arrival):
            row.ack, row.ack_code, row.is_answered_on_storing, row.attempts = answer, "AA", True, 0
    at_once = any(row.is_answered_on_storing for row in rows)
    _flag_reused(rows)
    parsed = [(row, arrival.parsed) for row, arrival in zip(rows, arrivals, strict=True)]
    with _long_ones_apart(rows):
        _insert(parsed, is_durable=at_once)
    if all(row.pk for row in rows):
        return [(row, True) for row in rows]
    with durability.with_the_next_commit():
        return [(row, True) if row.pk else (_received_again(row), False) for row in rows]


def _insert(parsed: Sequence[tuple[InboundMessage, Message | None]], *, is_durable: bool) -> None:
    rows = [row for row, _ in parsed]
    if connection.vendor == "postgresql":
        crashpoint("mllp.before_commit")
        _store_at_once(parsed, is_durable=is_durable)
        return
    with transaction.atomic() if is_durable else durability.with_the_next_commit():
        _note(rows, MESSAGES.inserting(rows, {"control_id_reused": _REUSED}, _UNLESS_KNOWN, ("", [])))
        message_index.keep_all(pair for pair in parsed if pair[0].pk)
        crashpoint("mllp.before_commit")


def is_long(row: InboundMessage) -> bool:
    """Whether a message is so long that no statement should hold it more often than it must."""
    return len(row.raw) > er7.LONG


@contextmanager
def _long_ones_apart(rows: Sequence[InboundMessage]) -> Iterator[None]:
    """Insert long messages with the beginning of their bytes; the whole follows in the same transaction.

    The statement that inserts many rows holds each value several times.
    """
    long_ones = [(row, bytes(row.raw)) for row in rows if is_long(row)]
    if not long_ones:
        yield
        return
    with transaction.atomic():
        for row, raw in long_ones:
            row.raw = raw[: message_index.READ]
        try:
            yield
        finally:
            for row, raw in long_ones:
                row.raw = raw
        for row, raw in long_ones:
            if row.pk:
                _write_raw(row.pk, raw)


def _write_raw(key: int, raw: bytes) -> None:
    """Write all bytes of a message; on PostgreSQL in parts, as its driver spells them out in statements."""
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            sql = f"UPDATE {MESSAGES.name} SET raw = %s WHERE id = %s"
            cursor.execute(sql, [raw, key])
            cursor.execute(sql, [b"", 0])  # the driver keeps the last values of a statement
            return
        cursor.execute("CREATE TEMPORARY TABLE IF NOT EXISTS raw_parts (place int, part bytea)")
        cursor.execute("TRUNCATE raw_parts")
        for start in range(0, len(raw), er7.LONG):
            part = raw[start : start + er7.LONG]
            cursor.execute("INSERT INTO raw_parts VALUES (%s, %s)", [start, part])
        whole = "(SELECT string_agg(part, ''::bytea ORDER BY place) FROM raw_parts)"
        cursor.execute(f"UPDATE {MESSAGES.name} SET raw = {whole} WHERE id = %s", [key])
        cursor.execute("DROP TABLE raw_parts")


def make_durable(rows: Sequence[InboundMessage]) -> None:
    """Have stored messages on the disk now: of those that are only accepted, their senders keep nothing."""
    with transaction.atomic():
        InboundMessage.objects.filter(pk__in=[row.pk for row in rows]).update(attempts=F("attempts"))


def row_of(raw: bytes, header: Header, source: str, peer: str) -> InboundMessage:
    """The row of a message, not saved."""
    message_type = "^".join(part for part in (header.message_code, header.trigger) if part)
    return InboundMessage(
        source=source,
        control_id=_text(header.control_id)[:199],
        sha256=hashlib.sha256(raw).hexdigest(),
        raw=raw,
        peer=str(peer),
        certificate=getattr(peer, "certificate", ""),
        message_type=_text(message_type)[:40],
        received_at=timezone.now(),
        attempts=1,
    )


def _store_at_once(parsed: Sequence[tuple[InboundMessage, Message | None]], *, is_durable: bool) -> None:
    """Insert messages with their keys by one statement, which is a transaction where there is none around."""
    rows = [row for row, _ in parsed]
    keys, parameters = message_index.keeping(parsed)
    when = "''" if is_durable else durability.WITH_THE_NEXT
    told = f"{keys} SELECT id, public_id, control_id_reused, {when} FROM made"
    _note(
        rows,
        MESSAGES.inserting(rows, {"control_id_reused": _REUSED}, _UNLESS_KNOWN, (told, parameters)),
    )


def _note(rows: Sequence[InboundMessage], inserted: Iterable[tuple[Any, ...]]) -> None:
    """Set on rows what the database has made of them; those that were there before stay without a key."""
    by_id = {row.public_id: row for row in rows}
    for key, public_id, is_reused, *_ in inserted:
        row = by_id[public_id]
        row.pk, row.control_id_reused = key, bool(is_reused)
        row._state.adding = False


def _readable(raw: bytes) -> bytes:
    """A message that is refused for NUL within a value is routed and answered by its header without any."""
    return raw if character_sets.sniff_utf16(raw) else raw.replace(b"\0", b"")


def _part_times(rows: Sequence[InboundMessage]) -> None:
    """Have what came later be later by its time of receipt too, which may decide what counts."""
    for one, next_one in itertools.pairwise(rows):
        next_one.received_at = max(next_one.received_at, one.received_at + timedelta(microseconds=1))


def _flag_reused(rows: Sequence[InboundMessage]) -> None:
    """Flag those whose control ID has come with other bytes just before, at the same moment."""
    seen: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        digests = seen.setdefault((row.source, row.control_id), set())
        row.control_id_reused = bool(row.control_id and digests - {row.sha256})
        digests.add(row.sha256)


def _received_again(row: InboundMessage) -> InboundMessage:
    """Count a repeat. What failed for no fault of its own is to be applied anew."""
    known = InboundMessage.objects.select_for_update(of=("self",)).get(
        source=row.source, control_id=row.control_id, sha256=row.sha256, replay_number=0
    )
    known.times_received += 1
    if known.status == InboundStatus.REFUSED and known.error_code in NOT_OUR_DAY:
        known.status, known.attempts, known.ack = InboundStatus.RECEIVED, 0, b""
        known.is_answered_on_storing = False
    known.save(update_fields=["times_received", "status", "attempts", "ack", "is_answered_on_storing"])
    return known


def _text(value: str) -> str:
    """A value without NUL, which an escape can bring in (`\\X00\\`) and no text column takes."""
    return value.replace("\0", "")
