"""Messages that wait for their order: they end, hold or release one that has not come yet. Only reads."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from interfaces.hl7 import hl7_events
from ledger.models import Event, EventSubject
from worklist.models import Order

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
    return _told_of(orders(now).values_list("public_id", flat=True))


def _told_of(public_ids: Iterable[str]) -> list[str]:
    things = EventSubject.objects.filter(type="order", key__in=list(public_ids)).values("event")
    events = Event.objects.filter(pk__in=things, kind=hl7_events.WAITS_FOR_ORDER.kind)
    subjects = EventSubject.objects.filter(type="message", event__in=events.values("pk"))
    return list(subjects.values_list("key", flat=True))
