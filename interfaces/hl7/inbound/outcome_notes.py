"""What a person should know of how a message was applied: it waits, came too late, or revives nothing."""

from collections.abc import Iterator, Sequence
from datetime import UTC

from interfaces.hl7 import hl7_events
from interfaces.hl7.inbound.further_effects import FurtherChanges
from interfaces.hl7.models import InboundMessage
from ledger import stamps, written_dates
from ledger.events import Entry
from worklist.batches.batch import Applied
from worklist.change_set import ChangeSet
from worklist.models import OrderStatus, StatusEvent
from worklist.orders.order_aggregate import StatusEventRecord


def of(message: InboundMessage, changes: ChangeSet, applied: Sequence[Applied]) -> list[Entry]:
    """The events of a message whose groups were applied.

    One that has further effects, such as a report that is kept, never changed nothing.
    """
    late = () if isinstance(changes, FurtherChanges) else _came_late(message, applied)
    return [*_waits(message, applied), *_stays_cancelled(message, changes, applied), *late]


def _waits(message: InboundMessage, applied: Sequence[Applied]) -> Iterator[Entry]:
    """What is done to an order of which nothing else is known (F28): it counts as soon as the order comes."""
    for one in applied:
        if one.order is not None and one.order.order.content_received_at is None:
            about = [("message", message.public_id), ("order", one.order.order.public_id)]
            yield Entry(hl7_events.WAITS_FOR_ORDER, about, source=f"hl7:{message.public_id}")


def _stays_cancelled(
    message: InboundMessage, changes: ChangeSet, applied: Sequence[Applied]
) -> Iterator[Entry]:
    """That an order is as before although it was ordered or changed after its cancel: ends stay ends."""
    stamp = changes.provenance.stamp.key()
    for group, one in zip(changes.groups, applied, strict=True):
        if one.order is None or group.order is None or group.order.act or not group.order.procedures:
            continue
        order = one.order.order
        if order.status == OrderStatus.CANCELLED and any(
            _cancels(event, stamp) for event in one.order.events
        ):
            about = [("message", message.public_id), ("order", order.public_id)]
            yield Entry(hl7_events.STAYS_CANCELLED, about, source=f"hl7:{message.public_id}")


def _cancels(event: StatusEventRecord, before: str) -> bool:
    return event.kind == StatusEvent.Kind.CANCEL and not event.undone_by and event.stamp < before


def _came_late(message: InboundMessage, applied: Sequence[Applied]) -> Iterator[Entry]:
    """That nothing of a message counts, since all that it says is older than what is known.

    Not told of a message that is applied in portions, of which each may fare differently.
    """
    if message.groups_applied or not applied or not all(one.newer for one in applied):
        return
    newest = stamps.moment_of(max(one.newer for one in applied))
    about = [("message", message.public_id)]
    details = {"newer": f"{written_dates.second(newest, UTC)} UTC"}
    yield Entry(hl7_events.CHANGED_NOTHING, about, source=f"hl7:{message.public_id}", details=details)
