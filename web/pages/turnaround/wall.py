"""The display on the wall: how reading stands now, to be read at three metres, of nobody by name."""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from reporting.turnaround.dashboard import standing_at
from web.kernel import layout
from web.kernel.list_filters import text_of
from web.pages.turnaround import figure_formats
from web.pages.turnaround.turnaround_page import pressing_row, priority_row
from web.templatetags.pages import priority_words

_ROWS: Final = 8


@require_safe
@layout.may("turnaround.view")
def wall(request: HttpRequest) -> HttpResponse:
    """The page; `modality` and `priority` in the URL make it a display of these alone."""
    user, zone = layout.user_of(request), layout.zone_of(request)
    modality, priority = text_of(request.GET, "modality", 16), text_of(request.GET, "priority", 8)
    now = standing_at(user, timezone.now(), zone, modality, priority)
    context = {
        "title": ", ".join(filter(None, ("Reading now", modality, priority_words(priority)))),
        "now": now,
        "in_time": figure_formats.percent(now.today["reading"].in_time),
        "priorities": [priority_row(one) for one in now.priorities],
        "first": [pressing_row(item, now.seen) for item in (*now.late, *now.at_risk)][:_ROWS],
    }
    return layout.page(request, "web/turnaround/wall.html", context)
