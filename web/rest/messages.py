"""`/hl7/messages`: what came and what goes, what was answered, what it did; apply a message again."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated, Any

from django.http import Http404, HttpRequest
from ninja import Query, Router

from accounts.actor import actor_of
from interfaces.hl7.inspect import message_query, message_repair, message_scan, message_search
from interfaces.hl7.inspect.message_scan import Cursor
from interfaces.hl7.inspect.message_search import Row
from interfaces.hl7.models import InboundMessage, OutboundMessage
from interfaces.hl7.syntax import message_text as texts
from ledger import audit, event_types
from ledger.errors import Conflict, Invalid
from ledger.models import Event
from web.kernel import authorization
from web.rest.limit_offset import Page
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


@router.get("", response=Messages, summary="Find messages")
def find_messages(
    request: HttpRequest, filters: Annotated[MessageFilters, Query()], paging: Page
) -> dict[str, Any]:
    """Those that came, or were made, last first."""
    authorization.allow(request, "message.view")
    query = message_query.parse(filters.q)
    wanted = message_search.Filters(
        direction=filters.direction or "",
        status=filters.status or "",
        control_id=filters.control_id,
        message_type=filters.type,
        partner=filters.partner,
        since=filters.since,
        until=filters.until,
        text=query.rest,
    )
    if query.reads_messages:
        part = message_scan.scan(wanted, query, after=_cursor(filters.before), limit=paging.limit)
        page = message_search.Found(len(part.rows), part.rows)
        more = str(part.more) if part.more else None
    else:
        page, more = message_search.find(wanted, offset=paging.offset, limit=paging.limit), None
    found = {"count": page.count, "results": shown(page.rows), "more": more}
    authorization.note_reading(request, audit.QUERY, *(("message", row.public_id) for row in page.rows))
    return found


@router.get("/{id}", response=Message, summary="Read a message")
def read_message(request: HttpRequest, id: str) -> Message:
    """One message, as it came or went."""
    authorization.allow(request, "message.view")
    row = _find(id)
    authorization.note_reading(request, audit.QUERY, ("message", row.public_id))
    return shown([row])[0]


@router.post("/{id}/replay", response=Message, summary="Apply a message again")
def replay_message(request: HttpRequest, id: str, body: Replay | None = None) -> Message:
    """As it came, or repaired: as a new message, which is the answer. The old one stays as it is."""
    authorization.allow(request, "message.replay")
    row = _find(id)
    if not isinstance(row, InboundMessage):
        raise Conflict("Only messages that came in can be applied again.")
    text = body.raw if body is not None else None
    return shown([message_repair.replay(row, text, by=actor_of(request))])[0]


def _cursor(text: str) -> Cursor | None:
    found = Cursor.of(text)
    if text and found is None:
        raise Invalid("This is no place that an answer has named.", field="before")
    return found


def _find(id: str) -> Row:
    row = message_search.by_public_id(id)
    if row is None:
        raise Http404
    return row


def shown(rows: Iterable[Row]) -> list[Message]:
    """Messages with what they did."""
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
        raw=texts.decoded(bytes(row.raw)),
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
        raw=texts.decoded(bytes(row.raw)) if row.raw is not None else None,
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
                words=event_types.of(row.kind).say(row.details, row.source),
                at=row.occurred_at,
                about=[About(type=subject.type, id=subject.key) for subject in row.subjects.all()],
                details=row.details,
            )
        )
    return effects
