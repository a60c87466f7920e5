"""File import: files, and objects made of scans, go the way of a C-STORE, through spool and intake.

Preamble and File Meta Information are made anew: those of a file from anywhere may hold a program (PS3.10
7.1). Files without them are taken too, when their first elements show how they are written.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.utils import timezone

from archive.dataset.dataset_error import DatasetError
from archive.dataset.part10 import Part10, map_dataset, open_part10
from archive.dataset.transfer_syntax import DEFLATED, EXPLICIT_LITTLE_ENDIAN
from archive.dataset.walk import walk
from archive.imports import import_sources
from archive.imports.film_scan import Scan
from archive.storage import intake
from archive.storage.intake import (
    Announcement,
    NotKept,
    Outcome,
    Reason,
    Spooled,
)
from archive.storage.spool import Spool, SpoolFile, SpoolFull, file_meta

LARGEST: Final = 8 << 30
_CHUNK: Final = 1 << 20
_FULL: Final = NotKept(Reason.OUT_OF_RESOURCES, "No space left")


def is_object(path: Path) -> bool:
    """Whether a file begins as a DICOM object does; discs hold viewers and their manuals as well."""
    try:
        open_part10(path)
    except DatasetError:
        return False
    except OSError:
        return True  # it may be one: that it can't be read has to be said
    return True


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of an object, and which one it is, as far as that could be read."""

    outcome: Outcome
    sop_instance_uid: str = ""
    study_instance_uid: str = ""


def import_file(path: Path, spool: Spool, keep_on: Callable[[], None] = lambda: None) -> Imported:
    """Import one file; what it says in its own dataset counts, not what its File Meta Information says.

    `keep_on` is called now and then while it is copied.
    """
    try:
        part10 = open_part10(path)
        class_uid, instance_uid, study_uid = _identity(part10)
    except DatasetError as error:
        return Imported(NotKept(Reason.UNREADABLE, str(error)))
    except OSError as error:
        return Imported(NotKept(Reason.UNREADABLE, f"can't be read: {os.strerror(error.errno or 0)}"))
    head = file_meta(class_uid, instance_uid, part10.transfer_syntax, import_sources.DISC)
    try:
        spooled = spool.create(head, LARGEST)
    except SpoolFull:
        return Imported(_FULL)
    try:
        _copy(part10, spooled, keep_on)
        outcome = _take(spooled, part10.transfer_syntax, class_uid, instance_uid, import_sources.DISC)
        return Imported(outcome, instance_uid, study_uid)
    except SpoolFull:
        return Imported(_FULL)
    except OSError as error:
        return Imported(NotKept(Reason.UNREADABLE, f"can't be read: {os.strerror(error.errno or 0)}"))
    finally:
        spooled.discard()


def import_scan(scan: Scan, spool: Spool) -> Outcome:
    """Import an object that was made of a scan, the way of one that came as a file."""
    head = file_meta(
        scan.sop_class_uid, scan.sop_instance_uid, EXPLICIT_LITTLE_ENDIAN, import_sources.SCANNER
    )
    try:
        spooled = spool.create(head, LARGEST)
    except SpoolFull:
        return _FULL
    try:
        spooled.append(memoryview(scan.dataset))
        return _take(
            spooled,
            EXPLICIT_LITTLE_ENDIAN,
            scan.sop_class_uid,
            scan.sop_instance_uid,
            import_sources.SCANNER,
        )
    except SpoolFull:
        return _FULL
    finally:
        spooled.discard()


def _identity(part10: Part10) -> tuple[str, str, str]:
    """SOP Class, SOP Instance and Study Instance UID of the dataset.

    Of one that can't be walked the first two of the File Meta Information.
    """
    try:
        with map_dataset(part10) as (buffer, start):
            # A deflated file is mapped as what it inflates to.
            syntax = part10.transfer_syntax if part10.transfer_syntax != DEFLATED else "1.2.840.10008.1.2.1"
            walked = walk(buffer, syntax, start=start)
        return walked.sop_class_uid, walked.sop_instance_uid, walked.study_instance_uid
    except DatasetError:
        meta = part10.meta
        return meta.get("MediaStorageSOPClassUID", ""), meta.get("MediaStorageSOPInstanceUID", ""), ""


def _copy(part10: Part10, spooled: SpoolFile, keep_on: Callable[[], None]) -> None:
    with part10.path.open("rb") as file:
        file.seek(part10.dataset_offset)
        while chunk := file.read(_CHUNK):
            keep_on()
            spooled.append(memoryview(chunk))


def _take(spooled: SpoolFile, transfer_syntax: str, class_uid: str, instance_uid: str, ae: str) -> Outcome:
    return intake.take(
        spool=Spooled(
            path=spooled.path,
            fd=spooled.fd,
            dataset_offset=spooled.dataset_offset,
            size=spooled.size,
            sha256=spooled.sha256,
            transfer_syntax=transfer_syntax,
        ),
        announced=Announcement(class_uid, instance_uid, ae),
        received_at=timezone.now(),
    )
