"""The list of messages, both directions."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import access
from interfaces.hl7.inspect import message_scan, message_search
from interfaces.hl7.inspect.message_scan import Cursor, Scanned
from interfaces.hl7.inspect.message_search import Filters, Row
from interfaces.hl7.outbound import delivery_queues
from ledger import audit
from web.kernel import authorization, layout, list_filters, paging
from web.kernel.list_filters import unreadable_days
from web.kernel.paging import Cut
from web.pages.messages import message_filters, message_tabs
from web.pages.messages.message_columns import TABLE
from web.pages.messages.message_filters import Asked
from web.pages.messages.message_rows import listed

SIZE = 50


@require_safe
@layout.may("message.view")
def messages(request: HttpRequest) -> HttpResponse:
    """Those that came, or were made, the newest first."""
    with timezone.override(layout.zone_of(request)):  # the times of the filters are the facility's
        asked = message_filters.read(request.GET)
        wanted = asked.filters()
    found, scanned = _found(request, asked, wanted)
    authorization.note_reading(request, audit.QUERY, *(("message", row.public_id) for row in found.rows))
    context = {
        "unreadable_days": unreadable_days(request.GET, "since", "until", reads=message_filters.moment),
        "asked": asked,
        "chips": message_filters.chips(request, asked),
        "table": TABLE.sorted_by(asked.sort, request) if scanned is None else TABLE,
        "paging": found.with_rows(listed(found.rows)),
        "scanned": scanned,
        "further": list_filters.url(request, before=str(scanned.more or "")) if scanned else "",
        "exports": request.GET.urlencode(),
        "queues": delivery_queues.queues(),
        "types": sorted({*message_search.types(), *([asked.message_type] if asked.message_type else [])}),
        "partners": sorted({*message_search.partners(), *([asked.partner] if asked.partner else [])}),
        "states": [key for key in message_filters.STATES if key not in ("", "trouble", "order")],
        "may_try": access.can(request.user, "message.replay"),
        "may_see_stations": access.can(request.user, "station.view"),
        "hl7_address": "{}:{}".format(*settings.HL7_ADDRESS),
    }
    return message_tabs.page(request, "messages", "web/messages/message_list.html", context)


def _found(request: HttpRequest, asked: Asked, wanted: Filters) -> tuple[Cut[Row], Scanned | None]:
    """The part of the list that is wanted; and where messages had to be read for it, how far that went."""
    if asked.query.reads_messages:
        scanned = message_scan.scan(wanted, asked.query, after=Cursor.of(asked.before), limit=SIZE)
        return Cut(list(scanned.rows), 1, len(scanned.rows), SIZE), scanned
    number, sort = paging.number_of(request, 10**9, SIZE), TABLE.order_by(asked.sort)
    found = message_search.find(wanted, offset=(number - 1) * SIZE, limit=SIZE, sort=sort)
    if found.count and not found.rows and number > 1:
        number = paging.number_of(request, found.count, SIZE)
        found = message_search.find(wanted, offset=(number - 1) * SIZE, limit=SIZE, sort=sort)
    return Cut(list(found.rows), number, found.count, SIZE), None
