"""Signs of life, which `/readyz` and the status lights read.

Each process writes one every few seconds. One that ends as it should takes its sign with it; that of one that
was killed is forgotten a minute later, unless it is the last of a kind that should run.
"""

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction

from ledger import clock, readiness
from ledger.models import Heartbeat

logger = logging.getLogger(__name__)

EVERY: Final = 5.0
"""Seconds between two beats."""
STALE: Final = timedelta(seconds=15)
FORGOTTEN: Final = timedelta(minutes=1)
"""After so long without a sign of life a process counts as gone, where another of its kind lives."""
ENDING: Final = 3.0
"""Seconds that a process which ends waits for its sign to be removed."""


def beat(process: str, details: dict[str, Any] | None = None) -> None:
    """Write one sign of life of this process, and forget those of its kind that are gone."""
    now = clock.now()
    with transaction.atomic():
        Heartbeat.objects.update_or_create(
            process=process, instance=instance(), defaults={"at": now, "details": details or {}}
        )
        Heartbeat.objects.filter(process=process, at__lt=now - FORGOTTEN).delete()


def stop(process: str) -> None:
    """Remove the sign of this process, which ends as it should."""
    with transaction.atomic():
        Heartbeat.objects.filter(process=process, instance=instance()).delete()


def instance() -> str:
    """What tells this process from others of its kind."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Beats:
    """Beats from a thread of its own until ended."""

    def __init__(self, process: str, details: Callable[[], dict[str, Any]]) -> None:
        self._process, self._details = process, details
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat-{process}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Beat no more, and have the sign removed; a database that can't take that holds nobody up."""
        self._ended.set()
        self._thread.join(ENDING)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._try(self._beat)
            self._ended.wait(EVERY)
        self._try(lambda: stop(self._process))

    def _beat(self) -> None:
        # Before we wait for our own turn to write.
        if (writer := readiness.writers()) != "ok":
            logger.warning("%s", writer)
        beat(self._process, self._details())

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except Exception as error:
            logger.warning("no heartbeat of %s: %s", self._process, type(error).__name__)
        finally:
            with contextlib.suppress(Exception):
                connection.close()


def start(process: str, details: Callable[[], dict[str, Any]] = dict) -> Beats:
    """Begin to beat for this process; `details` are the figures that it shows."""
    return Beats(process, details)


def state(process: str) -> str:
    """`ok`, or what is wrong with a process."""
    newest = Heartbeat.objects.filter(process=process).order_by("-at").first()
    if newest is None:
        return "has not started yet"
    age = clock.now() - newest.at
    return "ok" if age < STALE else f"no heartbeat for {int(age.total_seconds())} s"


def signs() -> list[Heartbeat]:
    """The newest sign of each process that runs or should, by kind, the liveliest first."""
    kept, kinds = [], set()
    limit = clock.now() - FORGOTTEN
    for row in Heartbeat.objects.order_by("process", "-at"):
        is_last = row.process in readiness.PROCESSES and row.process not in kinds
        if row.at >= limit or is_last:
            kept.append(row)
        kinds.add(row.process)
    return kept
