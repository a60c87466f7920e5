"""What uploads and commands leave that never came to an end: ended for them, and their files removed."""

import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.actor import Interface
from archive.imports import import_acts, import_files
from archive.models import Import, ImportState
from archive.storage.spool import spool_folder
from ledger import clock

UPLOAD_IDLE: Final = timedelta(hours=1)
COMMAND_IDLE: Final = timedelta(minutes=15)
_LOOKED_EVERY: Final = 60.0
_OWNERLESS: Final = 24 * 3600.0
"""Seconds that a folder may be there before its import is."""
_AT_ONCE: Final = 100
_looked = (-_LOOKED_EVERY, False)
"""When it was looked, and whether anything was there."""


def waits() -> bool:
    """Whether there is anything to end or to remove; the folder is looked at now and then."""
    global _looked
    at, found = _looked
    if time.monotonic() - at >= _LOOKED_EVERY:
        found = _abandoned().exists() or bool(_folders())
        _looked = time.monotonic(), found
    return found


def batch() -> int:
    """End what nobody goes on with, and remove what belongs to nothing; return how much that was."""
    with transaction.atomic():
        rows = list(_abandoned().select_for_update()[:_AT_ONCE])
        for row in rows:
            import_acts.end(row, ImportState.STOPPED, _why(row))
    folders = _folders()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return len(rows)


def _abandoned() -> QuerySet[Import]:
    """Uploads without a sign of life, and what a command took in that is no more."""
    uploads = Q(state=ImportState.RECEIVING, changed_at__lt=clock.now() - UPLOAD_IDLE)
    commands = Q(
        state=ImportState.RUNNING,
        interface=Interface.COMMAND_LINE,
        changed_at__lt=clock.now() - COMMAND_IDLE,
    )
    return Import.objects.filter(uploads | commands).order_by("pk")


def _why(row: Import) -> str:
    if row.state == ImportState.RECEIVING:
        return "the upload was not finished"
    return "the command ended before it was done; give it again, what came in is not taken twice"


def _folders() -> list[Path]:
    """Folders whose import has ended or never was, and those that earlier versions left."""
    found = {path.name.removeprefix(import_files.PREFIX): path for path in _named(import_files.PREFIX)}
    rows = Import.objects.filter(public_id__in=found).values_list("public_id", "state")
    states = dict(rows)
    gone = [path for key, path in found.items() if key in states and states[key] not in import_acts.OPEN]
    ownerless = [path for key, path in found.items() if key not in states]
    return gone + [path for path in [*ownerless, *_named("disc.")] if _age(path) > _OWNERLESS]


def _named(prefix: str) -> list[Path]:
    return [path for path in spool_folder().glob(f"{prefix}*") if path.is_dir()][:_AT_ONCE]


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
