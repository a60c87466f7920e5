"""Repair a message that came in and apply it again; what would change is shown before."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actor import actor_of
from interfaces.hl7.inspect import message_repair as repairs
from interfaces.hl7.inspect import message_search
from interfaces.hl7.inspect.message_tree import Place
from interfaces.hl7.models import InboundMessage, InboundStatus
from interfaces.hl7.syntax import message_text as texts
from interfaces.hl7.syntax.character_sets import Er7Error
from ledger import audit
from ledger.errors import Invalid
from web.kernel import authorization, layout


@require_http_methods(["GET", "HEAD", "POST"])
@layout.may("message.replay")
def repair(request: HttpRequest, public_id: str) -> HttpResponse:
    """The message in a text area; a POST shows what the text would change."""
    row = _find(public_id)
    authorization.note_reading(request, audit.QUERY, ("message", row.public_id))
    original = (
        texts.decoded(bytes(row.raw), repairs.charset_of(row)).replace("\r\n", "\n").replace("\r", "\n")
    )
    text = _posted(request) if request.method == "POST" else original
    rows = max(8, min(24, text.count("\n") + 3))
    place = str(Place.of(row.error_location)) if row.error_location else ""
    context = {"row": row, "error_place": place, "text": text, "rows": rows, **_checked(row, text)}
    return layout.page(request, "web/messages/message_repair.html", context)


@require_POST
@layout.may("message.replay")
def check(request: HttpRequest, public_id: str) -> HttpResponse:
    """What can be said of a text while it is typed: what would be read, and what differs."""
    row = _find(public_id)
    return render(request, "web/messages/check.html", {"row": row, **_checked(row, _posted(request))})


@require_POST
@layout.may("message.replay")
def replay(request: HttpRequest, public_id: str) -> HttpResponse:
    """Apply the message again, as it came or as the form has it, as a new message."""
    row = _find(public_id)
    text = _posted(request) if "text" in request.POST else None
    reason = request.POST.get("reason", "").strip()[:500]
    if not reason:
        words = "Say why it is applied again: the next person wants to know. Nothing was changed."
        return layout.refuse(request, 422, "A reason is missing", words, reverse("message", args=[public_id]))
    if text is not None and repairs.check(row, text).is_same:
        text = None
    try:
        again = repairs.replay(row, text, by=actor_of(request), reason=reason)
    except (Invalid, Er7Error) as error:
        words = f"{error} Nothing was applied; the message is as it was."
        back = reverse("message-repair", args=[public_id])
        return layout.refuse(request, 422, "This can't be applied", words, back)
    layout.flash(request, _outcome(again))
    return HttpResponseRedirect(reverse("message", args=[again.public_id]))


def _find(public_id: str) -> InboundMessage:
    row = message_search.by_public_id(public_id)
    if not isinstance(row, InboundMessage):
        raise Http404
    return row


def _posted(request: HttpRequest) -> str:
    """The text of a form; browsers send CR LF for each line end, and HL7 wants CR."""
    return request.POST.get("text", "").replace("\r\n", "\n")


def _checked(row: InboundMessage, text: str) -> dict[str, Any]:
    found = repairs.check(row, text)
    place = Place.of(found.error.location) if found.error else None
    return {"check": found, "place": str(place) if place else ""}


def _outcome(row: InboundMessage) -> str:
    if row.status == InboundStatus.APPLIED:
        return f"Applied as a new message, answered {row.ack_code}. The original is as it was."
    where = f" at {Place.of(row.error_location)}" if row.error_location else ""
    return f"It was kept as a new message but has no effect: {row.error_code}{where}, {row.error_text}."
