"""Intake: bytes in a spool file become a durable instance. C-STORE, STOW-RS and file import all end here.

The order is what makes a yes worth something: the dataset is walked and its identity checked, the file is
synced, linked into a volume and its folder synced, and only then one short transaction makes the rows. When
`take` returns `Accepted`, everything has been committed. Whatever fails on the way leaves no row, and a file
at most that `fsck` finds.
"""

import errno
import logging
import mmap
import os
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Final

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.models import F

from archive.dataset.dataset_error import DatasetError
from archive.dataset.uid import valid_uid
from archive.dataset.walk import Walked, walk
from archive.models import Instance, ObjectVersion, Quarantined, StoredFile
from archive.pixels.render_pool import Busy
from archive.storage import object_versions, quarantine, volumes
from archive.storage.object_versions import NotComparable, NotTaken
from archive.storage.volumes import OpenVolume
from ledger import notifier
from ledger.crashpoint import crashpoint

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 3
"""How often the database is asked, each time after the first on a new connection."""
NOTIFY_EVERY: Final = 0.2
"""Seconds between two notifications; what nobody is told of the sweeper sees within half a second."""
_DATABASE_FAULTS = (DatabaseError, InterfaceError)
_last_notified = 0.0


@dataclass(frozen=True, slots=True)
class Spooled:
    """An object that has come in: a Part 10 file in the spool, still open, with what was found on the way.

    `size` and `sha256` are those of the dataset, which begins at `dataset_offset`. The name in the spool is
    removed by whoever made it.
    """

    path: Path
    fd: int
    dataset_offset: int
    size: int
    sha256: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Announcement:
    """What was said of an object besides its bytes: who sent it, and as what (PS3.7 9.1.1)."""

    sop_class_uid: str
    sop_instance_uid: str
    calling_ae: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The object is kept for good."""

    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeated:
    """The object was here already, and what came again was counted."""


@dataclass(frozen=True, slots=True)
class Resent:
    """The object was here already, with the same content; its other header is kept as a version of it."""


class Reason(Enum):
    """Why an object is not kept."""

    OUT_OF_RESOURCES = "out of resources"
    """The disk or the database refuses; what is sent again later may be taken."""
    NOT_AS_ANNOUNCED = "not as announced"
    UNREADABLE = "unreadable"
    CONFLICT = "conflict"
    """Other content is here under its UID."""
    NOT_TAKEN = "not taken"
    """It is here under another header, and this source may not send another one, or no more of them."""


@dataclass(frozen=True, slots=True)
class NotKept:
    """The object was not taken: why, and a comment without patient data."""

    reason: Reason
    comment: str


Outcome = Accepted | Repeated | Resent | NotKept


class _Unacceptable(Exception):
    """What is wrong with an object; it goes into quarantine, as `kind`."""

    def __init__(self, kind: Quarantined.Reason, reason: Reason, comment: str) -> None:
        super().__init__(comment)
        self.kind, self.reason, self.comment = kind, reason, comment


class _Uncertain(Exception):
    """The database was lost while it committed: the rows may be there or not."""


def take(*, spool: Spooled, announced: Announcement, received_at: datetime) -> Outcome:
    """Keep an object for good, or say why not. Never raises for what a peer sends or a disk refuses."""
    walked: Walked | None = None
    try:
        volume = volumes.open_volume()
        volumes.check_space(volume.root, volume.least_free)
        try:
            walked = _examine(spool, announced)
            crashpoint("store.after_walk")
            return _keep(spool, announced, walked, volume, received_at)
        except _Unacceptable as fault:
            _quarantine(spool, announced, walked, fault)
            return NotKept(fault.reason, fault.comment)
    except NotTaken as refusal:
        return NotKept(Reason.NOT_TAKEN, str(refusal))
    except Busy:
        logger.warning("an object could not be compared with the stored one: all decoders are busy")
        return NotKept(Reason.OUT_OF_RESOURCES, "The object can't be compared with the stored one now")
    except OSError as error:
        logger.error("an object could not be stored: %s", os.strerror(error.errno or 0))
        return NotKept(Reason.OUT_OF_RESOURCES, "The file could not be stored")
    except (*_DATABASE_FAULTS, _Uncertain) as error:
        logger.error("an object could not be recorded: %s", type(error).__name__)
        connection.close()
        return NotKept(Reason.OUT_OF_RESOURCES, "The database can't be reached")


# Examining


def _examine(spool: Spooled, announced: Announcement) -> Walked:
    """Walk the dataset and check that it is what was announced (PS3.4 B.2.3, PS3.7 9.1.1.1)."""
    if not valid_uid(announced.sop_instance_uid) or not valid_uid(announced.sop_class_uid):
        raise _bad_identity("The announced SOP Class or Instance UID is no UID")
    if not spool.size:
        raise _Unacceptable(Quarantined.Reason.BROKEN, Reason.UNREADABLE, "empty dataset")
    try:
        with mmap.mmap(spool.fd, 0, access=mmap.ACCESS_READ) as buffer:
            walked = walk(buffer, spool.transfer_syntax, start=spool.dataset_offset)
    except DatasetError as error:
        raise _Unacceptable(Quarantined.Reason.BROKEN, Reason.UNREADABLE, str(error)) from None
    if walked.sop_instance_uid != announced.sop_instance_uid:
        raise _bad_identity("SOP Instance UID differs from the dataset's", Reason.NOT_AS_ANNOUNCED)
    if walked.sop_class_uid != announced.sop_class_uid:
        raise _bad_identity("SOP Class UID differs from the dataset's", Reason.NOT_AS_ANNOUNCED)
    if not valid_uid(walked.study_instance_uid):
        raise _bad_identity("Study Instance UID missing or no UID")
    if not valid_uid(walked.series_instance_uid):
        raise _bad_identity("Series Instance UID missing or no UID")
    return walked


def _bad_identity(comment: str, reason: Reason = Reason.UNREADABLE) -> _Unacceptable:
    return _Unacceptable(Quarantined.Reason.BAD_IDENTITY, reason, comment)


# Keeping


def _keep(
    spool: Spooled, announced: Announcement, walked: Walked, volume: OpenVolume, received_at: datetime
) -> Outcome:
    os.fsync(spool.fd)  # not tried again if it fails: the kernel may have dropped what it could not write
    crashpoint("store.after_fsync")
    name = volumes.place(spool.path, volume)
    keep_file = False
    try:
        crashpoint("store.after_link")
        row = _row(spool, announced, walked, volume, name, received_at)
        is_new = keep_file = _record(row, name)
        crashpoint("store.after_commit")
        if is_new:
            return Accepted(walked.warnings)
        outcome, keep_file = _repeat(spool, announced, walked, row)
        return outcome
    except _Uncertain:
        keep_file = True  # if its rows are not there, fsck finds it
        raise
    finally:
        if not keep_file:
            volumes.remove(volume.root / name)


_COLUMNS = (
    "public_id, sop_instance_uid, sop_class_uid, study_instance_uid, series_instance_uid, calling_ae_title,"
    " received_at, number, frames, header, times_received, index_error"
)
_INSERT_INSTANCE = (
    f"INSERT INTO archive_instance ({_COLUMNS})"  # noqa: S608 - no value in it
    " SELECT %s, %s, %s, %s, %s, %s, %s, '', 1, '{}', 1, ''"
    " WHERE NOT EXISTS (SELECT 1 FROM archive_instance WHERE given_uid = %s AND given_uid <> '')"
    " AND NOT EXISTS (SELECT 1 FROM archive_formeruid WHERE uid = %s)"
    " ON CONFLICT (sop_instance_uid) DO NOTHING RETURNING id"
)
_FILE_COLUMNS = "instance_id, volume_id, name, size, dataset_offset, sha256, transfer_syntax_uid"
_INSERT_FILE = f"INSERT INTO archive_storedfile ({_FILE_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s)"  # noqa: S608
_INSERT_BOTH = (
    f"WITH made AS ({_INSERT_INSTANCE})"  # noqa: S608
    f" INSERT INTO archive_storedfile ({_FILE_COLUMNS})"
    " SELECT id, %s, %s, %s, %s, %s, %s FROM made RETURNING instance_id"
)


@dataclass(frozen=True, slots=True)
class _Row:
    """The values of the two rows, in the order of the statements."""

    instance: tuple[str, ...]
    received_at: datetime
    file: tuple[int | str, ...]

    @property
    def sop_instance_uid(self) -> str:
        return self.instance[1]


def _row(
    spool: Spooled,
    announced: Announcement,
    walked: Walked,
    volume: OpenVolume,
    name: str,
    received_at: datetime,
) -> _Row:
    return _Row(
        (
            uuid.uuid4().hex,
            walked.sop_instance_uid,
            walked.sop_class_uid,
            walked.study_instance_uid,
            walked.series_instance_uid,
            announced.calling_ae.replace("\0", "")[:16],
        ),
        received_at,
        (
            volume.id,
            name,
            spool.dataset_offset + spool.size,
            spool.dataset_offset,
            spool.sha256,
            spool.transfer_syntax,
        ),
    )


def _record(row: _Row, name: str) -> bool:
    """Commit the rows; False if there is another object of this SOP Instance UID."""
    for attempt in range(1, ATTEMPTS + 1):
        connected = False
        try:
            connection.ensure_connection()
            connected = True
            is_new = _insert(row)
        except (OperationalError, InterfaceError) as error:
            uncertain = connected and _was_lost(error)
            connection.close()
            if attempt == ATTEMPTS:
                raise (_Uncertain() if uncertain else error) from error
            time.sleep(0.05 * attempt)
        else:
            # An earlier attempt may have been committed although the answer was lost.
            return is_new or (attempt > 1 and StoredFile.objects.filter(name=name).exists())
    raise AssertionError


def _insert(row: _Row) -> bool:
    """Insert both rows and commit: on PostgreSQL in one round trip, on SQLite under the writers' lock."""
    if connection.vendor == "postgresql":
        crashpoint("store.before_commit")
        with connection.cursor() as cursor:
            cursor.execute(
                _INSERT_BOTH, (*row.instance, row.received_at, *[row.sop_instance_uid] * 2, *row.file)
            )
            is_new = cursor.fetchone() is not None
        _notify(is_new)
        return is_new
    received_at = connection.ops.adapt_datetimefield_value(row.received_at)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_INSERT_INSTANCE, (*row.instance, received_at, *[row.sop_instance_uid] * 2))
        made = cursor.fetchone()
        if made:
            cursor.execute(_INSERT_FILE, (made[0], *row.file))
        _notify(made is not None)
        crashpoint("store.before_commit")
    return made is not None


def _was_lost(error: Exception) -> bool:
    """Whether the connection was lost, so that nobody can say what became of the statement."""
    return connection.vendor == "postgresql" and getattr(error.__cause__, "pgcode", None) is None


def _notify(is_new: bool) -> None:
    global _last_notified
    now = time.monotonic()
    if is_new and now - _last_notified >= NOTIFY_EVERY:
        _last_notified = now
        transaction.on_commit(lambda: notifier.notify("archive.index"))


# Repeats


def _repeat(spool: Spooled, announced: Announcement, walked: Walked, row: _Row) -> tuple[Outcome, bool]:
    """Count an object that came again, or keep it as a version; also, whether its new file is needed.

    Raises `_Unacceptable` where ours has other content: ours stands.
    """
    kept = object_versions.newest(walked.sop_instance_uid, spool.sha256, spool.transfer_syntax)
    if kept is None:
        raise OSError(errno.EIO, "the instance has no file")
    same = kept.sha256 == spool.sha256 and kept.transfer_syntax_uid == spool.transfer_syntax
    version = None if same else _version(kept, spool, announced, walked, row.received_at)
    heals = same and not _is_whole(kept)
    volume_id, name, size, offset, *_ = row.file
    file = {"volume_id": volume_id, "name": name, "size": size, "dataset_offset": offset}
    try:
        with transaction.atomic():
            if version is not None:
                version.file = StoredFile(
                    **file, sha256=spool.sha256, transfer_syntax_uid=spool.transfer_syntax
                )
                object_versions.keep(version, after=kept)
            Instance.objects.filter(pk=kept.instance_id).update(times_received=F("times_received") + 1)
            if heals:
                StoredFile.objects.filter(pk=kept.pk).update(**file, verified_at=None)
            crashpoint("store.before_repeat_commit")
    except (OperationalError, InterfaceError) as error:
        raise (_Uncertain() if _was_lost(error) else error) from error
    return (Repeated() if version is None else Resent()), heals or version is not None


def _is_whole(file: StoredFile) -> bool:
    try:
        return volumes.path_of(file).stat().st_size == file.size
    except FileNotFoundError:
        return False


def _version(
    kept: StoredFile, spool: Spooled, announced: Announcement, walked: Walked, received_at: datetime
) -> ObjectVersion | None:
    """What came as a version of ours; None for a copy that says the same in another transfer syntax."""
    try:
        version = object_versions.compare(kept, spool.path, walked, announced.calling_ae)
    except NotComparable as error:
        raise _conflict(str(error)) from None
    if version is not None:
        version.received_at = received_at
        version.calling_ae_title = announced.calling_ae.replace("\0", "")[:16]
        version.address = announced.address[:64]
    return version


def _conflict(comment: str) -> _Unacceptable:
    return _Unacceptable(Quarantined.Reason.CONFLICT, Reason.CONFLICT, comment)


def _quarantine(spool: Spooled, announced: Announcement, walked: Walked | None, fault: _Unacceptable) -> None:
    os.fsync(spool.fd)
    quarantine.keep(
        spool.path,
        Quarantined(
            reason=fault.kind,
            text=fault.comment,
            sop_instance_uid=announced.sop_instance_uid,
            sop_class_uid=announced.sop_class_uid,
            study_instance_uid=walked.study_instance_uid if walked else "",
            transfer_syntax_uid=spool.transfer_syntax,
            calling_ae_title=announced.calling_ae,
            address=announced.address,
            size=spool.dataset_offset + spool.size,
            sha256=spool.sha256,
        ),
    )
