"""Volumes: where objects lie, and how a received file becomes one that outlives a power failure.

A file is complete and on disk before it gets its name in a volume; its name is random, never a UID. The
folders `ab/cd` above it are taken from its name; one is used for a while before the next is chosen, so that
making and syncing folders costs next to nothing.
"""

import errno
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import transaction

from archive.archive_section import ArchiveSection
from archive.models import StoredFile, Volume

REMEMBERED = 10.0
"""Seconds for which the open volume is not looked up again."""
FILES_PER_FOLDER = 1000
LEAST_FREE_MIB = 200
SUFFIX = ".dcm"


class NoSpace(OSError):
    """Less is free than has to stay free."""


@dataclass(frozen=True, slots=True)
class OpenVolume:
    """A volume that takes new objects, and how much of it has to stay free."""

    id: int
    root: Path
    least_free: int


@dataclass(slots=True)
class _Remembered:
    """What this process remembers: the open volume, and the folder in use."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    volume: OpenVolume | None = None
    looked_up: float = 0.0
    folder: str = ""
    left: int = 0
    made: set[Path] = field(default_factory=set)


_here = _Remembered()


def open_volume() -> OpenVolume:
    """The volume that takes new objects; `main` below the home is made where the site names none."""
    now = time.monotonic()
    with _here.lock:
        if _here.volume is None or now - _here.looked_up > REMEMBERED:
            _here.volume, _here.looked_up = _look_up(), now
            _here.made.clear()
        return _here.volume


def forget() -> None:
    """Look the open volume up again the next time."""
    with _here.lock:
        _here.volume, _here.left = None, 0


def root_of(volume: Volume) -> Path:
    """The folder of a volume; a relative path lies below the home."""
    return Path(settings.HOME) / volume.path


def path_of(file: StoredFile) -> Path:
    """Where a stored file lies; its `volume` should be selected with it."""
    return root_of(file.volume) / file.name


def check_space(folder: Path, least_free: int) -> None:
    """Raise `NoSpace` where less than `least_free` bytes would be left to us."""
    state = os.statvfs(folder)
    if state.f_bavail * state.f_frsize < least_free:
        raise NoSpace(errno.ENOSPC, "the file system is nearly full")


def place(source: Path, volume: OpenVolume) -> str:
    """Give a file, already synced, a random name in a volume, for good; return the name.

    Raises
    ------
    OSError
        It could not be done; nothing is left in the volume.
    """
    name = _new_name()
    target = volume.root / name
    _ensure_folder(target.parent)
    link(source, target)
    return name


def link(source: Path, target: Path) -> None:
    """Link `source` to `target`, across file systems by a copy, and sync the folder."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, target)
    try:
        sync_folder(target.parent)
    except OSError:
        remove(target)
        raise


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def folders(root: Path) -> Iterator[Path]:
    """The folders of a volume that hold files."""
    for first in sorted(root.glob("[0-9a-f][0-9a-f]")):
        yield from sorted(first.glob("[0-9a-f][0-9a-f]"))


def _look_up() -> OpenVolume:
    row = Volume.objects.filter(is_open=True).order_by("id").first()
    if row is None:
        with transaction.atomic():
            row, _ = Volume.objects.get_or_create(name="main", defaults={"path": "volumes/main"})
        if not row.is_open:
            raise OSError(errno.EROFS, "no volume takes new objects")
    root = root_of(row)
    root.mkdir(parents=True, exist_ok=True)
    least_free = max(LEAST_FREE_MIB, ArchiveSection.current().min_free_mib)
    return OpenVolume(row.pk, root, least_free << 20)


def _new_name() -> str:
    random = uuid.uuid4().hex
    with _here.lock:
        if _here.left <= 0:
            _here.folder, _here.left = random[:4], FILES_PER_FOLDER
        _here.left -= 1
        prefix = _here.folder
    return f"{prefix[:2]}/{prefix[2:]}/{prefix}{random[4:]}{SUFFIX}"


def _ensure_folder(folder: Path) -> None:
    """Make `ab/cd`, and sync each folder in which one was made."""
    if folder in _here.made:
        return
    for path in (folder.parent, folder):
        path.mkdir(exist_ok=True)
        # Synced also where another process has just made it: it may not have come so far.
        sync_folder(path.parent)
    with _here.lock:
        _here.made.add(folder)


def _copy(source: Path, target: Path) -> None:
    temporary = target.with_suffix(".copy")
    try:
        with source.open("rb") as reader, temporary.open("xb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)
            writer.flush()
            os.fsync(writer.fileno())
        os.rename(temporary, target)
    except OSError:
        remove(temporary)
        raise
