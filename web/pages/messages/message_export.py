"""The messages of a filtered list to take away: as an HL7 batch file, and the table as CSV."""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from django.db import transaction
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.actor import actor_of
from interfaces.hl7.inspect import message_batch, message_search
from interfaces.hl7.inspect.message_batch import MOST, Cut
from interfaces.hl7.inspect.message_search import Row
from ledger import audit, written_dates
from web.kernel import layout
from web.pages.messages import message_filters
from web.pages.messages.message_filters import Asked
from web.pages.messages.message_rows import listed
from web.pages.turnaround.figure_formats import harmless

_AT_ONCE: Final = 200
_COLUMNS: Final = (
    "at",
    "direction",
    "partner",
    "type",
    "control_id",
    "patient",
    "order",
    "status",
    "ack",
    "error",
    "place",
    "text",
    "effect",
    "id",
)


@require_safe  # type: ignore[type-var]
@layout.may("message.view")
def table(request: HttpRequest) -> StreamingHttpResponse:
    """The list as CSV (RFC 4180), at most `MOST` rows; the last line says what was left out."""
    cut = Cut()
    return _file(_lines(_rows(request, "table", cut), cut), "text/csv; charset=utf-8", "csv")


@require_safe  # type: ignore[type-var]
@layout.may("message.view")
def batch(request: HttpRequest) -> StreamingHttpResponse:
    """The messages themselves, as they came or went, as a batch file (HL7 v2.5.1 2.10.3)."""
    cut = Cut()
    rows = _rows(request, "batch file", cut)
    return _file(message_batch.written(rows, cut), "application/octet-stream", "hl7")


def _rows(request: HttpRequest, what: str, cut: Cut) -> Iterator[Row]:
    """The messages of the list, read in parts; that they are taken away is in the trail."""
    with timezone.override(layout.zone_of(request)):
        asked = message_filters.read(request.GET)
        wanted = asked.filters()
    with transaction.atomic():
        act = f"Messages exported as {what}: {_said(asked)}"
        audit.note(actor_of(request), audit.EXPORT, audit.EXECUTE, ("messages", "list"), act=act)
    if asked.query.reads_messages:
        return message_batch.bounded(message_batch.scanned(wanted, asked.query, cut), cut)
    return message_batch.bounded(message_search.every(wanted, MOST + 1), cut)


def _said(asked: Asked) -> str:
    named = (f"{name}={value}" for name, value in vars(asked).items() if value and name != "sort")
    return ", ".join(named) or "all"


def _file(
    content: Iterable[str] | Iterable[bytes], content_type: str, extension: str
) -> StreamingHttpResponse:
    response = StreamingHttpResponse(content, content_type=content_type)
    name = f"messages-{written_dates.day(timezone.now())}.{extension}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


class _Line:
    """A file that gives back what is written."""

    def write(self, text: str) -> str:
        return text


def _lines(rows: Iterator[Row], cut: Cut) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(_COLUMNS)
    while part := list(islice(rows, _AT_ONCE)):
        for one in listed(part):
            row = one.message
            values = (
                one.at.isoformat(),
                "in" if one.is_received else "out",
                one.partner,
                row.message_type,
                row.control_id,
                f"{one.patient.text} {one.patient.more}".strip(),
                one.order.text,
                row.status,
                row.ack_code,
                one.error,
                one.error_place,
                one.error_text,
                one.effect,
                row.public_id,
            )
            yield writer.writerow([harmless(value) for value in values])
    if cut.why:
        yield writer.writerow([f"Cut: {cut.why}. Narrow the list for the rest."])
