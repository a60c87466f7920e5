"""What is to be worked off: groups of messages by error and place, and what a person does with them."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts import access
from accounts.actor import Actor, actor_of
from accounts.models import User
from interfaces.hl7.inspect import bulk_replay, message_search, work_acts
from interfaces.hl7.inspect import work_list as work
from interfaces.hl7.inspect.message_search import Row
from interfaces.hl7.models import BulkReplay, InboundMessage, OutboundMessage
from interfaces.hl7.monitoring import interface_state
from interfaces.hl7.outbound import outbox
from ledger import audit
from ledger.errors import Conflict, Invalid, Refused
from web.kernel import authorization, layout, list_filters, paging
from web.kernel.list_filters import text_of
from web.pages.messages import message_tabs, work_columns
from web.pages.messages.message_rows import listed

WHOSE: Final = {"": "All", "mine": "Mine", "nobody": "Nobody's"}
MOST: Final = 500
"""Messages that are selected one by one."""


@require_safe
@layout.may("message.view")
def groups(request: HttpRequest) -> HttpResponse:
    """The groups, and the replays that ran last."""
    whose = _whose(request)
    found = work.groups(whose, layout.user_of(request))
    context = {
        "groups": found,
        "count": sum(one.number for one in found),
        "chips": _chips(request, whose),
        "whose": whose,
        "tables": {"groups": work_columns.GROUPS, "replays": work_columns.REPLAYS},
        "replays": BulkReplay.objects.select_related("by").order_by("-begun_at")[:10],
    }
    return message_tabs.page(request, "message-work", "web/messages/work_list.html", context)


@require_safe
@layout.may("message.view")
def group(request: HttpRequest, key: str) -> HttpResponse:
    """The messages of a group."""
    whose = _whose(request)
    found = work.group(key, whose, layout.user_of(request))
    context: dict[str, Any] = {"group": found, "whose": whose, "key": key}
    if found is not None:
        related = ("assignee",) if found.direction == "in" else ("assignee", "destination")
        rows = work.messages_of(found, whose, layout.user_of(request))
        cut = paging.cut(request, rows, lambda rows: rows.select_related(*related))
        authorization.note_reading(request, audit.QUERY, *(("message", one.public_id) for one in cut.rows))
        context |= {
            "partner": interface_state.shown(found.partner),
            "table": work_columns.MESSAGES,
            "paging": cut.with_rows(listed(cut.rows)),
            "may_act": access.can(request.user, "message.replay"),
            "people": _people(),
            "most": work_acts.MOST,
        }
    return message_tabs.page(request, "message-work", "web/messages/work_group.html", context)


@require_POST
@layout.may("message.replay")
def act(request: HttpRequest) -> HttpResponse:
    """Do something with the messages that are selected, or with a whole group."""
    here = layout.back_to(request, reverse("message-work"))
    name, reason = request.POST.get("act", ""), text_of(request.POST, "reason", 500)
    rows = _selected(request)
    if not rows:
        text = "Select messages first, or choose all of the group. Nothing was changed."
        return layout.refuse(request, 422, "Nothing is selected", text, here)
    if name in _NEED_A_REASON and not reason:
        text = "Say why: the next person wants to know. Nothing was changed."
        return layout.refuse(request, 422, "A reason is missing", text, here)
    try:
        if name == "replay":
            stop_at_error = "stop" in request.POST
            run = bulk_replay.begin(
                _received(rows), by=actor_of(request), reason=reason, stop_at_error=stop_at_error
            )
            return HttpResponseRedirect(reverse("bulk-replay", args=[run.public_id]))
        with transaction.atomic():
            words = _do(name, rows, actor_of(request), reason, request)
    except (Conflict, Refused) as error:
        return layout.refuse(request, 409, "Nothing was changed", f"{error} Nothing was changed.", here)
    undo = _undo(rows) if name in ("done", "ignore") else ""
    layout.flash(request, words, undo=undo)
    return HttpResponseRedirect(here)


@require_POST
@layout.may("message.replay")
def put_back(request: HttpRequest) -> HttpResponse:
    """Put messages back on the list."""
    rows = InboundMessage.objects.filter(public_id__in=request.GET.get("ids", "").split(",")[:MOST])
    number = work_acts.put_back(list(rows), by=actor_of(request))
    layout.flash(request, f"{_messages(number)} put back on the list.")
    return HttpResponseRedirect(layout.back_to(request, reverse("message-work")))


_NEED_A_REASON: Final = ("replay", "ignore", "release", "skip")


def _do(name: str, rows: Sequence[Row], by: Actor, reason: str, request: HttpRequest) -> str:
    if name == "done":
        return f"{_messages(work_acts.done(_received(rows), by=by, reason=reason))} marked as done."
    if name == "ignore":
        return f"{_messages(work_acts.ignore(_received(rows), by=by, reason=reason))} ignored."
    if name == "assign":
        to = _person(request)
        number = work_acts.assign(rows, to=to, by=by, reason=reason)  # type: ignore[arg-type]
        return f"{_messages(number)} assigned to {to or 'nobody'}."
    steps = {"release": (outbox.release, "released"), "skip": (outbox.skip, "skipped, never sent")}
    if name not in steps:
        raise Invalid("There is no such act.")
    step, words = steps[name]
    for row in rows:
        if isinstance(row, OutboundMessage):
            step(row, by=by, reason=reason)
    return f"{_messages(len(rows))} {words}."


def _messages(number: int) -> str:
    return f"{number} message{'' if number == 1 else 's'}"


def _selected(request: HttpRequest) -> Sequence[Any]:
    """The messages that a form means: all of a group, or those that are ticked."""
    if request.POST.get("scope") == "group":
        whose, user = _whose(request), layout.user_of(request)
        found = work.group(request.POST.get("group", ""), whose, user)
        return work.first_of(found, work_acts.MOST, whose, user) if found else []
    ids = request.POST.getlist("id")[:MOST]
    rows = [message_search.by_public_id(public_id) for public_id in dict.fromkeys(ids)]
    return [row for row in rows if row is not None]


def _received(rows: Sequence[Any]) -> list[InboundMessage]:
    return [row for row in rows if isinstance(row, InboundMessage)]


def _undo(rows: Sequence[Any]) -> str:
    ids = ",".join(row.public_id for row in rows[:50])
    return f"{reverse('message-work-put-back')}?ids={ids}" if len(rows) <= 50 else ""


def _people() -> list[User]:
    """Who may see to messages."""
    users = User.objects.filter(is_active=True).order_by("username")
    return [user for user in users if access.can(user, "message.replay")]


def _person(request: HttpRequest) -> User | None:
    name = text_of(request.POST, "to", 150)
    if not name:
        return None
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise Invalid("There is no such user.")
    return user


def _whose(request: HttpRequest) -> work.Whose:
    wanted = request.POST.get("whose", "") or request.GET.get("whose", "")
    return wanted if wanted in ("mine", "nobody") else ""  # type: ignore[return-value]


def _chips(request: HttpRequest, whose: str) -> list[Any]:
    found = [list_filters.one_of(request, "whose", key, text, whose) for key, text in WHOSE.items()]
    return [("Assigned", found)]
