"""The files of an import: where they lie, which there are to look at, and in what order.

They lie in a folder of the spool that is named by the import. What there is to look at is written down once,
so that portions of it can be taken one after the other, whoever was killed between them.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import orjson

from archive.imports import disc, zipped_disc
from archive.models import Import, ImportKind
from archive.storage.spool import spool_folder
from archive.storage.volumes import sync_folder
from ledger.errors import Invalid

PREFIX: Final = "import."
_LIST: Final = "list"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to look at, as people know it; or what is missing, with the reason.

    `is_optional`: it may be anything, since a DICOMDIR says which files of the disc are images.
    """

    name: str
    path: Path | None = None
    fault: str = ""
    is_optional: bool = False


def nothing() -> None:
    """What is called now and then by long work that nobody waits for."""


def folder_of(row: Import) -> Path:
    """Where the files of an import lie."""
    return folder_named(row.public_id)


def folder_named(public_id: str) -> Path:
    """The same of an import that is to be."""
    return spool_folder() / f"{PREFIX}{public_id}"


def uploads_of(row: Import) -> Path:
    """Where those lie that were uploaded."""
    return folder_of(row) / "files"


def remove(row: Import) -> None:
    """Remove the folder of an import that has ended."""
    shutil.rmtree(folder_of(row), ignore_errors=True)


# What there is


def of_uploads(row: Import, keep_on: Callable[[], None] = nothing) -> Iterator[Entry]:
    """What was uploaded: each ZIP file is a disc, and so is all the rest together."""
    uploads = uploads_of(row)
    if row.kind == ImportKind.SCANS:
        for path in sorted(_files_of(uploads)):
            yield Entry(path.relative_to(uploads).as_posix(), path)
        return
    tops = sorted(path for path in uploads.iterdir() if path.is_file())
    zips = [path for path in tops if zipped_disc.is_zip(path)]
    for number, path in enumerate(zips):
        yield from _of_zip(path, folder_of(row) / f"disc.{number}", keep_on)
    skipped = frozenset(zips)
    yield from (entry for entry in _of_disc(uploads) if entry.path not in skipped)


def of_path(path: Path, room: Path, keep_on: Callable[[], None] = nothing) -> Iterator[Entry]:
    """What a path on this machine names: a folder, a ZIP file, which is unpacked in `room`, or a file."""
    if path.is_dir():
        yield from _of_disc(path)
    elif path.is_file() and zipped_disc.is_zip(path):
        yield from _of_zip(path, room, keep_on)
        shutil.rmtree(room, ignore_errors=True)
    else:
        yield Entry(str(path), path)


def _of_zip(path: Path, folder: Path, keep_on: Callable[[], None]) -> Iterator[Entry]:
    shutil.rmtree(folder, ignore_errors=True)  # of one that was broken off
    try:
        folder.mkdir(parents=True)
        zipped_disc.unpack(path, folder, keep_on=keep_on)
    except Invalid as error:
        yield Entry(path.name, fault=str(error))
    except OSError as error:
        yield Entry(path.name, fault=f"can't be unpacked: {error.strerror}")
    else:
        yield from _of_disc(folder)


def _of_disc(folder: Path) -> Iterator[Entry]:
    """What a DICOMDIR lists has to be there and an object; what else lies on its disc may be anything."""
    found = disc.read(folder)
    for name in found.faults:
        yield Entry(name, fault="can't be read; all files beside it were looked at")
    for name in found.missing:
        yield Entry(name, fault="listed in DICOMDIR, but not on the disc. Copy the disc again.")
    for path in found.listed:
        yield Entry(path.relative_to(folder).as_posix(), path)
    for path in found.others:
        yield Entry(path.relative_to(folder).as_posix(), path, is_optional=found.has_directory)


def _files_of(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)


# The list


def is_listed(row: Import) -> bool:
    """Whether it is written down what there is."""
    return (folder_of(row) / _LIST).exists()


def write_list(row: Import, entries: Iterable[Entry]) -> int:
    """Write down what there is, for good; return how many files that are."""
    folder = folder_of(row)
    part, count = folder / f"{_LIST}.part", 0
    with part.open("wb") as file:
        for entry in entries:
            count += 1
            line = {"name": entry.name, "path": str(entry.path or ""), "fault": entry.fault}
            file.write(orjson.dumps({**line, "is_optional": entry.is_optional}) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.rename(folder / _LIST)
    sync_folder(folder)
    return count


def count_of(row: Import) -> int:
    """How many files are written down."""
    with (folder_of(row) / _LIST).open("rb") as file:
        return sum(1 for _ in file)


def listed(row: Import, position: int, most: int) -> Iterator[tuple[Entry, int]]:
    """So many of what is written down from a position on, each with the position behind it."""
    with (folder_of(row) / _LIST).open("rb") as file:
        file.seek(position)
        for line in islice(file, most):
            position += len(line)
            said = orjson.loads(line)
            path = Path(said["path"]) if said["path"] else None
            yield Entry(said["name"], path, said["fault"], said["is_optional"]), position
