"""The tabs of administration, by what a person may do."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts import access
from web.kernel import layout

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
    tabs = _tabs(request)
    place = next((place for place, one in enumerate(tabs) if one["name"] == tab), 0)
    for other, shortcut in ((place - 1, "previous_tab"), (place + 1, "next_tab")):
        if 0 <= other < len(tabs):
            tabs[other]["shortcut"] = shortcut
    return layout.page(request, template, {"tabs": tabs, "tab": tab, **context}, status)


def _tabs(request: HttpRequest) -> list[dict[str, str]]:
    found = [
        {"name": name, "title": title, "url": reverse(f"administration-{name}")}
        for name, title, action in TABS
        if access.can(request.user, action)
    ]
    others = [
        {"name": name, "title": title, "url": reverse(name)}
        for name, title, action in (
            ("stations", "Stations", "station.view"),
            ("imports", "Imports", "study.store"),
        )
        if access.can(request.user, action)
    ]
    return found + others
