"""A disc as a ZIP file: unpacked within bounds, since a stranger made it."""

import os
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from ledger.errors import Invalid

LARGEST: Final = 16 << 30
"""Bytes of all files once unpacked: a DVD of two layers has half of that."""
MOST_FILES: Final = 100_000
LONGEST_NAME: Final = 255
DEEPEST: Final = 16
"""Folders within each other; PS3.10 8.2 allows eight components."""
_CHUNK: Final = 1 << 20


def is_zip(path: Path) -> bool:
    """Whether a file begins as a ZIP file does; the end of one may stand in the pixels of an image."""
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def unpack(
    path: Path, folder: Path, largest: int = LARGEST, keep_on: Callable[[], None] = lambda: None
) -> None:
    """Unpack into `folder`, which is empty; `keep_on` is called now and then.

    Raises `Invalid`, with what to do, for a file that is damaged, encrypted, too large, or that names places
    outside itself. What was unpacked until then is left for the caller to remove.
    """
    try:
        with zipfile.ZipFile(path) as zipped:
            members = [one for one in zipped.infolist() if not one.is_dir() and not _is_link(one)]
            places = [_place(one.filename) for one in members]
            _check(members, largest)
            left = largest
            for member, place in zip(members, places, strict=True):
                left -= _write(zipped, member, folder / place, left, keep_on)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError) as error:
        raise Invalid("The ZIP file is damaged or packed in an unknown way. Copy the disc again.") from error
    except FileExistsError as error:
        raise Invalid("The ZIP file has two files of one name. Unpack it, and import the folder.") from error


def _check(members: list[zipfile.ZipInfo], largest: int) -> None:
    if len(members) > MOST_FILES:
        raise Invalid(f"The ZIP file has more than {MOST_FILES:,} files. Import it in parts.")
    if any(one.flag_bits & 1 for one in members):
        raise Invalid("The ZIP file is encrypted. Unpack it with its password, and import the folder.")
    if sum(one.file_size for one in members) > largest:
        raise _too_large(largest)


def _too_large(largest: int) -> Invalid:
    return Invalid(f"The ZIP file unpacks to more than {largest:,} bytes. Import it in parts.")


def _place(name: str) -> PurePosixPath:
    """Where a member goes below the folder; it may name no place outside."""
    place = place_of(name)
    if place is None:
        raise Invalid(
            "The ZIP file names places outside itself or too deep. Unpack it, and import the folder."
        )
    return place


def place_of(name: str) -> PurePosixPath | None:
    """Where a file that a stranger named goes below a folder; None where that is outside, or nowhere."""
    place = PurePosixPath(name.replace("\\", "/"))
    outside = place.is_absolute() or ".." in place.parts or ":" in name or "\0" in name
    if outside or not place.parts or len(place.parts) > DEEPEST:
        return None
    return None if any(len(os.fsencode(part)) > LONGEST_NAME for part in place.parts) else place


def _is_link(member: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(member.external_attr >> 16)


def _write(
    zipped: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, left: int, keep_on: Callable[[], None]
) -> int:
    """Write a member and return its size; what its header says of the size need not be true."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with zipped.open(member) as source, path.open("xb") as file:
        while chunk := source.read(_CHUNK):
            keep_on()
            written += len(chunk)
            if written > left:
                raise _too_large(left)
            file.write(chunk)
    return written
