"""A bulk replay: how far it is, what failed, stop it and go on."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts import access
from accounts.actor import actor_of
from interfaces.hl7.inspect import bulk_replay as replays
from interfaces.hl7.inspect import work_list
from interfaces.hl7.models import BulkReplay, ReplayedMessage, ReplayedState
from ledger import audit
from ledger.errors import Conflict
from web.kernel import authorization, layout, paging
from web.pages.messages import message_tabs, work_columns

_ACTS = {"stop": (replays.stop, "The replay is ended."), "go-on": (replays.go_on, "The replay goes on.")}


@require_safe
@layout.may("message.view")
def bulk_replay(request: HttpRequest, public_id: str) -> HttpResponse:
    """One replay, what failed first."""
    run = _find(public_id)
    failed = run.messages.filter(state=ReplayedState.FAILED).order_by("position")
    rows = failed if "failed" in request.GET else run.messages.order_by("position")
    cut = paging.cut(request, rows, lambda rows: rows.select_related("original", "replay"))
    things = (("message", row.original.public_id) for row in cut.rows)
    authorization.note_reading(request, audit.QUERY, *things)
    context = {
        "run": run,
        "done": run.applied + run.failed,
        "stopped_at": failed.select_related("original", "replay").last() if run.state == "stopped" else None,
        "waiting": run.messages.filter(state=ReplayedState.WAITING).count(),
        "only_failed": "failed" in request.GET,
        "table": work_columns.REPLAYED,
        "paging": cut.with_rows(_row(row) for row in cut.rows),
        "may_act": access.can(request.user, "message.replay"),
    }
    return message_tabs.page(request, "message-work", "web/messages/bulk_replay.html", context)


@require_POST
@layout.may("message.replay")
def act(request: HttpRequest, public_id: str, act: str) -> HttpResponse:
    """End a replay, or go on behind the message at which it stopped."""
    if act not in _ACTS:
        raise Http404
    run, here = _find(public_id), reverse("bulk-replay", args=[public_id])
    do, words = _ACTS[act]
    try:
        do(run, by=actor_of(request))
    except Conflict as error:
        return layout.refuse(request, 409, "It is in another state by now", f"{error}", here)
    layout.flash(request, words)
    return HttpResponseRedirect(here)


def _find(public_id: str) -> BulkReplay:
    rows = BulkReplay.objects.select_related("by")
    run = rows.filter(public_id=public_id).first() if public_id.isascii() else None
    if run is None:
        raise Http404
    return run


def _row(row: ReplayedMessage) -> dict[str, Any]:
    return {
        "position": row.position,
        "original": row.original,
        "replay": row.replay,
        "shown": row.replay or row.original,
        "state": row.state,
        "place": work_list.place_of(row.replay.error_location) if row.replay else "",
    }
