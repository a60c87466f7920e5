"""What would be another patient's: orders and visits that move, and records that show under others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count

from ledger.row_sets import Table
from worklist.batches.changed_rows import Differences, Snapshot
from worklist.batches.row_tables import ORDERS, PATIENTS, VISITS
from worklist.models import Order, Patient
from worklist.orders.order_aggregate import OrderAggregate, OrderRecord
from worklist.patients.patient_records import PatientRecord

_NAMED: Final[Mapping[Table[Any], str]] = {ORDERS: "order", VISITS: "visit"}


@dataclass(frozen=True)
class PatientMove:
    """A thing that would be of another patient: whose it is, and whose it would be.

    Of a record, `orders` is how many orders go along.
    """

    kind: str
    thing: str
    whose: str
    to: str
    orders: int = 0


@dataclass(frozen=True)
class _Pair:
    kind: str
    row: Any
    before: int
    after: int


def told(
    snapshot: Snapshot,
    differences: Differences,
    patients: Sequence[PatientRecord],
    aggregates: Sequence[OrderAggregate],
) -> list[PatientMove]:
    """All moves of what was decided, and not saved yet."""
    pairs = [*_of_records(snapshot, differences), *_of_things(snapshot, differences)]
    pairs += _of_merged_orders(snapshot, aggregates)
    names = _names({key for one in pairs for key in (one.before, one.after)}, patients)
    records = [one.row.id for one in pairs if one.kind == "patient" and one.row.id > 0]
    orders = Order.objects.filter(patient__in=records).order_by()
    counts = dict(orders.values_list("patient").annotate(Count("pk")))
    return [
        PatientMove(
            one.kind,
            _name(one.row),
            names.get(one.before, ""),
            names.get(one.after, ""),
            counts.get(one.row.id, 0) if one.kind == "patient" else 0,
        )
        for one in pairs
    ]


def _of_records(snapshot: Snapshot, differences: Differences) -> Iterator[_Pair]:
    """Records that would show under other ones."""
    for row in differences.new[PATIENTS]:
        if row.survivor_id is not None:
            yield _Pair("patient", row, row.id, row.survivor_id)
    for row, fields in differences.changed[PATIENTS]:
        if "survivor_id" in fields:
            before = snapshot.before(PATIENTS, row)["survivor_id"] or row.id
            yield _Pair("patient", row, before, row.survivor_id or row.id)


def _of_things(snapshot: Snapshot, differences: Differences) -> Iterator[_Pair]:
    for table, kind in _NAMED.items():
        for row, fields in differences.changed[table]:
            before = snapshot.before(table, row)["patient_id"]
            if "patient_id" in fields and before is not None and row.patient_id is not None:
                yield _Pair(kind, row, before, row.patient_id)


def _of_merged_orders(snapshot: Snapshot, aggregates: Sequence[OrderAggregate]) -> Iterator[_Pair]:
    """Orders that would go into one of another patient."""
    for aggregate in aggregates:
        after = aggregate.order.patient_id
        for row in aggregate.removed:
            if isinstance(row, OrderRecord) and row.id > 0 and after is not None:
                before = snapshot.before(ORDERS, row)["patient_id"]
                if before not in (None, after):
                    yield _Pair("order", row, before, after)


def _names(keys: set[int], patients: Sequence[PatientRecord]) -> dict[int, str]:
    """How a person names patients: by number and name."""
    known: dict[int, str] = {row.id: _named(row.value, row.name) for row in patients}
    missing = Patient.objects.filter(pk__in=keys - known.keys())
    return known | {row.pk: _named(row.value, row.name) for row in missing}


def _named(value: str, name: str) -> str:
    return f"{value} ({name})" if name else value


def _name(row: Any) -> str:
    texts = (getattr(row, name, "") for name in ("accession_number", "value", "number"))
    return next((text for text in texts if text), "")
