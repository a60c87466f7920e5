"""Find messages of both directions, whatever became of them. Only reads.

A page's part of the list is found by keys alone (time, direction, row), which indexes give in order; the rows
themselves, with their bytes, are read only for that part.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from django.db.models import CharField, F, Q, QuerySet, Value

from interfaces.hl7.inbound import message_index
from interfaces.hl7.inspect import awaited_orders, named_patient
from interfaces.hl7.models import (
    InboundMessage,
    InboundStatus,
    MessageKey,
    OutboundMessage,
    OutboundStatus,
)
from interfaces.hl7.outbound import message_status
from worklist.models import Order, Patient, RequestedProcedure
from worklist.patients import patient_search

Row = InboundMessage | OutboundMessage

NEWEST: Final = "-received"
"""The usual order. Others are type, partner and status, each turned round by a `-` before it."""
IN_TROUBLE: Final = (InboundStatus.FAILED, InboundStatus.REFUSED)
MOST_PEOPLE: Final = 500
"""Records of patients whose messages a name finds, the newest."""
MOST_FOUND: Final = 5_000
"""Messages that one number finds, the newest."""

_AT_ONCE: Final = 200

_COLUMNS: Final[Mapping[str, tuple[str, str]]] = {
    "type": ("message_type", "message_type"),
    "partner": ("source", "destination__name"),
    "status": ("status", "status"),
}


@dataclass(frozen=True)
class Filters:
    """Which messages are wanted; what is empty excludes nothing.

    `text` is a control ID, a patient's identifier, an accession or order number, whole; a patient's name or
    how it begins, of those who are here and, in messages that failed, of those whom they name; or the public
    id of a message or of what it tells of.
    """

    direction: Literal["", "in", "out"] = ""
    status: str = ""
    message_type: str = ""
    partner: str = ""
    in_trouble: bool = False
    waits_for_order: bool = False
    error_code: int | None = None
    control_id: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Found:
    """How many messages fit, and the rows of the part that was asked for."""

    count: int
    rows: Sequence[Row] = field(default=())


def find(filters: Filters, *, offset: int = 0, limit: int = 50, sort: str = NEWEST) -> Found:
    """The wanted part of the messages that fit, from both directions."""
    ins, outs = came(filters), went(filters)
    count = ins.count() + outs.count()
    if offset >= count:
        return Found(count)
    keys = _keys(ins, outs, sort)[offset : offset + limit]
    return Found(count, rows_of([(way, pk) for _, _, way, pk in keys]))


def every(filters: Filters, most: int) -> Iterator[Row]:
    """All that fit, the newest first, `most` at the most, read in parts."""
    keys = _keys(came(filters), went(filters), NEWEST)[:most]
    places = [(way, pk) for _, _, way, pk in keys]
    for start in range(0, len(places), _AT_ONCE):
        yield from rows_of(places[start : start + _AT_ONCE])


def rows_of(places: Sequence[tuple[str, int]]) -> list[Row]:
    """The rows of some directions and keys, in this order; those that there are."""
    ins = _with_rows(InboundMessage.objects.select_related("replay_of"), places, "in")
    outs = _with_rows(OutboundMessage.objects.select_related("destination"), places, "out")
    rows: list[Row | None] = [ins.get(pk) if way == "in" else outs.get(pk) for way, pk in places]
    return [row for row in rows if row is not None]


def by_public_id(public_id: str) -> Row | None:
    """A message of either direction."""
    if not public_id.isascii() or not public_id.isalnum():
        return None
    inbound = InboundMessage.objects.select_related("replay_of").filter(public_id=public_id).first()
    if inbound is not None:
        return inbound
    return OutboundMessage.objects.select_related("destination").filter(public_id=public_id).first()


def types() -> list[str]:
    """The message types that there are, both directions, by name."""
    came = InboundMessage.objects.order_by().values_list("message_type", flat=True).distinct()
    went = OutboundMessage.objects.order_by().values_list("message_type", flat=True).distinct()
    return sorted({*came, *went} - {""})


def partners() -> list[str]:
    """The senders (application|facility) and the destinations that there are, by name."""
    came = InboundMessage.objects.order_by().values_list("source", flat=True).distinct()
    went = OutboundMessage.objects.order_by().values_list("destination__name", flat=True).distinct()
    return sorted({*came, *went} - {""})


def _with_rows(rows: QuerySet[Any], places: Sequence[tuple[str, int]], way: str) -> dict[int, Any]:
    wanted = [pk for found, pk in places if found == way]
    return rows.in_bulk(wanted) if wanted else {}


def _keys(came: QuerySet[InboundMessage], went: QuerySet[OutboundMessage], sort: str) -> QuerySet[Any, Any]:
    """Direction and key of each message, in order; the newest come first among equals."""
    name = sort.removeprefix("-")
    first, second = _COLUMNS.get(name, ("received_at", "created_at"))
    ins = came.order_by().annotate(way=word("in"), at=F("received_at"), by=F(first))
    outs = went.order_by().annotate(way=word("out"), at=F("created_at"), by=F(second))
    keys = ins.values_list("at", "by", "way", "pk").union(outs.values_list("at", "by", "way", "pk"), all=True)
    sign = "-" if sort.startswith("-") else ""
    if name == "received":
        return keys.order_by(f"{sign}at", f"{sign}pk")
    return keys.order_by(f"{sign}by", "-at", "-pk")


def word(text: str) -> Value:
    """A constant column."""
    return Value(text, output_field=CharField())


def came(filters: Filters) -> QuerySet[InboundMessage]:
    """The messages that came and fit."""
    rows = InboundMessage.objects.all()
    if filters.direction == "out" or (filters.status and filters.status not in InboundStatus.values):
        return rows.none()
    rows = _narrowed(rows, filters, "received_at", "source")
    if filters.in_trouble:
        rows = rows.filter(status__in=IN_TROUBLE)
    if filters.waits_for_order:
        rows = rows.filter(public_id__in=awaited_orders.messages())
    if filters.error_code is not None:
        rows = rows.filter(error_code=filters.error_code, status__in=IN_TROUBLE)
    if filters.text:
        by_name = named_patient.called(rows.filter(status__in=IN_TROUBLE), filters.text)
        rows = rows.filter(pk__in=[*_named("inbound", InboundMessage, filters.text), *by_name])
    return rows


def went(filters: Filters) -> QuerySet[OutboundMessage]:
    """The messages that go out and fit."""
    rows = OutboundMessage.objects.all()
    if filters.direction == "in" or (filters.status and filters.status not in OutboundStatus.values):
        return rows.none()
    if filters.error_code is not None or filters.waits_for_order:
        return rows.none()
    rows = _narrowed(rows, filters, "created_at", "destination__name")
    if filters.in_trouble:
        waits_in_vain = Q(status=OutboundStatus.WAITING) & ~Q(last_error="")
        rows = rows.filter(Q(status__in=message_status.STUCK) | waits_in_vain)
    if filters.text:
        rows = rows.filter(pk__in=_named("outbound", OutboundMessage, filters.text))
    return rows


def _narrowed(rows: QuerySet[Any], filters: Filters, time: str, partner: str) -> QuerySet[Any]:
    wanted = {
        "status": filters.status,
        "message_type": filters.message_type,
        "control_id": filters.control_id,
        partner: filters.partner,
        f"{time}__gte": filters.since,
        f"{time}__lt": filters.until,
    }
    return rows.filter(**{name: value for name, value in wanted.items() if value})


def _named(way: str, model: type[Row], text: str) -> list[int]:
    """Rows of messages with this control ID or id, that name this number, or that tell of what it names."""
    own = model.objects.filter(Q(control_id=text) | Q(public_id=text)).order_by("-pk")
    by_name = Q(kind=message_index.PATIENT, value__in=_of_name(text))
    keys = MessageKey.objects.filter(Q(value__in=[text, *_things(text)]) | by_name).exclude(**{way: None})
    found = keys.order_by("-pk").values_list(f"{way}_id", flat=True)[:MOST_FOUND]
    return list({*own.values_list("pk", flat=True)[:MOST_FOUND], *found})


def _of_name(text: str) -> list[str]:
    """The identifiers and public ids of the patients whom a name may mean."""
    if not patient_search.may_be_name(text):
        return []
    people = patient_search.of_persons(patient_search.by_name(text)).order_by("-pk")
    pairs = people.values_list("value", "public_id")[:MOST_PEOPLE]
    return [text for pair in pairs for text in pair]


def _things(text: str) -> list[str]:
    """The public ids of patients and orders that a number names."""
    patients = Patient.objects.filter(value=text).values_list("public_id", flat=True)[:50]
    by_own = Q(accession_number=text) | Q(numbers__value=text)
    orders = Order.objects.filter(by_own).distinct().values_list("public_id", flat=True)[:50]
    procedures = RequestedProcedure.objects.filter(accession_number=text)
    return [*patients, *orders, *procedures.values_list("order__public_id", flat=True)[:50]]
