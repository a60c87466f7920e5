"""The tabs of administration, by what a person may do; and how its acts are written down."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts import access
from accounts.actor import actor_of
from ledger import audit, events
from ledger.event_types import EventType
from web.kernel import authorization, layout

TABS: Final = (
    ("site", "Site", "site.change"),
    ("users", "Users", "user.manage"),
    ("tokens", "Tokens", "user.manage"),
    ("queues", "Queues", "queue.view"),
    ("quarantine", "Quarantine", "queue.view"),
    ("audit", "Audit trail", "user.manage"),
)
"""The last part of a page's URL name, its title, and what one must be allowed to see it."""


@require_safe
@layout.may("queue.view")
def administration(request: HttpRequest) -> HttpResponse:
    """To the first tab that the person may see."""
    return HttpResponseRedirect(_tabs(request)[0]["url"])


def page(
    request: HttpRequest, tab: str, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """A page under the tabs."""
    return layout.page(request, template, {"tabs": _tabs(request), "tab": tab, **context}, status)


def note(request: HttpRequest, event: EventType, *things: audit.Thing, **details: Any) -> None:
    """Write an act of administration to the audit trail and to the timelines, in the act's transaction.

    Changes of who may do what are Security Alerts (PS3.15 A.5.3.11).
    """
    authorization.note_change(request, audit.SECURITY_ALERT, audit.UPDATE, *things, ("act", event.kind))
    events.record(event, about=things, actor=actor_of(request).name, **details)


def _tabs(request: HttpRequest) -> list[dict[str, str]]:
    found = [
        {"name": name, "title": title, "url": reverse(f"administration-{name}")}
        for name, title, action in TABS
        if access.can(request.user, action)
    ]
    return [*found, {"name": "stations", "title": "Stations", "url": reverse("stations")}]
