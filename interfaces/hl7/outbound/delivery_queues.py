"""The queues of what goes out, one for each destination: how long, since when, and why they stand. Reads."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Min

from interfaces.hl7.models import Destination, OutboundMessage, OutboundStatus
from interfaces.hl7.outbound import message_status
from ledger import clock

MOST_STUCK: Final = 10_000
"""Messages of one destination that are counted as held or stopped."""


@dataclass(frozen=True)
class Queue:
    """What is to be sent to a destination.

    `stalled_since` is when it began to give no answer, `held` and `stopped` what waits for a person; what
    has to follow these waits with them (`behind` messages).
    """

    destination: Destination
    waiting: int
    oldest: datetime | None
    held: int
    stopped: int
    behind: int
    why: str
    next_try: datetime | None
    last_delivered: datetime | None

    @property
    def stands(self) -> bool:
        """Whether it needs somebody to look at it."""
        return self.destination.stalled_since is not None or self.held > 0 or self.stopped > 0

    @property
    def undecided(self) -> int:
        """Messages that wait for a person."""
        return self.held + self.stopped

    @property
    def standing_for(self) -> timedelta | None:
        """For how long the receiver gives no answer; None while it does."""
        since = self.destination.stalled_since
        return None if since is None else clock.now() - since


def queues() -> list[Queue]:
    """The queue of each destination, by name."""
    return [queue_of(destination) for destination in Destination.objects.order_by("name")]


def queue_of(destination: Destination) -> Queue:
    """The queue of one destination."""
    rows = OutboundMessage.objects.filter(destination=destination)
    waiting = rows.filter(status=OutboundStatus.WAITING)
    facts = waiting.aggregate(number=Count("pk"), oldest=Min("created_at"))
    stuck = list(
        rows.filter(status__in=message_status.STUCK)
        .order_by("id")
        .values_list("status", "ordering_key", "last_error")[:MOST_STUCK]
    )
    states = Counter(status for status, _, _ in stuck)
    ordering_keys = list({ordering_key for _, ordering_key, _ in stuck if ordering_key})[:500]
    tried = waiting.filter(attempts__gt=0).order_by("id").values_list("last_error", "not_before").first()
    delivered = rows.exclude(delivered_at=None).order_by("-id")
    return Queue(
        destination=destination,
        waiting=facts["number"],
        oldest=facts["oldest"],
        held=states[OutboundStatus.HELD],
        stopped=states[OutboundStatus.STOPPED],
        behind=waiting.filter(ordering_key__in=ordering_keys).count() if ordering_keys else 0,
        why=(tried[0] if tried else "") or (stuck[0][2] if stuck else ""),
        next_try=tried[1] if tried and destination.paused_since is None else None,
        last_delivered=delivered.values_list("delivered_at", flat=True).first(),
    )
