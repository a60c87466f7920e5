"""Whose the accession numbers and Study Instance UIDs are already that a batch of messages gives.

A scanner that finds one number for two people, or an image that names it, can't tell whose it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.row_sets import Table
from ledger.set_statements import rows_of
from worklist.batches.row_tables import ORDERS, PROCEDURES
from worklist.models import Order, OrderStatus
from worklist.orders.order_aggregate import OrderAggregate
from worklist.orders.order_update import OrderUpdate

ACCESSION: Final = "accession_number"
STUDY: Final = "study_instance_uid"
NumberName = tuple[str, str]
"""The name of the field, and its value."""


@dataclass(frozen=True)
class Holder:
    """An order that has a number, and its patient; `person` is the record under which that one shows."""

    order: int
    public_id: str
    facility: int
    patient: int
    person: int


def given(update: OrderUpdate) -> set[NumberName]:
    """What an update gives its order or its procedures."""
    found = {(ACCESSION, update.content.accession_number), (ACCESSION, update.content.accession_of_number)}
    for one in update.procedures:
        found |= {(ACCESSION, one.content.accession_number), (STUDY, one.content.study_instance_uid)}
    return {(name, value) for name, value in found if isinstance(value, str) and value}


def held(aggregate: OrderAggregate) -> set[NumberName]:
    """What an order and its procedures have."""
    found = {(ACCESSION, aggregate.order.accession_number)}
    for one in aggregate.procedures:
        found |= {(ACCESSION, one.accession_number), (STUDY, one.study_instance_uid)}
    return {(name, value) for name, value in found if value}


def find(wanted: Iterable[NumberName]) -> Mapping[NumberName, list[Holder]]:
    """Who has some numbers; cancelled orders have none. One statement where nobody has them."""
    values: dict[str, list[list[str]]] = {ACCESSION: [], STUDY: []}
    for name, value in sorted(wanted):
        values[name].append([value])
    parts: list[tuple[Table[Any], str, str]] = [
        (ORDERS, "id", ACCESSION),
        (PROCEDURES, "order_id", ACCESSION),
        (PROCEDURES, "order_id", STUDY),
    ]
    statements: list[str] = []
    parameters: list[Any] = []
    for table, order, name in parts:
        if values[name]:
            condition, lists = table.any_of([name], values[name])
            statements.append(f"SELECT '{name}', {name}, {order} FROM {table.name} WHERE {condition}")
            parameters += lists
    rows = rows_of(" UNION ALL ".join(statements), parameters) if statements else []
    return _holders(rows) if rows else {}


def _holders(rows: Sequence[tuple[str, str, int]]) -> dict[NumberName, list[Holder]]:
    orders = Order.objects.filter(pk__in={order for *_, order in rows}, patient__isnull=False)
    orders = orders.exclude(status=OrderStatus.CANCELLED).select_related("patient")
    known = {one.pk: _holder(one) for one in orders}
    found: dict[NumberName, list[Holder]] = {}
    for name, value, order in rows:
        if order in known:
            found.setdefault((name, value), []).append(known[order])
    return found


def _holder(order: Order) -> Holder:
    assert order.patient is not None
    person = order.patient.survivor_id or order.patient.pk
    return Holder(order.pk, order.public_id, order.facility_id, order.patient.pk, person)
