"""Signs of life, which `/readyz` and the status lights read."""

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from ledger import clock
from ledger.models import Heartbeat

logger = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two beats."""
STALE = timedelta(seconds=15)


def beat(process: str, details: dict[str, Any] | None = None) -> None:
    """Write one sign of life of this process."""
    with transaction.atomic():
        Heartbeat.objects.update_or_create(
            process=process,
            instance=f"{socket.gethostname()}:{os.getpid()}",
            defaults={"at": clock.now(), "details": details or {}},
        )
        Heartbeat.objects.filter(process=process, at__lt=clock.now() - timedelta(hours=1)).delete()


def start(process: str, details: Callable[[], dict[str, Any]] = dict) -> threading.Event:
    """Beat from a thread of its own until the returned event is set."""
    stop = threading.Event()

    def beats() -> None:
        while True:
            try:
                beat(process, details())
            except Exception as error:
                logger.warning("no heartbeat of %s: %s", process, type(error).__name__)
            finally:
                with contextlib.suppress(Exception):
                    connection.close()
            if stop.wait(EVERY):
                return

    threading.Thread(target=beats, name=f"heartbeat-{process}", daemon=True).start()
    return stop


def state(process: str) -> str:
    """`ok`, or what is wrong with a process."""
    newest = Heartbeat.objects.filter(process=process).order_by("-at").first()
    if newest is None:
        return "has not started yet"
    age = clock.now() - newest.at
    return "ok" if age < STALE else f"no sign of life for {int(age.total_seconds())} s"
