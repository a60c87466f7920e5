"""What a batch read, as it was then; and how what differs from it is written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from django.utils import timezone

from ledger import events
from ledger.events import Entry
from ledger.models import Event
from ledger.row_sets import Insertion, Table, allocate, insert_all
from worklist.batches.row_tables import (
    FORMER_DESCRIPTIONS,
    IN_ORDER,
    NUMBERS,
    PATIENTS,
    REFERRED_TO,
    VISITS,
)
from worklist.orders.order_aggregate import age
from worklist.patients.patient_records import DESCRIPTION, FormerDescriptionRecord

_Record = TypeVar("_Record")

_NATURAL_KEYS: Mapping[Table[Any], Any] = {
    PATIENTS: lambda row: (row.authority_id, row.value),
    VISITS: lambda row: (row.authority_id, row.number, row.holder),
    NUMBERS: lambda row: row.key,
}
"""New rows are inserted in the order of these, so that two batches never wait for each other in a ring."""

_REFERRED_TO: Final = frozenset(REFERRED_TO.values())
_REFERENCES: Final = {
    table: [name for name in REFERRED_TO if name in table.record.__dataclass_fields__] for table in IN_ORDER
}


class Overtaken(Exception):
    """Somebody else made a record or an order of the same name meanwhile: read again and decide anew."""


@dataclass
class Differences:
    """Rows of each table that are new, and those that are changed with the names of their columns."""

    new: dict[Table[Any], list[Any]] = field(default_factory=dict)
    changed: dict[Table[Any], list[tuple[Any, set[str]]]] = field(default_factory=dict)

    def touched(self) -> set[int]:
        """The identities of the rows that are another now, but for whose word it is."""
        new = {id(row) for rows in self.new.values() for row in rows}
        changed = (pair for pairs in self.changed.values() for pair in pairs)
        return new | {id(row) for row, names in changed if names - {"stamps"}}


class Snapshot:
    """The rows that a batch read, locked, and what they were."""

    def __init__(self) -> None:
        self._before: dict[Table[Any], dict[int, tuple[Any, ...]]] = {table: {} for table in IN_ORDER}

    def select(
        self, table: Table[_Record], columns: Sequence[str], keys: Iterable[Sequence[Any]]
    ) -> list[_Record]:
        """Read and lock the rows whose `columns` have one of the `keys`."""
        keys = list(keys)
        if not keys:
            return []
        return self.remember(table, table.select(*table.any_of(columns, keys), lock=True))

    def remember(self, table: Table[_Record], rows: list[_Record]) -> list[_Record]:
        """Note what rows are that were just read."""
        before = self._before[table]
        for row in rows:
            before[row.id] = table.values(row)  # type: ignore[attr-defined]
        return rows

    def before(self, table: Table[Any], row: Any) -> dict[str, Any]:
        """What a row was when it was read."""
        return table.named_values(self._before[table][row.id])

    def former_descriptions(self, patients: Iterable[tuple[Any, set[str]]]) -> list[FormerDescriptionRecord]:
        """What changed patient records said of their patients, where that was something else."""
        now, found = timezone.now(), []
        for row, names in patients:
            before = self.before(PATIENTS, row)
            if any(before[name] for name in names.intersection(DESCRIPTION)):
                description = {name: before[name] for name in DESCRIPTION}
                found.append(FormerDescriptionRecord(row.id, replaced_at=now, **description))
        return found

    def differences(self, rows: Mapping[Table[Any], Iterable[Any]]) -> Differences:
        """How what is there now differs from what was read."""
        found = Differences()
        for table in IN_ORDER:
            before = self._before[table]
            new, changed = [], []
            for row in rows.get(table, ()):
                if row.id < 0:
                    new.append(row)
                elif names := table.changed(row, before[row.id]):
                    changed.append((row, names))
            found.new[table], found.changed[table] = new, changed
        return found


def write(
    differences: Differences, former: Sequence[FormerDescriptionRecord], entries: Sequence[Entry]
) -> None:
    """Give new rows their keys, write what is new and what is changed, and record events.

    Raises `Overtaken` where a new row's natural key is taken by now.
    """
    keys = _give_keys(differences, len(entries))
    for table in IN_ORDER:
        if changed := differences.changed[table]:
            table.update([row for row, _ in changed], set().union(*(names for _, names in changed)))
    new = [
        Insertion(table, sorted(rows, key=_NATURAL_KEYS.get(table, age)), with_id=table.model in _REFERRED_TO)
        for table in IN_ORDER
        if (rows := differences.new[table])
    ]
    new.append(Insertion(FORMER_DESCRIPTIONS, former, with_id=False))
    if not insert_all([*new, *events.insertions(entries, keys)]):
        raise Overtaken


def _give_keys(differences: Differences, entries: int) -> Iterator[int]:
    """Set the keys of new rows, also where others refer to them; return those for events."""
    new = {table.model: rows for table, rows in differences.new.items() if table.model in _REFERRED_TO}
    keys = allocate({**{model: len(rows) for model, rows in new.items()}, Event: entries})
    given = {model: dict(_keyed(rows, keys.get(model, iter(())))) for model, rows in new.items()}
    for table in IN_ORDER:
        for row in (*differences.new[table], *(row for row, _ in differences.changed[table])):
            for name in _REFERENCES[table]:
                key = getattr(row, name)
                if key is not None and key < 0:
                    setattr(row, name, given[REFERRED_TO[name]][key])
    return keys.get(Event, iter(()))


def _keyed(rows: Iterable[Any], keys: Iterator[int]) -> Iterator[tuple[int, int]]:
    for row in rows:
        old, row.id = row.id, next(keys)
        yield old, row.id
