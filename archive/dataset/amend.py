"""Write a stored object anew with another value in one of its UIDs, as it goes out; the file stays as it is.

Only what comes before the pixels is held in memory; the rest is read from the file piece by piece. The length
of a group (gggg,0000), retired in PS3.5 7.2, is not written anew: readers pass over it.
"""

import mmap
import zlib
from collections.abc import Iterator
from os import PathLike
from struct import pack
from typing import Final

from archive.dataset.frames import walk_mapped
from archive.dataset.part10 import map_dataset, open_part10
from archive.dataset.walk import DEFLATED, EXPLICIT_BIG_ENDIAN, Span, Walked

_PIECE: Final = 1 << 20


def with_uid(path: str | PathLike[str], tag: int, uid: str) -> Iterator[bytes]:
    """The bytes of a Part 10 file, with `uid` as the value of a top-level UID that the walk knows.

    A deflated dataset is inflated, changed and deflated again (PS3.5 A.5).

    Raises
    ------
    DatasetError
        The object can't be read, or has no such attribute.
    """
    part10 = open_part10(path)
    with part10.path.open("rb") as file:
        yield file.read(part10.dataset_offset)
    with map_dataset(part10) as (buffer, start):
        walked = walk_mapped(buffer, start, part10)
        span = walked.spans[tag]
        pieces = _pieces(buffer, start, span, _element(tag, uid, span, walked))
        yield from _deflated(pieces) if part10.transfer_syntax == DEFLATED else pieces


def length_with_uid(path: str | PathLike[str], tag: int, uid: str) -> int | None:
    """How many bytes `with_uid` yields; None for a deflated dataset, where only writing it tells."""
    part10 = open_part10(path)
    if part10.transfer_syntax == DEFLATED:
        return None
    with map_dataset(part10) as (buffer, start):
        span = walk_mapped(buffer, start, part10).spans[tag]
    return part10.size - (span.value + span.length - span.start) + 8 + len(_padded(uid))


def _element(tag: int, uid: str, span: Span, walked: Walked) -> bytes:
    """The element as its neighbours are written: VR and byte order follow from the transfer syntax."""
    value = _padded(uid)
    order = ">" if walked.transfer_syntax == EXPLICIT_BIG_ENDIAN else "<"
    if not span.vr:
        return pack(f"{order}HHL", tag >> 16, tag & 0xFFFF, len(value)) + value
    return pack(f"{order}HH2sH", tag >> 16, tag & 0xFFFF, b"UI", len(value)) + value


def _padded(uid: str) -> bytes:
    raw = uid.encode("ascii")
    return raw + b"\0" if len(raw) % 2 else raw


def _pieces(buffer: mmap.mmap, start: int, span: Span, element: bytes) -> Iterator[bytes]:
    yield bytes(buffer[start : span.start])
    yield element
    position = span.value + span.length
    while position < len(buffer):
        yield bytes(buffer[position : position + _PIECE])
        position += _PIECE


def _deflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    size = 0
    for piece in pieces:
        packed = deflate.compress(piece)
        size += len(packed)
        yield packed
    rest = deflate.flush()
    yield rest + b"\0" if (size + len(rest)) % 2 else rest
