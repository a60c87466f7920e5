"""Spool files: each object that comes in is written once, as the Part 10 file (PS3.10 7.1) that it remains.

Names are random, never taken from the peer. Every `Spool` holds a lock on a file named after its own token,
so that a later start can tell the files of a dead process from those of a sibling that is still receiving.
"""

import fcntl
import hashlib
import os
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from archive.dataset.part10 import preamble_and_meta
from archive.dataset.uid import valid_uid

_SUFFIX = ".part"
_LOCK_SUFFIX = ".lock"


def spool_folder() -> Path:
    """Where objects lie while they come in; on the file system of the volumes, to which they are linked."""
    return Path(settings.HOME) / "spool"


def file_meta(class_uid: str, instance_uid: str, transfer_syntax: str, source_ae: str) -> bytes:
    """Return preamble, prefix and File Meta Information (PS3.10 7.1); what is no UID is left empty."""
    class_uid, instance_uid, transfer_syntax = (
        uid if valid_uid(uid) else "" for uid in (class_uid, instance_uid, transfer_syntax)
    )
    return preamble_and_meta(class_uid, instance_uid, transfer_syntax, source_ae)


class SpoolFull(Exception):
    """The object is larger than allowed, or the file could not be written."""


class SpoolFile:
    """One object on its way in: an open Part 10 file with the size and hash of the data set so far.

    Attributes
    ----------
    path : Path
        Where the file is until the store service returns; then the name is removed, so link it before.
    fd : int
        Open for reading and writing; fsync it before linking.
    dataset_offset : int
        Where the data set begins in the file.
    size : int
        Bytes of the data set.
    """

    __slots__ = ("_hash", "_limit", "dataset_offset", "fd", "path", "size")

    def __init__(self, path: Path, head: bytes, limit: int) -> None:
        self.path = path
        self.size = 0
        self._limit = limit
        self._hash = hashlib.sha256()
        self.dataset_offset = len(head)
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        except OSError as error:
            raise SpoolFull from error
        try:
            _write(self.fd, memoryview(head))
        except SpoolFull:
            self.discard()
            raise

    @property
    def sha256(self) -> str:
        """Hash of the data set's bytes, in hex."""
        return self._hash.hexdigest()

    def append(self, fragment: memoryview) -> None:
        """Write a fragment of the data set.

        Raises
        ------
        SpoolFull
            If the object exceeds its limit or the file system refuses.
        """
        self.size += len(fragment)
        if self.size > self._limit:
            raise SpoolFull
        _write(self.fd, fragment)
        self._hash.update(fragment)

    def discard(self) -> None:
        """Close the file and remove its spool name; links made meanwhile stay. May be called again."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            with suppress(FileNotFoundError):
                os.unlink(self.path)


def _write(fd: int, view: memoryview) -> None:
    try:
        written = os.write(fd, view)
        while written < len(view):
            written += os.write(fd, view[written:])
    except OSError as error:
        raise SpoolFull from error


class Spool:
    """A directory of spool files, shared by any number of processes."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        _remove_stale(directory)
        self._token, self._lock = _claim(directory)

    def create(self, head: bytes, limit: int) -> SpoolFile:
        name = f"{self._token}-{os.urandom(16).hex()}{_SUFFIX}"
        return SpoolFile(self.directory / name, head, limit)

    def close(self) -> None:
        """Give the token up. Call it when no association is left."""
        if self._lock >= 0:
            with suppress(FileNotFoundError):
                os.unlink(self.directory / (self._token + _LOCK_SUFFIX))
            os.close(self._lock)
            self._lock = -1


def _claim(directory: Path) -> tuple[str, int]:
    while True:
        token = os.urandom(8).hex()
        fd = os.open(directory / (token + _LOCK_SUFFIX), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
        # A sibling that starts just now may lock the new file first and remove it as stale.
        if _locked(fd) and os.fstat(fd).st_nlink:
            return token, fd
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_stale(directory: Path) -> None:
    tokens = {path.name.partition("-")[0] for path in directory.glob("*-*" + _SUFFIX)}
    tokens |= {path.stem for path in directory.glob("*" + _LOCK_SUFFIX)}
    for token in tokens:
        _remove_if_dead(directory, token)


def _remove_if_dead(directory: Path, token: str) -> None:
    lock = directory / (token + _LOCK_SUFFIX)
    fd = -1
    with suppress(FileNotFoundError):
        fd = os.open(lock, os.O_RDWR)
    try:
        if fd >= 0 and not _locked(fd):
            return
        for path in directory.glob(f"{token}-*{_SUFFIX}"):
            path.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
    finally:
        if fd >= 0:
            os.close(fd)
