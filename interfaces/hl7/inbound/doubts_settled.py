"""Doubts about identities that a message raised and another settles: a replay, or its sender's correction."""

import time
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet

from interfaces.hl7.models import InboundMessage, InboundStatus
from ledger import recurring
from ledger.models import EventSubject
from worklist import worklist_events
from worklist.models import IdentityException, IdentityExceptionKind
from worklist.patients import identity_exceptions

EVERY: Final = 20.0
"""Seconds between two looks at what is open."""
MOST: Final = 500
MOST_EVENTS: Final = 10_000
"""Doubts and events of their orders that one look is at, the newest."""
_OPEN: Final = IdentityException.Status.OPEN
_OF_APPLIED: Final = (IdentityExceptionKind.LINKED_BY_MESSAGE, IdentityExceptionKind.MERGES_CONFLICT)
"""Doubts that a message raises which is applied."""
_looked = [float("-inf")]


def end_of_replayed(originals: Collection[int], applied: Collection[str]) -> None:
    """End the doubts for which messages were refused that have been applied since.

    `originals` are their keys, `applied` the public ids of what was applied now, which may raise others.
    """
    family = InboundMessage.objects.filter(Q(pk__in=originals) | Q(replay_of__in=originals))
    sources = [f"hl7:{public_id}" for public_id in family.values_list("public_id", flat=True)]
    rows = IdentityException.objects.filter(source__in=set(sources) - {f"hl7:{one}" for one in applied})
    rows = rows.filter(status=_OPEN).exclude(kind__in=_OF_APPLIED)
    identity_exceptions.close(rows, reason="the message was applied again, with success")


def look() -> int:
    """End the doubts about orders of which the sender has named the right patient since."""
    _looked[0] = time.monotonic()
    doubts = list(_of_orders().select_related("order").order_by("-last_at")[:MOST])
    said = _messages(row.source for row in doubts)
    told = _told({row.order.public_id for row in doubts if row.order})
    settled = [row.pk for row in doubts if _is_settled(row, said, told)]
    if not settled:
        return 0
    with transaction.atomic():
        found = IdentityException.objects.filter(pk__in=settled)
        return identity_exceptions.close(
            found, reason="a later message of the sender names the patient whose order it is"
        )


def _of_orders() -> QuerySet[IdentityException]:
    rows = IdentityException.objects.filter(status=_OPEN, kind=IdentityExceptionKind.OTHER_PATIENT)
    return rows.filter(source__startswith="hl7:", order__isnull=False)


def _is_settled(
    row: IdentityException,
    said: dict[str, tuple[str, datetime]],
    told: dict[str, list[tuple[str, datetime]]],
) -> bool:
    sender, at = said.get(row.source, ("", row.last_at))
    later = told.get(row.order.public_id, []) if row.order else []
    return any(source == sender and received > at for source, received in later)


def _messages(sources: Iterable[str]) -> dict[str, tuple[str, datetime]]:
    """Sender and receipt of the messages that some sources of events are."""
    ids = {source.removeprefix("hl7:") for source in sources}
    rows = InboundMessage.objects.filter(public_id__in=ids)
    values = rows.values_list("public_id", "source", "received_at")
    return {f"hl7:{public_id}": (source, at) for public_id, source, at in values}


def _told(orders: Collection[str]) -> dict[str, list[tuple[str, datetime]]]:
    """Sender and receipt of the messages that were applied to orders, by the order."""
    subjects = EventSubject.objects.filter(type="order", key__in=orders, event__source__startswith="hl7:")
    subjects = subjects.filter(event__kind__in=worklist_events.SPEAKS_OF_ORDERS).order_by("-event_id")
    pairs = list(subjects.values_list("key", "event__source")[:MOST_EVENTS]) if orders else []
    ids = {source.removeprefix("hl7:") for _, source in pairs}
    rows = InboundMessage.objects.filter(public_id__in=ids, status=InboundStatus.APPLIED)
    values = rows.values_list("public_id", "source", "received_at")
    applied = {f"hl7:{public_id}": (source, at) for public_id, source, at in values}
    found: dict[str, list[tuple[str, datetime]]] = {}
    for order, source in pairs:
        if source in applied:
            found.setdefault(order, []).append(applied[source])
    return found


def _is_due() -> bool:
    return time.monotonic() - _looked[0] >= EVERY and _of_orders().exists()


def register() -> None:
    """Make it recurring work."""
    recurring.register("hl7.doubts", recurring.Work(batch=look, waits=_is_due))
