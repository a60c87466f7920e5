"""Find messages by what stands in them: newest first, so many at a time, and on from where that ended.

No index knows the value of any field, so messages are read. What one search reads has a bound, in messages
and in time; it says how far back it came, and a cursor goes on from there. Indexed numbers narrow it.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import BinaryField, F, Q, QuerySet
from django.db.models.functions import Substr
from django.utils.dateparse import parse_datetime

from interfaces.hl7.inbound import message_index, sources
from interfaces.hl7.inspect import message_query, message_search
from interfaces.hl7.inspect.message_query import MessageQuery
from interfaces.hl7.inspect.message_search import Filters, Row
from interfaces.hl7.models import InboundMessage, MessageKey, OutboundMessage
from interfaces.hl7.syntax import er7
from interfaces.hl7.syntax import message_text as texts
from interfaces.hl7.syntax.character_sets import Er7Error

LOOKED: Final = 20_000
SECONDS: Final = 2.0
"""Messages that one search reads, and for how long it does."""
READ: Final = message_index.READ
_AT_ONCE: Final = 200


@dataclass(frozen=True)
class Cursor:
    """The last message that was looked at."""

    at: datetime
    way: str
    pk: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()},{self.way},{self.pk}"

    @classmethod
    def of(cls, text: str) -> "Cursor | None":
        """The cursor that a text names; None where it is none."""
        at, _, rest = text.partition(",")
        way, _, pk = rest.partition(",")
        try:
            found = parse_datetime(at)
        except ValueError:
            return None
        if found is None or found.tzinfo is None or way not in ("in", "out") or not pk.isdigit():
            return None
        return cls(found, way, int(pk[:18]))


@dataclass(frozen=True)
class Scanned:
    """What was found, how many messages were looked at, how far back, and where to go on; None at the end."""

    rows: Sequence[Row]
    looked: int
    back_to: datetime | None
    more: Cursor | None
    seconds: float = 0.0


def scan(
    filters: Filters,
    query: MessageQuery,
    *,
    after: Cursor | None = None,
    limit: int = 50,
    looked: int | None = None,
) -> Scanned:
    """The newest messages that fit the filters and have in them what is wanted; `looked` at, at the most."""
    most = LOOKED if looked is None else looked
    came = _narrowed(message_search.came(filters), query, "inbound")
    went = _narrowed(message_search.went(filters), query, "outbound")
    begun = time.monotonic()
    found: list[Cursor] = []
    number = 0
    while True:
        part = _part(came, went, after)
        for place, row in _read(part):
            after, number = place, number + 1
            if row is not None and _fits(row, query):
                found.append(place)
            if len(found) >= limit or number >= most or time.monotonic() > begun + SECONDS:
                return Scanned(_whole(found), number, after.at, after, time.monotonic() - begun)
        if len(part) < _AT_ONCE:
            return Scanned(_whole(found), number, after.at if after else None, None)
        after = part[-1]


def _part(
    came: QuerySet[InboundMessage], went: QuerySet[OutboundMessage], after: Cursor | None
) -> list[Cursor]:
    """The next messages in order: the newest first; of one moment those that came, then by row."""
    ins = _behind(came, "in", "received_at", after)
    outs = _behind(went, "out", "created_at", after)
    columns = ("at", "way", "pk")
    keys = ins.values_list(*columns).union(outs.values_list(*columns), all=True)
    return [Cursor(*key) for key in keys.order_by("-at", "way", "-pk")[:_AT_ONCE]]


def _behind(rows: QuerySet[Any], way: str, time_: str, after: Cursor | None) -> QuerySet[Any]:
    rows = rows.order_by().annotate(at=F(time_), way=message_search.word(way))
    if after is None:
        return rows
    same = Q(**{time_: after.at})
    if way == after.way:
        same &= Q(pk__lt=after.pk)
    elif way < after.way:
        same &= Q(pk__in=[])
    return rows.filter(Q(**{f"{time_}__lt": after.at}) | same)


def _read(part: Sequence[Cursor]) -> Iterator[tuple[Cursor, bytes | None]]:
    """The beginnings of the messages; None for one that is not written yet."""
    heads = {
        way: dict(
            model._default_manager.filter(pk__in=[one.pk for one in part if one.way == way])
            .annotate(head=Substr("raw", 1, READ, output_field=BinaryField()))
            .values_list("pk", "head")
        )
        for way, model in (("in", InboundMessage), ("out", OutboundMessage))
    }
    for one in part:
        head = heads[one.way].get(one.pk)
        yield one, bytes(head) if head is not None else None


def _fits(raw: bytes, query: MessageQuery) -> bool:
    if len(raw) >= READ:  # a character may be cut
        raw = raw[: raw.rfind(b"\r") + 1] or raw
    text = _text(raw)
    if not query.may_be_in(message_query.folded(text)):
        return False
    if not query.fields:
        return True
    try:
        message = er7.parse_text(text)
    except Er7Error:
        return False
    return all(one.is_in(message) for one in query.fields)


def _text(raw: bytes) -> str:
    if raw.isascii():
        return raw.decode("ascii")
    try:
        charset = sources.policy_of(er7.read_header(raw)).options.charset
    except Er7Error:
        charset = ""
    return texts.decoded(raw, charset)


def _narrowed(rows: QuerySet[Any], query: MessageQuery, way: str) -> QuerySet[Any]:
    """Those that an index says have the numbers which are wanted."""
    for kind, value in _indexed(query) if way == "inbound" else ():
        keys = MessageKey.objects.filter(kind=kind, value=value, inbound__isnull=False)
        rows = rows.filter(pk__in=keys.values("inbound"))
    for one in query.fields:
        if (one.segment, one.field) == ("MSH", 10) and one.value and "*" not in one.value:
            rows = rows.filter(control_id=one.value)
    return rows


def _indexed(query: MessageQuery) -> Iterator[tuple[str, str]]:
    """The fields whose numbers are keys of messages as far as their first component is wanted whole."""
    for one in query.fields:
        is_plain = one.value and not set("*^~&") & set(one.value) and one.component == 1
        for kind, segment, field in message_index.FIELDS if is_plain else ():
            if (segment, field) == (one.segment, one.field):
                yield kind, one.value


def _whole(found: Sequence[Cursor]) -> list[Row]:
    return message_search.rows_of([(one.way, one.pk) for one in found])
