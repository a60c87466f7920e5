"""Apply what one person says of an order; messages are applied by sets (`worklist.batches`)."""

from collections.abc import Callable

from django.db import connection

from worklist import catalogue
from worklist.batches import batch
from worklist.batches.named_rows import Loader
from worklist.change_set import ChangeSet, Group
from worklist.models import Order
from worklist.orders.order_aggregate import OrderAggregate
from worklist.orders.order_book import OrderBook
from worklist.orders.order_update import OrderUpdate
from worklist.provenance import Provenance


def apply(*, update: OrderUpdate, provenance: Provenance) -> Order:
    """Apply what is said of an order, in the caller's transaction, and return the order.

    Raises `Missing` without any number, `UnknownCode` for an unknown procedure code where no modality
    is named, `Invalid` for what is too long.
    """
    aggregate = batch.apply_one(ChangeSet(provenance, [Group(order=update)]))[0].order
    assert aggregate is not None
    return Order.objects.select_related("facility").get(pk=aggregate.order.id)


def on_order(key: int, act: Callable[[OrderBook, OrderAggregate], None]) -> None:
    """Do something to a locked order, if it is still there, in the caller's transaction."""
    assert connection.in_atomic_block
    loader = Loader(catalogue.current())
    orders = loader.order(key)
    if (aggregate := orders.aggregates.get(key)) is not None:
        act(orders, aggregate)
        batch.Batch(loader.snapshot, None, orders).save()
