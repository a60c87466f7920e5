"""Do rows and files agree? What crashes leave behind is put away; what is lost is reported, never hidden."""

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import transaction

from archive import archive_events
from archive.dataset.dataset_error import DatasetError
from archive.dataset.part10 import Part10, open_part10
from archive.models import Quarantined, QuarantineState, StoredFile, Volume
from archive.storage import quarantine, volumes
from ledger import clock, events
from ledger.event_types import EventType
from ledger.models import Event

LEAVE_ALONE: Final = 3600.0
"""Seconds for which a file may be without a row: its transaction may still be on its way."""
DISCARDED_FOR: Final = timedelta(days=30)
"""For how long a discarded object can still be taken back."""
_CHUNK: Final = 1 << 20


@dataclass(slots=True)
class Report:
    """What was found; names of files only, no patient data."""

    files: int = 0
    verified: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing has been lost."""
        return not self.missing and not self.damaged


def check(*, checksums: bool = False, leave_alone: float = LEAVE_ALONE) -> Report:
    """Compare rows with files, both ways, and clear the spool of what was left in it."""
    report = Report()
    _clear_spool(report, leave_alone)
    _clear_discarded(report)
    for volume in Volume.objects.order_by("id"):
        if volumes.root_of(volume).is_dir():
            _find_orphans(volume, report, leave_alone)
    for file in (
        StoredFile.objects.select_related("volume", "instance").order_by("id").iterator(chunk_size=500)
    ):
        _check_file(file, report, checksums=checksums)
    return report


# Files without rows


def _clear_spool(report: Report, leave_alone: float) -> None:
    """Remove spool files that nobody has written to for long: their senders never got a yes."""
    for path in (Path(settings.HOME) / "spool").glob("*.part"):
        if _is_old(path, leave_alone):
            volumes.remove(path)
            report.removed.append(path.name)


def _clear_discarded(report: Report) -> None:
    """Remove the files of what a person discarded from quarantine long ago."""
    rows = Quarantined.objects.filter(
        state=QuarantineState.DISCARDED, ended_at__lt=clock.now() - DISCARDED_FOR
    )
    for row in rows.iterator(chunk_size=500):
        path = quarantine.path_of(row)
        if path.exists():
            volumes.remove(path)
            report.removed.append(row.name)


def _find_orphans(volume: Volume, report: Report, leave_alone: float) -> None:
    for folder in volumes.folders(volumes.root_of(volume)):
        prefix = f"{folder.parent.name}/{folder.name}/"
        there = {prefix + name for name in os.listdir(folder)}
        known = set(
            StoredFile.objects.filter(volume=volume, name__startswith=prefix).values_list("name", flat=True)
        )
        for name in sorted(there - known):
            path = volumes.root_of(volume) / name
            if _is_old(path, leave_alone):
                _put_away(path, name, report)


def _put_away(path: Path, name: str, report: Report) -> None:
    """Quarantine a file without a row, unless what it holds is stored anyway."""
    try:
        part10 = open_part10(path)
        digest = _dataset_digest(path, part10.dataset_offset)
    except (DatasetError, OSError):
        part10, digest = None, _dataset_digest(path, 0)
    if StoredFile.objects.filter(sha256=digest).exists():
        report.removed.append(name)
    else:
        quarantine.keep(path, _orphan(path, part10, digest))
        report.quarantined.append(name)
    volumes.remove(path)
    volumes.sync_folder(path.parent)


def _orphan(path: Path, part10: Part10 | None, digest: str) -> Quarantined:
    meta = part10.meta if part10 else {}
    return Quarantined(
        reason=Quarantined.Reason.ORPHAN,
        text="A file of a volume that no instance owns",
        sop_instance_uid=meta.get("MediaStorageSOPInstanceUID", ""),
        sop_class_uid=meta.get("MediaStorageSOPClassUID", ""),
        transfer_syntax_uid=meta.get("TransferSyntaxUID", ""),
        calling_ae_title=meta.get("SourceApplicationEntityTitle", ""),
        size=path.stat().st_size,
        sha256=digest,
    )


def _is_old(path: Path, leave_alone: float) -> bool:
    try:
        state = path.stat()
    except FileNotFoundError:
        return False
    # A link changes ctime, writing mtime.
    return time.time() - max(state.st_mtime, state.st_ctime) >= leave_alone


# Rows without files


def _check_file(file: StoredFile, report: Report, *, checksums: bool) -> None:
    report.files += 1
    path = volumes.path_of(file)
    try:
        is_whole = path.stat().st_size == file.size
        if is_whole and checksums:
            is_whole = _dataset_digest(path, file.dataset_offset) == file.sha256
    except OSError:
        report.missing.append(file.name)
        _tell(file, archive_events.FILE_MISSING)
        return
    if not is_whole:
        report.damaged.append(file.name)
        _tell(file, archive_events.FILE_DAMAGED)
    elif checksums:
        report.verified += 1
        with transaction.atomic():
            StoredFile.objects.filter(pk=file.pk).update(verified_at=clock.now())


def _tell(file: StoredFile, event: EventType) -> None:
    """Leave an event on the timelines of instance and study, once."""
    about = [("instance", file.instance.public_id), ("study_instance_uid", file.instance.study_instance_uid)]
    if Event.objects.filter(kind=event.kind, subjects__type="instance", subjects__key=about[0][1]).exists():
        return
    with transaction.atomic():
        events.record(event, about=about, source="fsck", name=file.name, volume=file.volume.name)


def _dataset_digest(path: Path, offset: int) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(path, offset):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(path: Path, offset: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while chunk := file.read(_CHUNK):
            yield chunk
