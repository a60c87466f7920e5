"""The tabs above the messages: the list, the interfaces, what is to be worked off."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from web.kernel import layout

TABS: Final = (
    ("messages", "Messages"),
    ("interfaces", "Interfaces"),
    ("message-work", "Work list"),
    ("message-workbench", "Workbench"),
)
"""The URL name of a page, and its title."""


def page(
    request: HttpRequest, tab: str, template: str, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    """A page under the tabs."""
    tabs = [{"name": name, "title": title, "url": reverse(name)} for name, title in TABS]
    place = next(place for place, one in enumerate(tabs) if one["name"] == tab)
    for other, shortcut in ((place - 1, "previous_tab"), (place + 1, "next_tab")):
        if 0 <= other < len(tabs):
            tabs[other]["shortcut"] = shortcut
    return layout.page(request, template, {"tabs": tabs, "tab": tab, **context}, status)
