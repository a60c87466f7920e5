"""Spool files: each object that comes in is written once, as the Part 10 file (PS3.10 7.1) that it remains.

Names are random, never taken from the peer. Every `Spool` holds a lock on a file named after its own token,
so that a later start can tell the files of a dead process from those of a sibling that is still receiving.
"""

import fcntl
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from struct import Struct

from archive.dataset.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from archive.dataset.walk import valid_uid

_SHORT = Struct("<HH2sH")
_LONG = Struct("<HH2sHI")
_PREAMBLE = bytes(128) + b"DICM"
_SUFFIX = ".part"
_LOCK_SUFFIX = ".lock"


def file_meta(class_uid: str, instance_uid: str, transfer_syntax: str, source_ae: str) -> bytes:
    """Return preamble, prefix and File Meta Information (PS3.10 7.1); what is no UID is left empty."""
    group = b"".join(
        (
            _LONG.pack(2, 1, b"OB", 0, 2) + b"\0\1",
            _uid_element(0x0002, class_uid),
            _uid_element(0x0003, instance_uid),
            _uid_element(0x0010, transfer_syntax),
            _uid_element(0x0012, IMPLEMENTATION_CLASS_UID),
            _text_element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
            _text_element(0x0016, b"AE", source_ae),
        )
    )
    return _PREAMBLE + _SHORT.pack(2, 0, b"UL", 4) + len(group).to_bytes(4, "little") + group


def _uid_element(element: int, uid: str) -> bytes:
    value = uid.encode() if valid_uid(uid) else b""
    value += b"\0" * (len(value) & 1)
    return _SHORT.pack(2, element, b"UI", len(value)) + value


def _text_element(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii")
    value += b" " * (len(value) & 1)
    return _SHORT.pack(2, element, vr, len(value)) + value


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
