"""What a batch read, as it was then; and how what differs from it is written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import models

from ledger.row_sets import Table, allocate
from worklist.batches.row_tables import IN_ORDER, NUMBERS, PATIENTS, REFERRED_TO, VISITS

_Record = TypeVar("_Record")

_NATURAL_KEYS: Mapping[Table[Any], Any] = {
    PATIENTS: lambda row: (row.authority_id, row.value),
    VISITS: lambda row: (row.authority_id, row.number),
    NUMBERS: lambda row: row.key,
}
"""New rows are inserted in the order of these, so that two batches never wait for each other in a ring."""


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


def write(differences: Differences) -> None:
    """Give new rows their keys, and write what is new and what is changed. Raises `Overtaken`."""
    _give_keys(differences)
    for table in IN_ORDER:
        changed = differences.changed[table]
        table.update([row for row, _ in changed], set().union(*(names for _, names in changed)))
        new = sorted(differences.new[table], key=_NATURAL_KEYS.get(table, lambda row: 0))
        if new and table.insert(new, with_id=table.model in _referred_to()) < len(new):
            raise Overtaken


def _give_keys(differences: Differences) -> None:
    new = {table.model: rows for table, rows in differences.new.items() if table.model in _referred_to()}
    keys = allocate({model: len(rows) for model, rows in new.items()})
    given = {model: dict(_keyed(rows, keys.get(model, iter(())))) for model, rows in new.items()}
    for table in IN_ORDER:
        names = [name for name in REFERRED_TO if hasattr(table.record, name)]
        changed = (row for row, _ in differences.changed[table])
        for row in (*differences.new[table], *changed):
            for name in names:
                key = getattr(row, name)
                if key is not None and key < 0:
                    setattr(row, name, given[REFERRED_TO[name]][key])


def _keyed(rows: Iterable[Any], keys: Iterator[int]) -> Iterator[tuple[int, int]]:
    for row in rows:
        old, row.id = row.id, next(keys)
        yield old, row.id


def _referred_to() -> frozenset[type[models.Model]]:
    return frozenset(REFERRED_TO.values())
