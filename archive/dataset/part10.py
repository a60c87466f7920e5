"""Part 10 files: their File Meta Information read with tolerance, and written as PS3.10 section 7.1 says."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from struct import Struct, pack
from typing import Final

from archive.dataset.dataset_error import DatasetError
from archive.dataset.deflated import inflate
from archive.dataset.element_coding import LONG_FORM, SHORT_FORM, UNDEFINED
from archive.dataset.limits import LIMITS, Limits
from archive.dataset.transfer_syntax import (
    DEFLATED,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from archive.dataset.uid import valid_uid

IMPLEMENTATION_CLASS_UID: Final = "2.25.242586157409352871046531804929657190342"
IMPLEMENTATION_VERSION_NAME: Final = "RIS_PACS"  # at most 16 characters (SH in PS3.10 table 7.1-1)

_HEAD = 256 << 10  # File Meta Information is some hundred bytes; private information may add to it
_META = {
    0x00020002: "MediaStorageSOPClassUID",
    0x00020003: "MediaStorageSOPInstanceUID",
    0x00020010: "TransferSyntaxUID",
    0x00020012: "ImplementationClassUID",
    0x00020013: "ImplementationVersionName",
    0x00020016: "SourceApplicationEntityTitle",
    0x00020017: "SendingApplicationEntityTitle",
    0x00020018: "ReceivingApplicationEntityTitle",
    0x00020100: "PrivateInformationCreatorUID",
}
_EXPLICIT = Struct("<HH2sH")
_IMPLICIT = Struct("<HHL")


@dataclass(frozen=True, slots=True)
class Part10:
    """Where the dataset of a file begins and how it is written."""

    path: Path
    size: int
    dataset_offset: int
    transfer_syntax: str
    meta: dict[str, str]  # keyword of PS3.6 table 7-1 → value without padding
    has_preamble: bool
    guessed: bool  # the file doesn't name its transfer syntax


def open_part10(path: str | PathLike[str]) -> Part10:
    """Read preamble and File Meta Information (PS3.10 7.1), or guess where they are missing.

    Raises
    ------
    DatasetError
        The file isn't DICOM. What the file system says (OSError) is passed on: a lost volume is no
        broken dataset.
    """
    path = Path(path)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        head = file.read(_HEAD)
    start, has_preamble = _meta_start(head)
    meta, offset = _read_meta(head, start)
    transfer_syntax = meta.get("TransferSyntaxUID", "")
    guessed = not transfer_syntax
    if guessed:
        transfer_syntax = guess_transfer_syntax(head[offset : offset + 8], offset)
    if offset >= size:
        raise DatasetError("empty dataset", offset)
    return Part10(path, size, offset, transfer_syntax, meta, has_preamble, guessed)


def guess_transfer_syntax(head: bytes, offset: int = 0) -> str:
    """Guess how a dataset without File Meta Information is written, from its first element.

    A dataset begins with a low group, so the byte order shows in the group number. Compressed pixel data
    can't be told from native ones here.
    """
    little, big = int.from_bytes(head[:2], "little"), int.from_bytes(head[:2], "big")
    if len(head) < 8 or not 0 < min(little, big) <= 0x0050:
        raise DatasetError("not a DICOM file", offset)
    if head[4:6] in SHORT_FORM | LONG_FORM:
        return EXPLICIT_LITTLE_ENDIAN if little < big else EXPLICIT_BIG_ENDIAN
    if little < big:
        return IMPLICIT_LITTLE_ENDIAN
    raise DatasetError("not a DICOM file", offset)


@contextmanager
def map_dataset(part10: Part10, limits: Limits = LIMITS) -> Iterator[tuple[mmap.mmap, int]]:
    """Map the file, or what its deflated dataset inflates to; with the offset at which the dataset begins."""
    with part10.path.open("rb") as file:
        if part10.dataset_offset >= file.seek(0, 2):
            raise DatasetError("empty dataset", part10.dataset_offset)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
            if part10.transfer_syntax != DEFLATED:
                yield buffer, part10.dataset_offset
                return
            with inflate(buffer, part10.dataset_offset, limits) as inflated:
                yield inflated, 0


def _meta_start(head: bytes) -> tuple[int, bool]:
    """Find where group 0002 or the dataset begins, and whether the 128 bytes and 'DICM' come before.

    'DICM' can stand at 128 by chance in a file without a preamble; then what follows is no element.
    """
    if head[128:132] == b"DICM" and _is_start(head, 132):
        return 132, True
    return (4, False) if head[:4] == b"DICM" else (0, False)


def _is_start(head: bytes, offset: int) -> bool:
    if _is_meta(head, offset):
        return True
    try:
        guess_transfer_syntax(head[offset : offset + 8])
    except DatasetError:
        return False
    return True


def _is_meta(head: bytes, offset: int) -> bool:
    return head[offset : offset + 2] == b"\x02\x00" and len(head) >= offset + 8


def _read_meta(head: bytes, offset: int) -> tuple[dict[str, str], int]:
    """Read group 0002 element by element; its group length is wrong or missing too often to be relied on."""
    meta: dict[str, str] = {}
    while _is_meta(head, offset):
        tag, value, length = _meta_element(head, offset)
        if value + length > len(head):
            raise DatasetError("file meta information cut short or too long", offset)
        keyword = _META.get(tag)
        if keyword:
            meta[keyword] = head[value : value + length].decode("latin-1").strip(" \0")
        offset = value + length
    return meta, offset


def _meta_element(head: bytes, offset: int) -> tuple[int, int, int]:
    """Read tag, offset of the value and length; Explicit VR by PS3.10 7.1, but some writers use implicit."""
    group, number, vr, length = _EXPLICIT.unpack_from(head, offset)
    value = offset + 8
    if vr not in SHORT_FORM | LONG_FORM:
        length = _IMPLICIT.unpack_from(head, offset)[2]
    elif vr in LONG_FORM:
        length = int.from_bytes(head[value : value + 4], "little")
        value += 4
    if length == UNDEFINED:
        raise DatasetError("broken file meta information", offset)
    return group << 16 | number, value, length


def build_preamble_and_meta(sop_class: str, sop_instance: str, transfer_syntax: str, source_ae: str) -> bytes:
    """Build what goes before a received dataset: zeros, 'DICM' and group 0002 (PS3.10 table 7.1-1).

    The preamble is always ours: the one of a sender may hold a program for another format.
    """
    for uid in (sop_class, sop_instance, transfer_syntax):
        if not valid_uid(uid):
            raise DatasetError("invalid UID for the file meta information")
    return preamble_and_meta(sop_class, sop_instance, transfer_syntax, source_ae)


def preamble_and_meta(sop_class: str, sop_instance: str, transfer_syntax: str, source_ae: str) -> bytes:
    """Write the same without a look at the UIDs: for objects that are kept even where these are none."""
    elements = [
        _element(0x0001, b"OB", b"\x00\x01"),
        _element(0x0002, b"UI", _padded(sop_class, b"\0")),
        _element(0x0003, b"UI", _padded(sop_instance, b"\0")),
        _element(0x0010, b"UI", _padded(transfer_syntax, b"\0")),
        _element(0x0012, b"UI", _padded(IMPLEMENTATION_CLASS_UID, b"\0")),
        _element(0x0013, b"SH", _padded(IMPLEMENTATION_VERSION_NAME, b" ")),
    ]
    source_ae = source_ae.strip(" \0")[:16]
    if source_ae:
        elements.append(_element(0x0016, b"AE", _padded(source_ae, b" ")))
    group = b"".join(elements)
    return bytes(128) + b"DICM" + _element(0x0000, b"UL", pack("<L", len(group))) + group


def _padded(text: str, pad: bytes) -> bytes:
    raw = text.encode("ascii", "replace")
    return raw + pad if len(raw) % 2 else raw


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    if vr == b"OB":
        return pack("<HH2sHL", 2, number, vr, 0, len(value)) + value
    return pack("<HH2sH", 2, number, vr, len(value)) + value
