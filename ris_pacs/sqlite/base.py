"""One queue of writers.

SQLite's busy handler polls and knows no queue, so a small writer beside busy ones starves. A blocking
lock on a file beside the database, taken before each `BEGIN IMMEDIATE` and let go of at its end, gives
every writer its turn.
"""

from django.db.backends.sqlite3 import base

from ledger import write_lock
from ledger.write_lock import WriteLock


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite, with `write.lock` beside the database held for the length of each transaction."""

    _turn: WriteLock | None = None

    def _start_transaction_under_autocommit(self) -> None:
        path = write_lock.path_of(self)
        assert path is not None
        self._turn = WriteLock.take(path)
        try:
            super()._start_transaction_under_autocommit()
        except BaseException:
            self._end_turn()
            raise

    def _commit(self) -> None:
        try:
            super()._commit()
        finally:
            self._end_turn_if_over()

    def _rollback(self) -> None:
        try:
            super()._rollback()
        finally:
            self._end_turn_if_over()

    def _set_autocommit(self, autocommit: bool) -> None:
        """Roll back what a signal cut short before its end, which sqlite3 would now commit by the way."""
        try:
            if autocommit and self.connection.in_transaction:
                self.connection.rollback()
            super()._set_autocommit(autocommit)
        finally:
            self._end_turn_if_over()

    def _close(self) -> None:
        try:
            super()._close()
        finally:
            self._end_turn()

    def _end_turn_if_over(self) -> None:
        if self.connection is None or not self.connection.in_transaction:
            self._end_turn()

    def _end_turn(self) -> None:
        if self._turn is not None:
            self._turn.release()
            self._turn = None
