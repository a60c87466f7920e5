"""File import: files, and objects made of scans, go the way of a C-STORE, through spool and intake.

Preamble and File Meta Information are made anew: those of a file from anywhere may hold a program (PS3.10
7.1). Files without them are taken too, when their first elements show how they are written.
"""

import os
from pathlib import Path
from typing import Final

from django.utils import timezone

from archive.dataset.dataset_error import DatasetError
from archive.dataset.part10 import Part10, map_dataset, open_part10
from archive.dataset.transfer_syntax import DEFLATED, EXPLICIT_LITTLE_ENDIAN
from archive.dataset.walk import walk
from archive.imports.film_scan import Scan
from archive.storage import intake
from archive.storage.intake import (
    Announcement,
    NotKept,
    Outcome,
    Reason,
    Spooled,
)
from interfaces.dicom.spool import Spool, SpoolFile, SpoolFull, file_meta

SOURCE: Final = "IMPORT"
LARGEST: Final = 8 << 30
_CHUNK: Final = 1 << 20


def is_object(path: Path) -> bool:
    """Whether a file begins as a DICOM object does; discs hold viewers and their manuals as well."""
    try:
        open_part10(path)
    except DatasetError:
        return False
    except OSError:
        return True  # it may be one: that it can't be read has to be said
    return True


def import_file(path: Path, spool: Spool) -> Outcome:
    """Import one file; what it says in its own dataset counts, not what its File Meta Information says."""
    try:
        part10 = open_part10(path)
        class_uid, instance_uid = _identity(part10)
    except DatasetError as error:
        return NotKept(Reason.UNREADABLE, str(error))
    except OSError as error:
        return NotKept(Reason.UNREADABLE, f"can't be read: {os.strerror(error.errno or 0)}")
    try:
        spooled = spool.create(file_meta(class_uid, instance_uid, part10.transfer_syntax, SOURCE), LARGEST)
    except SpoolFull:
        return NotKept(Reason.OUT_OF_RESOURCES, "No space left")
    try:
        _copy(part10, spooled)
        return _take(spooled, part10.transfer_syntax, class_uid, instance_uid)
    except SpoolFull:
        return NotKept(Reason.OUT_OF_RESOURCES, "No space left")
    finally:
        spooled.discard()


def import_scan(scan: Scan, spool: Spool) -> Outcome:
    """Import an object that was made of a scan, the way of one that came as a file."""
    try:
        head = file_meta(scan.sop_class_uid, scan.sop_instance_uid, EXPLICIT_LITTLE_ENDIAN, SOURCE)
        spooled = spool.create(head, LARGEST)
    except SpoolFull:
        return NotKept(Reason.OUT_OF_RESOURCES, "No space left")
    try:
        spooled.append(memoryview(scan.dataset))
        return _take(spooled, EXPLICIT_LITTLE_ENDIAN, scan.sop_class_uid, scan.sop_instance_uid)
    except SpoolFull:
        return NotKept(Reason.OUT_OF_RESOURCES, "No space left")
    finally:
        spooled.discard()


def _identity(part10: Part10) -> tuple[str, str]:
    """SOP Class and Instance UID of the dataset, or of the File Meta Information if it can't be walked."""
    try:
        with map_dataset(part10) as (buffer, start):
            # A deflated file is mapped as what it inflates to.
            syntax = part10.transfer_syntax if part10.transfer_syntax != DEFLATED else "1.2.840.10008.1.2.1"
            walked = walk(buffer, syntax, start=start)
        return walked.sop_class_uid, walked.sop_instance_uid
    except DatasetError:
        meta = part10.meta
        return meta.get("MediaStorageSOPClassUID", ""), meta.get("MediaStorageSOPInstanceUID", "")


def _copy(part10: Part10, spooled: SpoolFile) -> None:
    with part10.path.open("rb") as file:
        file.seek(part10.dataset_offset)
        while chunk := file.read(_CHUNK):
            spooled.append(memoryview(chunk))


def _take(spooled: SpoolFile, transfer_syntax: str, class_uid: str, instance_uid: str) -> Outcome:
    return intake.take(
        spool=Spooled(
            path=spooled.path,
            fd=spooled.fd,
            dataset_offset=spooled.dataset_offset,
            size=spooled.size,
            sha256=spooled.sha256,
            transfer_syntax=transfer_syntax,
        ),
        announced=Announcement(class_uid, instance_uid, SOURCE),
        received_at=timezone.now(),
    )
