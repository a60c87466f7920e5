"""One message: as it stands, taken apart, what was answered, what it did, what became of it since."""

from collections.abc import Iterable
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from accounts import access
from interfaces.hl7.inspect import message_repair, message_search, message_tree
from interfaces.hl7.inspect.message_search import Row
from interfaces.hl7.inspect.message_tree import LINES, Anatomy, Part
from interfaces.hl7.models import InboundMessage, OutboundMessage
from interfaces.hl7.syntax import message_text as texts
from ledger import audit
from ledger.models import Event
from web.kernel import authorization, layout
from web.pages import timelines
from web.pages.messages import outbound_message
from web.pages.messages.message_rows import listed

OPEN_SEGMENTS: Final = 12
"""Segments whose fields a page brings along; the others bring theirs when they are opened."""
LONG_SEGMENT: Final = 20_000
"""Characters of a segment that is only opened when it is asked for."""


@require_safe
@layout.may("message.view")
def message(request: HttpRequest, public_id: str) -> HttpResponse:
    """A message of either direction."""
    row = find(public_id)
    authorization.note_reading(request, audit.QUERY, ("message", row.public_id))
    first = _first(request)
    taken = _taken_apart(row)
    if first >= taken.count:
        first = 0
    context: dict[str, Any] = {
        "row": row,
        "listed": listed([row])[0],
        "tree": taken,
        "lines": taken.lines(first),
        "branches": _branches(row, taken, first),
        "first": first,
        "next": first + LINES if taken.count > first + LINES else 0,
        "previous": first - LINES if first >= LINES else None,
        "last": min(first + LINES, taken.count),
        "ack": _ack(row),
        "timeline": timelines.of("message", row.public_id, layout.user_of(request)),
        "is_received": isinstance(row, InboundMessage),
    }
    context |= (
        _received(request, row) if isinstance(row, InboundMessage) else outbound_message.facts(request, row)
    )
    return layout.page(request, "web/messages/message.html", context)


@require_safe
@layout.may("message.view")
def raw(request: HttpRequest, public_id: str) -> HttpResponse:
    """The whole message as text, to copy; with `?bytes` its bytes, to keep."""
    row = find(public_id)
    authorization.note_reading(request, audit.EXPORT, ("message", row.public_id))
    content = bytes(row.raw or b"")
    if "bytes" not in request.GET:
        text = texts.decoded(content, _charset(row)).replace("\r", "\n")
        return HttpResponse(text, content_type="text/plain; charset=utf-8")
    response = HttpResponse(content, content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, f"{row.public_id}.hl7")
    return response


@require_safe
@layout.may("message.view")
def segment(request: HttpRequest, public_id: str, number: int) -> HttpResponse:
    """The fields of one segment, for a tree that opens them one by one."""
    row = find(public_id)
    branch = _taken_apart(row).branch(number)
    if branch is None:
        raise Http404
    authorization.note_reading(request, audit.QUERY, ("message", row.public_id))
    return render(request, "web/messages/segment.html", {"fields": flat(branch.fields)})


def find(public_id: str) -> Row:
    """A message by its id; raises Http404."""
    row = message_search.by_public_id(public_id)
    if row is None:
        raise Http404
    return row


def _first(request: HttpRequest) -> int:
    text = request.GET.get("from", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def _charset(row: Row) -> str:
    return message_repair.charset_of(row) if isinstance(row, InboundMessage) else ""


def _taken_apart(row: Row) -> Anatomy:
    location = row.error_location if isinstance(row, InboundMessage) else _refused_at(row)
    return message_tree.of(bytes(row.raw or b""), location=location, charset=_charset(row))


def _refused_at(row: OutboundMessage) -> str:
    """Where the receiver found the error, from its acknowledgment."""
    ack = message_tree.of(bytes(row.ack)).message if row.ack and row.ack_code not in ("AA", "CA") else None
    return _err_2(ack) if ack else ""


def _err_2(ack: Any) -> str:
    error = ack.first("ERR")
    if error is None:
        return ""
    found = error.field(2) if not error.field(2).is_empty else error.field(1)
    parts = [found.component(n) for n in range(1, 7)]
    while parts and not parts[-1]:
        parts.pop()
    return "^".join(parts[:5])


def _branches(row: Row, taken: Anatomy, first: int) -> list[dict[str, Any]]:
    """The segments; the first few and the one with the error bring their fields."""
    found = []
    for place, branch in enumerate(taken.branches(first)):
        is_open = branch.is_wrong or (place < OPEN_SEGMENTS and len(branch.segment.raw) < LONG_SEGMENT)
        url = reverse("message-segment", args=[row.public_id, branch.number])
        found.append({"branch": branch, "url": url, "fields": flat(branch.fields) if is_open else None})
    return found


def flat(parts: Iterable[Part], depth: int = 0) -> list[tuple[int, Part]]:
    """Fields, components and subcomponents, each with how deep it lies."""
    found: list[tuple[int, Part]] = []
    for part in parts:
        found.append((depth, part))
        found += flat(part.parts, depth + 1)
    return found


def _ack(row: Row) -> dict[str, Any] | None:
    content = bytes(row.ack)
    if not content:
        return None
    return {"code": row.ack_code, "lines": message_tree.of(content).lines()}


def _received(request: HttpRequest, row: InboundMessage) -> dict[str, Any]:
    events = Event.objects.filter(source=f"hl7:{row.public_id}").prefetch_related("subjects").order_by("id")
    history = message_repair.history(row)
    return {
        "effects": timelines.entries(events[:200], layout.user_of(request)),
        "history": history if len(history) > 1 else [],
        "can_replay": access.can(request.user, "message.replay"),
    }
