"""Messages that wait for their order or study: they end, hold or book one that has not come, or report of it.

Only reads.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from interfaces.hl7 import hl7_events
from ledger.event_types import EventType
from ledger.models import Event, EventSubject
from reporting.reports import waiting_outside_reports
from worklist import worklist_events
from worklist.models import Order
from worklist.schedule import waiting_appointments

PATIENCE: Final = timedelta(days=1)
"""How long an order is waited for. It may come later all the same."""


def orders(now: datetime | None = None) -> QuerySet[Order]:
    """The orders that are waited for: something was done to them, and nothing is known of what they are."""
    since = (now or timezone.now()) - PATIENCE
    return Order.objects.filter(content_received_at=None, first_received_at__gte=since)


def is_awaited(order: Order, now: datetime | None = None) -> bool:
    """Whether an order has not come, and may still come."""
    since = (now or timezone.now()) - PATIENCE
    return order.content_received_at is None and order.first_received_at >= since


def messages(now: datetime | None = None) -> list[str]:
    """The public ids of the messages that wait."""
    since = (now or timezone.now()) - PATIENCE
    reports = waiting_outside_reports.since(since)
    return [
        *_told_of("order", orders(now).values_list("public_id", flat=True), hl7_events.WAITS_FOR_ORDER),
        *_told_of("appointment", waiting_appointments.since(since), worklist_events.APPOINTMENT_WAITS),
        *(one.source.removeprefix("hl7:") for one in reports if one.source.startswith("hl7:")),
    ]


def _told_of(type_: str, public_ids: Iterable[str], kind: EventType) -> list[str]:
    """The messages that told of things by events of a kind."""
    things = EventSubject.objects.filter(type=type_, key__in=list(public_ids)).values("event")
    events = Event.objects.filter(pk__in=things, kind=kind.kind, source__startswith="hl7:")
    return [source.removeprefix("hl7:") for source in events.values_list("source", flat=True)]
