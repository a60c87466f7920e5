"""Which parts of the system are alive: what `/readyz` answers and the status lights show."""

import os
import shutil
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import connection
from django.db.models import Max

from ledger import clock, write_lock
from ledger.models import Heartbeat

PROCESSES: Final = ("dicom", "hl7", "worker", "sweeper")
MIN_FREE_BYTES: Final = 200 * 1024 * 1024


def ages() -> dict[str, timedelta | None]:
    """How long ago each process gave its last sign of life; None for one that has not started yet."""
    rows = Heartbeat.objects.filter(process__in=PROCESSES).values("process").annotate(newest=Max("at"))
    newest = {row["process"]: row["newest"] for row in rows}
    now = clock.now()
    return {process: now - newest[process] if process in newest else None for process in PROCESSES}


def database() -> str:
    """`ok`, or why the database can't be used."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:
        return f"can't be reached: {type(error).__name__}"
    return "ok"


def writers() -> str:
    """`ok`, or who has kept all others from writing for longer than a moment. Never waits."""
    holder = write_lock.long_holder(connection)
    if holder is None:
        return "ok"
    return f"{holder} has been writing for {holder.seconds:.0f} s, and nobody else can write"


def free_bytes() -> int:
    """What is free where everything is written."""
    return shutil.disk_usage(settings.HOME).free


def storage() -> str:
    """`ok`, or why nothing can be stored."""
    if not os.access(settings.HOME, os.W_OK):
        return f"{settings.HOME} can't be written"
    free = free_bytes()
    return "ok" if free >= MIN_FREE_BYTES else f"only {free // 2**20} MiB are free"
