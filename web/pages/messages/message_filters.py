"""The filters of the messages: what the URL says, as a search, and as chips that change the URL."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from interfaces.hl7.inspect import message_query, message_search
from interfaces.hl7.inspect.message_query import MessageQuery
from interfaces.hl7.models import InboundStatus, OutboundStatus
from web.kernel import list_filters
from web.kernel.list_filters import Chip, text_of
from web.pages.messages.message_columns import TABLE
from worklist.patients import typed_dates

WAYS: Final = {"": "Both", "in": "Received", "out": "Sent"}
SPANS: Final = {"": "Any time", "hour": "Last hour", "day": "Last 24 hours", "week": "Last 7 days"}
STATES: Final = {"": "All", "trouble": "In trouble", "order": "Waiting for an order or study"} | {
    status.value: status.value for status in (*InboundStatus, *OutboundStatus)
}
_NOT_STATUSES: Final = ("trouble", "order")
_LENGTHS: Final = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}


@dataclass(frozen=True)
class Asked:
    """What the URL asks for, cleaned."""

    way: str = ""
    state: str = ""
    message_type: str = ""
    partner: str = ""
    span: str = ""
    since: str = ""
    until: str = ""
    error: str = ""
    text: str = ""
    sort: str = TABLE.usual
    before: str = ""

    @property
    def query(self) -> MessageQuery:
        """What was typed, taken apart."""
        return message_query.parse(self.text)

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is left out."""
        return self != Asked(sort=self.sort, before=self.before)

    def filters(self) -> message_search.Filters:
        """The same as a search."""
        since = timezone.now() - _LENGTHS[self.span] if self.span in _LENGTHS else moment(self.since)
        return message_search.Filters(
            direction=self.way,  # type: ignore[arg-type]
            status="" if self.state in _NOT_STATUSES else self.state,
            waits_for_order=self.state == "order",
            message_type=self.message_type,
            partner=self.partner,
            in_trouble=self.state == "trouble",
            error_code=int(self.error) if self.error else None,
            text=self.query.rest,
            since=since,
            until=moment(self.until, is_last=True),
        )


def read(query: QueryDict) -> Asked:
    """The filters in a query string; what makes no sense is as if not there."""
    error = text_of(query, "error", 3)
    return Asked(
        way=_one_of(WAYS, text_of(query, "direction", 3)),
        state=_one_of(STATES, text_of(query, "status", 20)),
        message_type=text_of(query, "type", 40),
        partner=text_of(query, "partner", 500),
        span=_one_of(SPANS, text_of(query, "time", 8)),
        since=text_of(query, "since", 32),
        until=text_of(query, "until", 32),
        error=error if error.isascii() and error.isdigit() else "",
        text=text_of(query, "q", 199),
        sort=TABLE.sort_of(query),
        before=text_of(query, "before", 60),
    )


def chips(request: HttpRequest, asked: Asked) -> list[tuple[str, list[Chip]]]:
    """The chips by group."""
    usual = ("", *_NOT_STATUSES)
    states = {key: words for key, words in STATES.items() if key in (*usual, asked.state)}
    groups = [
        ("Direction", _group(request, "direction", WAYS, asked.way)),
        ("Status", _group(request, "status", states, asked.state)),
        ("Time", _group(request, "time", SPANS, asked.span)),
    ]
    if asked.error:
        groups.append(("Error", [list_filters.chip(request, asked.error, True, {"error": ""})]))
    return groups


def _group(request: HttpRequest, name: str, words: Mapping[str, str], chosen: str) -> list[Chip]:
    return [list_filters.one_of(request, name, key, text, chosen) for key, text in words.items()]


def _one_of(known: Mapping[str, str], text: str) -> str:
    return text if text in known else ""


def moment(text: str, is_last: bool = False) -> datetime | None:
    """A time of a form, in the zone that is active; a day alone is its start, or its end."""
    day = typed_dates.day(text)
    if day:
        end = timedelta(days=1) if is_last else timedelta()
        return timezone.make_aware(datetime(day.year, day.month, day.day) + end)
    try:
        found = parse_datetime(text) if text else None
    except ValueError:
        return None
    if found is None:
        return None
    return timezone.make_aware(found) if timezone.is_naive(found) else found
