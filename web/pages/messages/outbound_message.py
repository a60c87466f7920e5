"""Messages that go out: their facts, what a person may do with them, and the queue of each destination."""

import json
from typing import Any, Final

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts import access
from accounts.actor import actor_of
from interfaces.hl7.inspect import message_search
from interfaces.hl7.models import Destination, OutboundMessage
from interfaces.hl7.outbound import delivery_queues, destination_pause, message_status, outbox
from ledger import audit
from ledger.errors import Conflict
from web.kernel import authorization, layout, paging
from web.pages import timelines
from web.pages.messages.message_columns import WAITING
from web.pages.messages.message_rows import listed

ACTS: Final = {
    "resend": (outbox.resend, "Resend", "Sends the same bytes to {} again, under the same control ID."),
    "hold": (
        outbox.hold,
        "Hold",
        "Keeps it back; {} gets it, and what has to follow it, when released.",
    ),
    "release": (outbox.release, "Release", "Sends it to {}, and then what waits behind it."),
    "skip": (outbox.skip, "Skip", "Gives it up: {} never gets it. What waits behind it goes on."),
}
_DONE: Final = {
    "resend": "It waits to be sent again.",
    "hold": "It is held.",
    "release": "It is released.",
    "skip": "It is skipped.",
}
_SHORTCUTS: Final = {
    "resend": "retry",
    "hold": "hold_queue",
    "release": "release_queue",
    "skip": "skip_message",
}


def facts(request: HttpRequest, row: OutboundMessage) -> dict[str, Any]:
    """What the page of a message says of one that goes out."""
    acts = message_status.actions(row) if access.can(request.user, "message.replay") else []
    return {
        "acts": [
            {
                "name": name,
                "title": ACTS[name][1],
                "ask": ACTS[name][2].format(row.destination.name),
                "shortcut": _SHORTCUTS[name],
            }
            for name in acts
        ],
        "facts": json.dumps(row.facts, indent=2, ensure_ascii=False)[:20_000],
        "queue": delivery_queues.queue_of(row.destination),
    }


@require_POST
@layout.may("message.replay")
def act(request: HttpRequest, public_id: str, act: str) -> HttpResponse:
    """Resend, hold, release or skip a message, for a reason."""
    if act not in ACTS:
        raise Http404
    row = message_search.by_public_id(public_id)
    if not isinstance(row, OutboundMessage):
        raise Http404
    here = layout.back_to(request, reverse("message", args=[public_id]))
    reason = request.POST.get("reason", "").strip()[:500]
    if not reason:
        text = "Say why: the next person wants to know. Nothing was changed."
        return layout.refuse(request, 422, "A reason is missing", text, here)
    do, title, _ = ACTS[act]
    try:
        with transaction.atomic():
            do(row, by=actor_of(request), reason=reason)
    except Conflict as error:
        text = f"{title} is not possible: {error}. Somebody, or the sender, was quicker. Nothing was changed."
        return layout.refuse(request, 409, "The message is in another state by now", text, here)
    layout.flash(request, _DONE[act])
    return HttpResponseRedirect(here)


@require_POST
@layout.may("message.replay")
def try_now(request: HttpRequest, name: str) -> HttpResponse:
    """Try a destination that gives no answer again at once, instead of when its pause is over."""
    row = _destination(name)
    try:
        outbox.try_now(row, by=actor_of(request))
    except Conflict as error:
        here = reverse("destination", args=[name])
        return layout.refuse(request, 409, "Nothing was changed", f"{error}.", here)
    layout.flash(request, f"{name} is tried now.")
    return HttpResponseRedirect(layout.back_to(request, reverse("destination", args=[name])))


@require_POST
@layout.may("message.replay")
def pause(request: HttpRequest, name: str) -> HttpResponse:
    """Send nothing more to a destination, for a reason."""
    row, here = _destination(name), reverse("destination", args=[name])
    reason = request.POST.get("reason", "").strip()[:500]
    if not reason:
        text = "Say why: the next person wants to know. Nothing was changed."
        return layout.refuse(request, 422, "A reason is missing", text, here)
    try:
        destination_pause.pause(row, by=actor_of(request), reason=reason)
    except Conflict as error:
        return layout.refuse(request, 409, "Nothing was changed", f"{error}.", here)
    layout.flash(request, f"Sending to {name} is paused.", undo=reverse("destination-resume", args=[name]))
    return HttpResponseRedirect(here)


@require_POST
@layout.may("message.replay")
def resume(request: HttpRequest, name: str) -> HttpResponse:
    """Go on sending to a destination that was paused."""
    row, here = _destination(name), reverse("destination", args=[name])
    try:
        destination_pause.resume(row, by=actor_of(request))
    except Conflict as error:
        return layout.refuse(request, 409, "Nothing was changed", f"{error}.", here)
    layout.flash(request, f"Sending to {name} goes on.")
    return HttpResponseRedirect(here)


def _destination(name: str) -> Destination:
    row = Destination.objects.filter(name=name, is_active=True).first()
    if row is None:
        raise Http404
    return row


@require_safe
@layout.may("message.view")
def destination(request: HttpRequest, name: str) -> HttpResponse:
    """The queue of a destination: what waits, since when, and why."""
    row = Destination.objects.filter(name=name).first()
    if row is None:
        raise Http404
    rows = OutboundMessage.objects.filter(destination=row, status__in=message_status.OPEN).order_by("id")
    cut = paging.cut(request, rows, lambda rows: rows.select_related("destination"))
    authorization.note_reading(request, audit.QUERY, *(("message", one.public_id) for one in cut.rows))
    context = {
        "queue": delivery_queues.queue_of(row),
        "may_try": access.can(request.user, "message.replay"),
        "table": WAITING,
        "paging": cut.with_rows(listed(cut.rows)),
        "timeline": timelines.of("destination", row.name, layout.user_of(request), 50),
    }
    return layout.page(request, "web/messages/destination.html", context)
