"""Rows of one table read and written as a set: one statement for however many, built from the model.

A record is a dataclass (or the model itself) whose attributes are named as the table's columns; so the domain
can decide on plain records in memory and leave it to this module how they get in and out. Names of tables and
columns in statements are the models' own; whatever came from outside is a parameter.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache, cached_property
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import orjson
from django.db import connection, models

Record = TypeVar("Record")
Condition = tuple[str, list[Any]]
"""What is true of the wanted rows, with its parameters."""

MOST_PARAMETERS: Final = 30_000
"""Values in one statement; SQLite takes 32,766."""

_Convert = Callable[[Any], Any]
_TEXTS: Final = frozenset({"CharField", "TextField"})


@dataclass(frozen=True)
class _Columns:
    """Some columns of a table, as a statement writes them."""

    names: tuple[str, ...]
    columns: tuple[str, ...]
    casts: tuple[str, ...]
    writers: tuple[tuple[int, _Convert], ...]
    values: Callable[[Any], tuple[Any, ...]]

    def of(self, row: Any) -> Sequence[Any]:
        """A record's values, as the database takes them."""
        if not self.writers:
            return self.values(row)
        values = list(self.values(row))
        for place, convert in self.writers:
            if values[place] is not None:
                values[place] = convert(values[place])
        return values

    @cached_property
    def listed(self) -> str:
        return ", ".join(self.columns)

    @cached_property
    def marks(self) -> str:
        return "(" + ", ".join(["%s"] * len(self.names)) + ")"

    @cached_property
    def typed_marks(self) -> str:
        return "(" + ", ".join(f"%s{cast}" for cast in self.casts) + ")"

    def portions(self, rows: Sequence[Record]) -> Iterator[Sequence[Record]]:
        size = max(1, MOST_PARAMETERS // len(self.names))
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


class Table(Generic[Record]):
    """The table of a model, seen through a record that has some or all of its columns."""

    def __init__(self, model: type[models.Model], record: type[Record]) -> None:
        self.model = model
        self.record = record
        self.name = model._meta.db_table
        self._known = {field.attname: field for field in model._meta.concrete_fields}
        names = self._known if model is record else [one.name for one in fields(record)]  # type: ignore[arg-type]
        self._names = tuple(names)
        self._values = attrgetter(*self._names)
        self._parts: dict[tuple[str, ...], _Columns] = {}

    def values(self, row: Record) -> tuple[Any, ...]:
        """All values of a record, to compare it later with what it was."""
        values: tuple[Any, ...] = self._values(row)
        return values

    def changed(self, row: Record, before: tuple[Any, ...]) -> set[str]:
        """The names of the columns whose values differ from those `before`."""
        after = self._values(row)
        if after == before:
            return set()
        return {name for name, new, old in zip(self._names, after, before, strict=True) if new != old}

    def select(self, condition: str, parameters: Sequence[Any], *, lock: bool = False) -> list[Record]:
        """The rows that a condition finds, the oldest first, locked against other writers if so wanted."""
        sql = f"SELECT {self._listed} FROM {self.name} WHERE {condition} ORDER BY {self.name}.id"
        if lock and _vendor() == "postgresql":
            sql += " FOR NO KEY UPDATE"
        return self._records(rows_of(sql, parameters))

    def newest(self, condition: Condition, most: int) -> list[Record]:
        """The newest rows that a condition finds."""
        order = f"ORDER BY {self.name}.id DESC LIMIT %s"
        sql = f"SELECT {self._listed} FROM {self.name} WHERE {condition[0]} {order}"
        return self._records(rows_of(sql, [*condition[1], most]))

    def found_by_any(self, conditions: Sequence[Condition], most: int) -> list[Record]:
        """Rows that one of several conditions finds, in no order: each is served by an index of its own."""
        parts = [f"SELECT {self._listed} FROM {self.name} WHERE {condition}" for condition, _ in conditions]
        parameters = [value for _, values in conditions for value in values]
        return self._records(rows_of(f"{' UNION '.join(parts)} LIMIT %s", [*parameters, most]))

    def any_of(self, columns: Sequence[str], keys: Iterable[Sequence[Any]]) -> Condition:
        """A condition that finds the rows whose `columns` have one of the `keys`; an index serves it."""
        names = [f"{self.name}.{self._column(name)}" for name in columns]
        return any_of(names, [self._type(name) for name in columns], keys)

    def insert(self, rows: Sequence[Record], *, with_id: bool = True) -> int:
        """Insert rows, those left out whose natural key is there by now; return how many were inserted."""
        part = self._part(self._names if with_id else self._without_id)
        into = f"INSERT INTO {self.name} ({part.listed}) VALUES "
        count = 0
        for some in part.portions(rows):
            values = [part.of(row) for row in some]
            with connection.cursor() as cursor:
                if _vendor() == "sqlite":
                    cursor.executemany(f"{into}{part.marks} ON CONFLICT DO NOTHING", values)
                else:
                    sql = f"{into}{', '.join([part.marks] * len(values))} ON CONFLICT DO NOTHING"
                    cursor.execute(sql, [value for row in values for value in row])
                count += cursor.rowcount
        return count

    def insert_returning(self, ending: str, rows: Sequence[Record]) -> list[tuple[Any, ...]]:
        """Insert rows without their keys, with an ON CONFLICT and RETURNING of one's own; what it returns."""
        part = self._part(self._without_id)
        found: list[tuple[Any, ...]] = []
        for some in part.portions(rows):
            marks = ", ".join([part.marks] * len(some))
            sql = f"INSERT INTO {self.name} ({part.listed}) VALUES {marks} {ending}"
            found += rows_of(sql, [value for row in some for value in part.of(row)])
        return found

    def update(self, rows: Sequence[Record], names: Iterable[str]) -> None:
        """Write the columns `names` of rows that are there."""
        if _vendor() != "sqlite":
            self.update_where("TRUE", [], rows, names)
            return
        part = self._part((*sorted(set(names) - {"id"}), "id"))
        sets = ", ".join(f"{column} = %s" for column in part.columns[:-1])
        if rows and sets:
            with connection.cursor() as cursor:
                sql = f"UPDATE {self.name} SET {sets} WHERE id = %s"
                cursor.executemany(sql, [part.of(row) for row in rows])

    def update_where(
        self, condition: str, parameters: Sequence[Any], rows: Sequence[Record], names: Iterable[str]
    ) -> set[int]:
        """Write the columns `names` of those rows for which a condition still holds; the keys of these."""
        part = self._part((*sorted(set(names) - {"id"}), "id"))
        sets = ", ".join(f"{column} = v.{column}" for column in part.columns[:-1])
        found: set[int] = set()
        for some in part.portions(rows if sets else ()):
            sql = (
                f"WITH v ({part.listed}) AS (VALUES {', '.join([part.typed_marks] * len(some))})"
                f" UPDATE {self.name} SET {sets} FROM v WHERE {self.name}.id = v.id AND {condition}"
                f" RETURNING {self.name}.id"
            )
            values = [value for row in some for value in part.of(row)]
            found |= {key for (key,) in rows_of(sql, [*values, *parameters])}
        return found

    @cached_property
    def _listed(self) -> str:
        return ", ".join(f"{self.name}.{self._column(name)}" for name in self._names)

    @cached_property
    def _without_id(self) -> tuple[str, ...]:
        return tuple(name for name in self._names if name != "id")

    @cached_property
    def _readers(self) -> list[tuple[int, _Convert]]:
        readers = _READERS[_vendor()]
        kinds = enumerate(self._kind(name) for name in self._names)
        return [(place, readers[kind]) for place, kind in kinds if kind in readers]

    def _records(self, rows: Iterable[Sequence[Any]]) -> list[Record]:
        found = []
        for row in rows:
            values = list(row)
            for place, convert in self._readers:
                if values[place] is not None:
                    values[place] = convert(values[place])
            found.append(self.record(*values))
        return found

    def _part(self, names: tuple[str, ...]) -> _Columns:
        found = self._parts.get(names)
        if found is None:
            writers = _WRITERS[_vendor()]
            kinds = [self._kind(name) for name in names]
            get = attrgetter(*names)
            found = self._parts[names] = _Columns(
                names=names,
                columns=tuple(self._column(name) for name in names),
                casts=tuple(self._cast(name) for name in names),
                writers=tuple((n, writers[kind]) for n, kind in enumerate(kinds) if kind in writers),
                values=get if len(names) > 1 else lambda row: (get(row),),
            )
        return found

    def _column(self, name: str) -> str:
        return str(self._known[name].column)

    def _kind(self, name: str) -> str:
        return self._known[name].get_internal_type()

    def _type(self, name: str) -> str:
        """The type of a column, `text` for all texts: a cast to a shorter type would cut in silence."""
        field = self._known[name]
        if self._kind(name) in _TEXTS:
            return "text"
        return str(field.rel_db_type(connection) if field.primary_key else field.db_type(connection))

    def _cast(self, name: str) -> str:
        is_text = self._kind(name) in _TEXTS or _vendor() == "sqlite"
        return "" if is_text else f"::{self._type(name)}"


def any_of(columns: Sequence[str], types: Sequence[str], keys: Iterable[Sequence[Any]]) -> Condition:
    """A condition that is true where `columns` have one of the `keys`, with its parameters.

    Its text is the same however many keys there are, and an index on the columns serves it.
    """
    keys = list(keys)
    is_one = len(columns) == 1
    if _vendor() == "sqlite":
        values = [key[0] for key in keys] if is_one else [list(key) for key in keys]
        wanted = ["value"] if is_one else [f"value ->> {place}" for place in range(len(columns))]
        left = columns[0] if is_one else f"({', '.join(columns)})"
        return f"{left} IN (SELECT {', '.join(wanted)} FROM json_each(%s))", [_dumps(values)]
    lists = [[key[place] for key in keys] for place in range(len(columns))]
    if is_one:
        return f"{columns[0]} = ANY(%s::{types[0]}[])", lists
    arrays = ", ".join(f"%s::{type_}[]" for type_ in types)
    return f"({', '.join(columns)}) IN (SELECT * FROM unnest({arrays}))", lists


def rows_of(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """What a query finds."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def allocate(counts: Mapping[type[models.Model], int]) -> dict[type[models.Model], Iterator[int]]:
    """Keys for rows that are to be inserted, so that what refers to them can be written with them."""
    assert connection.in_atomic_block
    tables = {model._meta.db_table: (model, count) for model, count in counts.items() if count}
    if not tables:
        return {}
    if _vendor() == "sqlite":
        marks = ", ".join(["%s"] * len(tables))
        newest = dict(rows_of(f"SELECT name, seq FROM sqlite_sequence WHERE name IN ({marks})", [*tables]))
        firsts = {model: newest.get(name, 0) + 1 for name, (model, _) in tables.items()}
        return {model: iter(range(first, first + counts[model])) for model, first in firsts.items()}
    asked = " UNION ALL ".join(
        f"SELECT '{name}', nextval('{name}_id_seq') FROM generate_series(1, %s)" for name in tables
    )
    keys: dict[str, list[int]] = {name: [] for name in tables}
    for name, key in rows_of(asked, [count for _, count in tables.values()]):
        keys[name].append(key)
    return {model: iter(keys[name]) for name, (model, _) in tables.items()}


@cache
def _vendor() -> str:
    return connection.vendor


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def _moment(kept: str | datetime) -> datetime:
    """A moment as SQLite gives it: a text where it does not come from a column as it is."""
    moment = datetime.fromisoformat(kept) if isinstance(kept, str) else kept
    return moment.replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    """A moment as Django's SQLite backend keeps it."""
    return str(moment.astimezone(UTC).replace(tzinfo=None))


_READERS: Final[Mapping[str, Mapping[str, _Convert]]] = {
    "sqlite": {"JSONField": orjson.loads, "DateTimeField": _moment, "BooleanField": bool},
    "postgresql": {"JSONField": orjson.loads},
}
_WRITERS: Final[Mapping[str, Mapping[str, _Convert]]] = {
    "sqlite": {
        "JSONField": json.dumps,
        "DateTimeField": _text,
    },  # spelled as Django does: searches look at it
    "postgresql": {"JSONField": _dumps},
}
