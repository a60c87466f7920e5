"""One queue of writers.

SQLite's busy handler polls and knows no queue, so a small writer beside busy ones starves. A blocking
`flock` on a file beside the database, taken before each `BEGIN IMMEDIATE` and let go of at its end,
gives every writer its turn.
"""

import fcntl
import os

from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite, with `write.lock` beside the database held for the length of each transaction."""

    _lock_descriptor: int | None = None

    def _take_turn(self) -> None:
        path = os.path.join(os.path.dirname(str(self.settings_dict["NAME"])), "write.lock")
        self._lock_descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock_descriptor, fcntl.LOCK_EX)

    def _end_turn(self) -> None:
        if self._lock_descriptor is not None:
            os.close(self._lock_descriptor)
            self._lock_descriptor = None

    def _start_transaction_under_autocommit(self) -> None:
        self._take_turn()
        try:
            super()._start_transaction_under_autocommit()
        except BaseException:
            self._end_turn()
            raise

    def _commit(self) -> None:
        try:
            super()._commit()
        finally:
            if self.connection is None or not self.connection.in_transaction:
                self._end_turn()

    def _rollback(self) -> None:
        try:
            super()._rollback()
        finally:
            self._end_turn()

    def _close(self) -> None:
        try:
            super()._close()
        finally:
            self._end_turn()
