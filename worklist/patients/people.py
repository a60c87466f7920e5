"""People: all records under which the same ones are kept, and their newest orders. Asked by sets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.row_sets import Table, any_of
from ledger.set_statements import rows_of
from worklist.models import Order, Patient
from worklist.patients.patient_records import PatientRecord

_PATIENTS: Final = Patient._meta.db_table


@dataclass(frozen=True)
class PersonRecord:
    """What names a person in one record."""

    id: int
    value: str
    name: str
    birth_date: str

    @classmethod
    def of(cls, record: PatientRecord) -> "PersonRecord":
        return cls(record.id, record.value, record.name, record.birth_date)


@dataclass(frozen=True)
class OrderLabel:
    """An order, and the number on its label."""

    id: int
    accession_number: str


_ORDERS: Final = Table(Order, OrderLabel)


def records_of(keys: Iterable[int], most: int) -> list[PersonRecord]:
    """These records, and for each at most `most` others that are the same people's."""
    keys = sorted(set(keys))
    if not keys:
        return []
    condition, parameters = any_of(["id"], ["bigint"], [[key] for key in keys])
    columns = "p.id, p.value, p.name, p.birth_date"
    sql = f"""
        WITH root(id) AS (SELECT COALESCE(survivor_id, id) FROM {_PATIENTS} WHERE {condition})
        SELECT {columns} FROM {_PATIENTS} p WHERE p.{condition}
        UNION SELECT {columns} FROM {_PATIENTS} p JOIN root ON p.id = root.id
        UNION SELECT * FROM
            (SELECT {columns} FROM {_PATIENTS} p JOIN root ON p.survivor_id = root.id LIMIT %s) others
    """
    return [PersonRecord(*row) for row in rows_of(sql, [*parameters, *parameters, most * len(keys)])]


def newest_orders(records: Sequence[PersonRecord], most: int) -> list[OrderLabel]:
    """The newest orders of these records."""
    return _ORDERS.newest(_ORDERS.any_of(["patient_id"], [[record.id] for record in records]), most)
