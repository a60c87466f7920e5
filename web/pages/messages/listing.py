"""The list of messages, both directions."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import access
from interfaces.hl7 import browsing, queues
from ledger import audit
from web.pages import paging, shell
from web.pages.messages import filters
from web.pages.messages.rows import listed
from web.pages.paging import Cut
from web.rest import access as door

SIZE = 50


@require_safe
@shell.may("message.view")
def messages(request: HttpRequest) -> HttpResponse:
    """Those that came, or were made, the newest first."""
    with timezone.override(shell.zone_of(request)):  # the times of the filters are the facility's
        asked = filters.read(request.GET)
        wanted = asked.filters()
    number = paging.number_of(request, 10**9, SIZE)
    found = browsing.find(wanted, offset=(number - 1) * SIZE, limit=SIZE, sort=asked.sort)
    if found.count and not found.rows and number > 1:
        number = paging.number_of(request, found.count, SIZE)
        found = browsing.find(wanted, offset=(number - 1) * SIZE, limit=SIZE, sort=asked.sort)
    door.note_reading(request, audit.QUERY, *(("message", row.public_id) for row in found.rows))
    context = {
        "asked": asked,
        "chips": filters.chips(request, asked),
        "heads": filters.heads(request, asked),
        "paging": Cut(listed(found.rows), number, found.count, SIZE),
        "queues": queues.queues(),
        "types": sorted({*browsing.types(), *([asked.message_type] if asked.message_type else [])}),
        "partners": sorted({*browsing.partners(), *([asked.partner] if asked.partner else [])}),
        "states": [key for key in filters.STATES if key not in ("", "trouble")],
        "may_see_stations": access.can(request.user, "station.view"),
        "hl7_address": "{}:{}".format(*settings.HL7_ADDRESS),
    }
    return shell.page(request, "web/messages.html", context)
