"""Statements over sets of rows: sent by the driver's own cursor, and planned once for each session.

A statement has `%s` for each parameter, whichever database it is for.
"""

import itertools
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connection, connections

_MOST_PREPARED: Final = 100
"""Statements that a session of PostgreSQL keeps planned."""
PLANNED_FOR: Final = 20.0
"""Seconds after which they are planned anew."""
_MARK: Final = re.compile("%s")
_TYPED_MARK: Final = re.compile(r"(%s)((?:::[a-z]+(?: with time zone| precision)?(?:\[\])?)?)")


def rows_of(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """What a query finds."""
    with _running() as (cursor, spell):
        cursor.execute(spell(sql), parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def count_of(sql: str, parameters: Sequence[Any]) -> int:
    """How many rows a statement wrote."""
    with _running() as (cursor, spell):
        cursor.execute(spell(sql), parameters)
        return int(cursor.rowcount)


def count_of_many(sql: str, rows: Sequence[Sequence[Any]]) -> int:
    """How many rows a statement wrote that is executed for each of several sets of parameters."""
    with _running() as (cursor, spell):
        cursor.executemany(spell(sql), rows)
        return int(cursor.rowcount)


_WALKS: Final = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")
"""Ways of PostgreSQL to go through a whole table or index."""


@dataclass
class _Session:
    """What a session of PostgreSQL has planned."""

    connection: Any
    planned_at: float
    executions: dict[str, str] = field(default_factory=dict)
    """For each statement, the one that executes it."""
    count: int = 0


def _prepared(sql: str) -> str:
    """On PostgreSQL, the statement that executes `sql` as this session has planned it before.

    It is planned for indexes: of a table that grows, statistics come late, and until then the planner thinks
    that it is small. Nor are keys joined by a hash or a merge, for which all of an index would be walked
    through. When statistics come, the server plans by itself again
    and may walk for as long as they stay as they are; so this plans anew now and then.
    """
    database: Any = connections[DEFAULT_DB_ALIAS]
    session: _Session | None = getattr(database, "prepared_for_sets", None)
    now = time.monotonic()
    if session is None or session.connection is not database.connection:
        session = database.prepared_for_sets = _Session(database.connection, now)
    elif now - session.planned_at > PLANNED_FOR or len(session.executions) >= _MOST_PREPARED:
        _execute_raw("DEALLOCATE ALL")
        session.executions.clear()
        session.planned_at = now
    if sql not in session.executions:
        marks = [mark + type_ for mark, type_ in _TYPED_MARK.findall(sql)]
        places = itertools.count(1)
        session.count += 1
        name = f"sets_{session.count}"
        _execute_raw(
            f"{''.join(f'SET {one} = off; ' for one in _WALKS)}"
            f" PREPARE {name} AS {_MARK.sub(lambda _: f'${next(places)}', sql)};"
            f" EXPLAIN EXECUTE {name}{_listed(['NULL'] * len(marks))};"
            f"{''.join(f' RESET {one};' for one in _WALKS)}"
        )
        session.executions[sql] = f"EXECUTE {name}{_listed(marks)}"
    return session.executions[sql]


def _listed(arguments: Sequence[str]) -> str:
    return f"({', '.join(arguments)})" if arguments else ""


def _execute_raw(sql: str) -> None:
    database: Any = connections[DEFAULT_DB_ALIAS]
    with database.wrap_database_errors, database.connection.cursor() as cursor:
        cursor.execute(sql)


class _running:
    """The driver's own cursor, one for all statements, and how it wants a statement to be spelled.

    Django's layers around it cost as much as a short statement. Where somebody looks at the statements that
    go through these, they do.
    """

    def __enter__(self) -> tuple[Any, Callable[[str], str]]:
        database: Any = connections[DEFAULT_DB_ALIAS]
        if database.connection is None:
            database.ensure_connection()
        database.validate_no_broken_transaction()
        self._errors = database.wrap_database_errors
        is_sqlite = vendor() == "sqlite"
        if database.execute_wrappers or database.queries_logged:
            return database.cursor(), str if is_sqlite else _prepared
        raw, cursor = getattr(database, "cursor_for_sets", (None, None))
        if raw is not database.connection:
            cursor = database.connection.cursor() if is_sqlite else database.cursor().cursor
            database.cursor_for_sets = database.connection, cursor
        return cursor, _with_question_marks if is_sqlite else _prepared

    def __exit__(self, *error: Any) -> None:
        self._errors.__exit__(*error)


@lru_cache(maxsize=1000)
def _with_question_marks(sql: str) -> str:
    return sql.replace("%s", "?").replace("%%", "%")


@cache
def vendor() -> str:
    """Which database it is, as Django calls it."""
    return connection.vendor
