"""When a commit is on the disk: at once, or with the next one, where nobody is told of it before that."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection, transaction

WITH_THE_NEXT: Final = "set_config('synchronous_commit', 'off', true)"
"""On PostgreSQL, an expression by which the transaction that evaluates it is on disk with the next one."""


@contextmanager
def with_the_next_commit() -> Iterator[None]:
    """A transaction that is on disk no later than this connection's next one.

    A process that is killed loses nothing of it. The machine that fails does; so nothing may be confirmed
    before another transaction is committed. On PostgreSQL it has to evaluate `WITH_THE_NEXT`.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        with transaction.atomic():
            yield
        return
    connection.ensure_connection()
    database = connection.connection
    database.execute("PRAGMA synchronous = NORMAL")  # in WAL mode: not with each commit
    try:
        with transaction.atomic():
            yield
    finally:
        if connection.connection is database:
            database.execute("PRAGMA synchronous = FULL")
