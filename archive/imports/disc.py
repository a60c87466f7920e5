"""The files of a disc or folder: those that its DICOMDIR lists first, then all others (PS3.10 8, PS3.3 F).

Paths of a DICOMDIR are only looked up among the files that are there, so that none leads out of the folder.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from pydicom import dcmread
from pydicom.multival import MultiValue

from archive.dataset.dataset_error import DatasetError, guarded

DIRECTORY: Final = "DICOMDIR"
LARGEST_DIRECTORY: Final = 64 << 20
"""Bytes of a DICOMDIR; a disc of 10,000 images has one of 5 MB."""
_RECORDS: Final = 0x00041220


@dataclass(frozen=True, slots=True)
class Disc:
    """What is on a disc or in a folder.

    `listed` and `others` are files; where there is no DICOMDIR that can be read, all are `others`. `missing`
    are paths that a DICOMDIR lists and that are not there; `faults` are each DICOMDIR that can't be read.
    """

    listed: tuple[Path, ...]
    others: tuple[Path, ...]
    missing: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    has_directory: bool = False


def read(folder: Path) -> Disc:
    """Look through a folder; links are not followed, since who made the disc chose where they lead."""
    files = sorted(_files_below(folder))
    directories = [path for path in files if path.name.upper() == DIRECTORY]
    objects = [path for path in files if path.name.upper() != DIRECTORY]
    known = {_key(path.relative_to(folder).as_posix()): path for path in objects}
    listed: dict[Path, None] = {}
    missing, faults = [], []
    for directory in directories:
        base = directory.parent.relative_to(folder)
        try:
            for name in _listed_in(directory):
                path = known.get(_key((PurePosixPath(base) / name).as_posix()))
                if path is None:
                    missing.append(name)
                else:
                    listed[path] = None
        except DatasetError:
            faults.append(directory.relative_to(folder).as_posix())
    others = tuple(path for path in objects if path not in listed)
    return Disc(tuple(listed), others, tuple(missing), tuple(faults), len(directories) > len(faults))


def _files_below(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _key(path: str) -> str:
    """A path as different systems show one of ISO 9660: in either case, with `;1` or a last dot."""
    return path.casefold().removesuffix(";1").removesuffix(".")


def _listed_in(directory: Path) -> list[str]:
    """The paths of Referenced File ID (0004,1500) of all records."""
    if directory.stat().st_size > LARGEST_DIRECTORY:
        raise DatasetError("DICOMDIR too large")
    with guarded("DICOMDIR can't be read"):
        records = dcmread(directory, force=True, specific_tags=[_RECORDS])[_RECORDS].value
        named = [record.get("ReferencedFileID") for record in records]
    return ["/".join(one) if isinstance(one, MultiValue | list) else str(one) for one in named if one]
