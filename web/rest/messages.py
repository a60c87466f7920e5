"""`/hl7/messages`: what came and what goes, what was answered, what it did; apply a message again."""

import heapq
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from django.db import transaction
from django.http import Http404, HttpRequest
from ninja import Query, Router

from interfaces.hl7 import charsets, er7, inbox
from interfaces.hl7.er7 import Er7Error
from interfaces.hl7.models import InboundMessage, OutboundMessage
from ledger import audit
from ledger.models import Event
from web.rest import access
from web.rest.paging import Page, Paging
from web.rest.problems import Refused
from web.rest.schemas.messages import (
    About,
    Effect,
    Message,
    MessageError,
    MessageFilters,
    Messages,
    Replay,
)

router = Router(tags=["HL7 messages"])
Row = InboundMessage | OutboundMessage


@router.get("", response=Messages, summary="Find messages")
def find_messages(
    request: HttpRequest, filters: Annotated[MessageFilters, Query()], paging: Page
) -> dict[str, Any]:
    """Those that came, or were made, last first."""
    access.allow(request, "message.view")
    count, rows = newest(filters, paging)
    found = {"count": count, "results": _shown(rows)}
    access.note_reading(request, audit.QUERY, *(("message", row.public_id) for row in rows))
    return found


@router.get("/{id}", response=Message, summary="Read a message")
def read_message(request: HttpRequest, id: str) -> Message:
    """One message, as it came or went."""
    access.allow(request, "message.view")
    row = _find(id)
    access.note_reading(request, audit.QUERY, ("message", row.public_id))
    return _shown([row])[0]


@router.post("/{id}/replay", response=Message, summary="Apply a message again")
def replay_message(request: HttpRequest, id: str, body: Replay | None = None) -> Message:
    """As it came, or repaired: as a new message, which is the answer. The old one stays as it is."""
    access.allow(request, "message.replay")
    row = _find(id)
    if not isinstance(row, InboundMessage):
        raise Refused(409, "Only messages that came in can be applied again.")
    raw = encoded(body.raw) if body is not None and body.raw is not None else None
    if raw is not None:
        er7.read_header(raw)
    with transaction.atomic():
        access.note_change(request, audit.IMPORT, audit.EXECUTE, ("message", row.public_id))
    return _shown([inbox.replay(row, raw)])[0]


def newest(filters: MessageFilters, paging: Paging) -> tuple[int, list[Row]]:
    """How many messages fit, and the wanted part of them, from both directions, newest first."""
    wanted: dict[str, Any] = {"status": filters.status, "control_id": filters.control_id}
    wanted = {name: value for name, value in wanted.items() if value}
    inbound, outbound = InboundMessage.objects.filter(**wanted), OutboundMessage.objects.filter(**wanted)
    if filters.direction is not None:
        inbound = inbound if filters.direction == "in" else inbound.none()
        outbound = outbound if filters.direction == "out" else outbound.none()
    end = paging.offset + paging.limit
    came = inbound.order_by("-received_at", "-id").values_list("received_at", "pk")[:end]
    went = outbound.order_by("-created_at", "-id").values_list("created_at", "pk")[:end]
    keys: list[tuple[datetime, str, int]] = list(
        heapq.merge(((at, "in", pk) for at, pk in came), ((at, "out", pk) for at, pk in went), reverse=True)
    )[paging.offset : end]
    ins = inbound.select_related("replay_of").in_bulk([pk for _, way, pk in keys if way == "in"])
    outs = outbound.select_related("destination").in_bulk([pk for _, way, pk in keys if way == "out"])
    rows: list[Row] = [ins[pk] if way == "in" else outs[pk] for _, way, pk in keys]
    return inbound.count() + outbound.count(), rows


def decoded(raw: bytes) -> str:
    """A message as text, in the character set that it declares; never refused, Latin-1 at worst."""
    try:
        header = er7.read_header(raw)
        return charsets.decode(raw, header.charsets, header.charset_handling).text
    except Er7Error:
        pass
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def encoded(text: str) -> bytes:
    """A repaired message as bytes of the character set that it declares; line ends become segment ends."""
    text = text.replace("\r\n", "\r").replace("\n", "\r")
    declared = er7.read_header(text.encode()).charsets
    return charsets.encode(text, "~".join(declared)) if declared else text.encode()


def _find(id: str) -> Row:
    if not id.isascii() or not id.isalnum():
        raise Http404
    row: Row | None = InboundMessage.objects.select_related("replay_of").filter(public_id=id).first()
    row = row or OutboundMessage.objects.select_related("destination").filter(public_id=id).first()
    if row is None:
        raise Http404
    return row


def _shown(rows: Iterable[Row]) -> list[Message]:
    rows = list(rows)
    effects = _effects(row.public_id for row in rows if isinstance(row, InboundMessage))
    return [
        _inbound(row, effects[row.public_id]) if isinstance(row, InboundMessage) else _outbound(row)
        for row in rows
    ]


def _inbound(row: InboundMessage, effects: list[Effect]) -> Message:
    error = None
    if row.error_code is not None or row.error_text:
        error = MessageError(code=row.error_code, location=row.error_location, text=row.error_text)
    return Message(
        id=row.public_id,
        direction="in",
        type=row.message_type,
        control_id=row.control_id,
        status=row.status,
        ack=row.ack_code,
        error=error,
        raw=decoded(bytes(row.raw)),
        effects=effects,
        at=row.received_at,
        partner=row.source,
        replay_of=row.replay_of.public_id if row.replay_of else None,
    )


def _outbound(row: OutboundMessage) -> Message:
    return Message(
        id=row.public_id,
        direction="out",
        type=row.message_type,
        control_id=row.control_id,
        status=row.status,
        ack=row.ack_code,
        error=MessageError(code=None, location="", text=row.last_error) if row.last_error else None,
        raw=decoded(bytes(row.raw)) if row.raw is not None else None,
        effects=[],
        at=row.created_at,
        partner=row.destination.name,
        replay_of=None,
    )


def _effects(public_ids: Iterable[str]) -> dict[str, list[Effect]]:
    """What messages changed, by their public ids."""
    sources = {f"hl7:{public_id}": public_id for public_id in public_ids}
    effects: dict[str, list[Effect]] = defaultdict(list)
    rows = Event.objects.filter(source__in=sources).prefetch_related("subjects").order_by("id")
    for row in rows if sources else ():
        effects[sources[row.source]].append(
            Effect(
                kind=row.kind,
                at=row.occurred_at,
                about=[About(type=subject.type, id=subject.key) for subject in row.subjects.all()],
                details=row.details,
            )
        )
    return effects
