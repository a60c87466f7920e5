"""The turn to write: `write.lock` beside an SQLite database, held for the length of each transaction.

A lock taken by `flock` belongs to the open file, not to the process. A child forked while it is held keeps
that file open, so closing it in the parent would free nothing: it is unlocked before it is closed, and a
forked child closes what it inherited.

The file says who holds it, since when and for what, so that anybody can tell without waiting.
"""

import contextlib
import fcntl
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

LONG: Final = 1.0
"""Seconds after which a holder is worth telling of; a transaction takes a fiftieth of that."""
WIDTH: Final = 256
"""Bytes in which the holder is named; of one length, so that naming it never changes the file's size."""
_SETTING_UP: Final = ("run", "migrate")
"""Processes that bring the database up to date, which takes as long as it takes."""
_FREE: Final = b" " * WIDTH
_SECOND_LOOK: Final = 0.05

_doing: ContextVar[str] = ContextVar("doing", default="")
_open: set["WriteLock"] = set()
_forking = threading.RLock()


class WriteLock:
    """One writer's place in the queue."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._since = 0.0
        with _forking:
            self._file = open(path, "r+b", buffering=0, opener=_create)  # noqa: SIM115
            _open.add(self)

    @classmethod
    def take(cls, path: str) -> "WriteLock":
        """Wait for our turn. A signal that ends the waiting leaves nothing behind."""
        lock = cls(path)
        try:
            fcntl.flock(lock._file, fcntl.LOCK_EX)
            lock._since = time.time()
            os.pwrite(lock._file.fileno(), Holder(os.getpid(), process(), _work(), lock._since).line(), 0)
        except BaseException:
            lock.release()
            raise
        return lock

    def release(self) -> None:
        """Let the next one have its turn; asked for twice it does nothing."""
        if self._file.closed:
            return
        lasted = time.time() - self._since if self._since else 0.0
        holder = _named(self._file.fileno()) if lasted > LONG else None
        if self._since:
            os.pwrite(self._file.fileno(), _FREE, 0)
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self.close()
        if holder is not None and holder.process not in _SETTING_UP:
            logger.warning("the turn to write was held for %.1f s by %s", lasted, holder)

    def close(self) -> None:
        """Forget the open file; what a forked child does with its copy of one that its parent holds."""
        with _forking:
            self._file.close()
            _open.discard(self)


@dataclass(frozen=True)
class Holder:
    """Who holds the lock: which process, at what, since when (seconds since the epoch)."""

    pid: int
    process: str
    work: str
    since: float

    def __str__(self) -> str:
        return f"{self.process} (process {self.pid}, {self.work})"

    @property
    def seconds(self) -> float:
        """For how long."""
        return time.time() - self.since

    def line(self) -> bytes:
        """The text by which the file names it."""
        text = json.dumps([self.pid, self.since, self.process[:40], self.work[:120]])
        return text.encode().ljust(WIDTH)


def path_of(connection: BaseDatabaseWrapper) -> str | None:
    """Where the lock of a connection's database lies; None where the database has a queue of its own."""
    return _beside(str(connection.settings_dict["NAME"])) if connection.vendor == "sqlite" else None


def long_holder(connection: BaseDatabaseWrapper) -> Holder | None:
    """Who has held the lock for longer than `LONG`, if anybody. Never waits for the lock."""
    path = path_of(connection)
    found = _holder(path) if path else None
    if path is None or found is None or found.seconds <= LONG:
        return None
    # Between two holders the file may for an instant name the earlier one.
    time.sleep(_SECOND_LOOK)
    return found if _holder(path) == found else None


@contextlib.contextmanager
def doing(work: str) -> Iterator[None]:
    """Say what transactions in here are for, where the name of our function doesn't."""
    token = _doing.set(work)
    try:
        yield
    finally:
        _doing.reset(token)


@cache
def process() -> str:
    """What this process is called: `web`, `worker`, or the name of the command of `manage.py`."""
    program, arguments = Path(sys.argv[0] or "python"), sys.argv[1:]
    name = program.parent.name if program.stem == "__main__" else program.stem
    names = {"gunicorn": "web", "celery": "worker"}
    return arguments[0] if name == "manage" and arguments else names.get(name, name)


@cache
def _beside(database: str) -> str:
    return str(Path(database).with_name("write.lock"))


def _holder(path: str) -> Holder | None:
    """Who holds the lock now; None where nobody does."""
    try:
        with open(path, "rb", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _named(file.fileno())
            fcntl.flock(file, fcntl.LOCK_UN)
    except FileNotFoundError:
        pass
    return None


def _named(descriptor: int) -> Holder:
    """Whom the file names, or somebody unknown who has held it since it was last written to."""
    try:
        pid, since, name, work = json.loads(os.pread(descriptor, WIDTH, 0))
        return Holder(pid, name, work, since)
    except (ValueError, TypeError):
        return Holder(0, "unknown", "unknown", os.fstat(descriptor).st_mtime)


def _work() -> str:
    """What the transaction that begins is for: what was said, or which function of ours began it."""
    if told := _doing.get():
        return told
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_PLUMBING):
        frame = frame.f_back
    return f"{frame.f_globals.get('__name__', '')}.{frame.f_code.co_qualname}"


_PLUMBING: Final = (__name__, "ris_pacs.sqlite", "django.", "contextlib")


def _create(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _close_inherited() -> None:
    """In a forked child: leave the parent's turns to the parent."""
    for lock in list(_open):
        lock.close()
    _forking.release()


# Nobody opens the file while a fork goes on, so that the child knows of all that it inherits.
os.register_at_fork(
    before=_forking.acquire, after_in_parent=_forking.release, after_in_child=_close_inherited
)
