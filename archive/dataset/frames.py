"""Single frames of stored objects: native ones by arithmetic, encapsulated ones by their offset tables."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike

from pydicom.encaps import get_frame

from archive.dataset.dataset_error import DatasetError, guarded
from archive.dataset.part10 import Part10, map_dataset, open_part10
from archive.dataset.pixel_data import Pixels
from archive.dataset.structure import Span
from archive.dataset.tags import (
    DOUBLE_FLOAT_PIXEL_DATA,
    EXTENDED_LENGTHS,
    EXTENDED_OFFSETS,
    FLOAT_PIXEL_DATA,
    PIXEL_DATA,
)
from archive.dataset.transfer_syntax import (
    DEFLATED,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    NATIVE,
    is_video,
)
from archive.dataset.walk import Walked, walk

# PS3.18 tables 8.7.3-4 and 8.7.3-5: media types of compressed bulk data.
_JPEG, _JPEG2000, _VIDEO = "image/jpeg", "image/jp2", "video/mp4"
_MEDIA_TYPES = {
    "1.2.840.10008.1.2.4.50": _JPEG,
    "1.2.840.10008.1.2.4.51": _JPEG,
    "1.2.840.10008.1.2.4.57": _JPEG,
    "1.2.840.10008.1.2.4.70": _JPEG,
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": _JPEG2000,
    "1.2.840.10008.1.2.4.91": _JPEG2000,
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.100": "video/mpeg2",
    "1.2.840.10008.1.2.4.100.1": "video/mpeg2",
    "1.2.840.10008.1.2.4.101": "video/mpeg2",
    "1.2.840.10008.1.2.4.101.1": "video/mpeg2",
    **{f"1.2.840.10008.1.2.4.{n}": _VIDEO for n in range(102, 109)},
    **{f"1.2.840.10008.1.2.4.{n}.1": _VIDEO for n in range(102, 107)},
    "1.2.840.10008.1.2.4.110": "image/jxl",
    "1.2.840.10008.1.2.4.111": "image/jxl",
    "1.2.840.10008.1.2.4.112": "image/jxl",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}
# Bytes of one value of the "other" and numeric VRs (PS3.5 table 6.2-1): what big endian swaps.
_WORD = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8, "US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8}


class NoSuchFrame(DatasetError):
    """The object has no frame of that number."""


@dataclass(frozen=True, slots=True)
class Image:
    """An open object with pixels: its mapped bytes and what the walk found in them."""

    buffer: mmap.mmap
    walked: Walked
    pixels: Pixels
    span: Span
    tag: int


def media_type(transfer_syntax: str) -> str:
    """Give the media type of frames in a transfer syntax, with its parameter (PS3.18 8.7.3.3).

    Native frames always go out as little endian, so theirs is Explicit VR Little Endian.
    """
    if transfer_syntax in NATIVE:
        return f"application/octet-stream; transfer-syntax={EXPLICIT_LITTLE_ENDIAN}"
    name = _MEDIA_TYPES.get(transfer_syntax, "application/octet-stream")
    return f"{name}; transfer-syntax={transfer_syntax}"


def walk_mapped(buffer: mmap.mmap, start: int, part10: Part10) -> Walked:
    """Walk what `map_dataset` gave: of a deflated file that is already the inflated dataset."""
    if part10.transfer_syntax != DEFLATED:
        return walk(buffer, part10.transfer_syntax, start=start)
    return replace(walk(buffer, EXPLICIT_LITTLE_ENDIAN, start=start), transfer_syntax=DEFLATED)


@contextmanager
def open_image(path: str | PathLike[str]) -> Iterator[Image]:
    """Open an object that has pixels; DatasetError if it has none."""
    part10 = open_part10(path)
    with map_dataset(part10) as (buffer, start):
        yield image_of(buffer, walk_mapped(buffer, start, part10))


def image_of(buffer: mmap.mmap, walked: Walked) -> Image:
    """Put together what reading frames needs."""
    for tag in (PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA):
        if tag in walked.spans and walked.pixels is not None:
            return Image(buffer, walked, walked.pixels, walked.spans[tag], tag)
    raise DatasetError("no pixel data")


def frame_count(path: str | PathLike[str]) -> int:
    """Count the frames of an object (PS3.3 C.7.6.6); DatasetError if it has no pixels."""
    with open_image(path) as image:
        return image.pixels.frames


def frame(path: str | PathLike[str], number: int) -> tuple[bytes, str]:
    """Read frame `number`, counted from 1 as in PS3.18 10.4.1.1.6, with its media type.

    Raises
    ------
    NoSuchFrame
        There are fewer frames, or the frames are parts of a video stream.
    DatasetError
        The object can't be read.
    """
    with open_image(path) as image:
        syntax = image.walked.transfer_syntax if image.walked.encapsulated else EXPLICIT_LITTLE_ENDIAN
        return frame_of(image, number), media_type(syntax)


def frame_of(image: Image, number: int) -> bytes:
    """Read frame `number`, counted from 1, of an open object; raises as `frame` does."""
    if not 1 <= number <= image.pixels.frames:
        raise NoSuchFrame("no such frame")
    return (
        _encapsulated_frame(image, number - 1)
        if image.walked.encapsulated
        else _native_frame(image, number - 1)
    )


def little_endian(raw: bytes, vr: str) -> bytes:
    """Turn big endian values of a VR into little endian ones; a last partial value stays as it is."""
    size = _WORD.get(vr, 1)
    whole = len(raw) - len(raw) % size
    swapped = bytearray(raw)
    for place in range(size if size > 1 else 0):
        swapped[place:whole:size] = raw[size - 1 - place : whole : size]
    return bytes(swapped)


def native_bytes(image: Image, start: int, end: int) -> bytes:
    """Read bytes `start` to `end` of the native pixels as little endian."""
    first = image.span.value
    if image.walked.transfer_syntax != EXPLICIT_BIG_ENDIAN:
        return bytes(image.buffer[first + start : first + end])
    # The swap must see whole words, and an odd frame of 8-bit pixels in OW begins inside one.
    low, high = start - start % 8, min(end + -end % 8, image.span.length)
    raw = bytes(image.buffer[first + low : first + high])
    return little_endian(raw, image.span.vr.decode())[start - low : end - low]


def _native_frame(image: Image, index: int) -> bytes:
    """Cut a frame out of native pixels (PS3.5 8.1.1); one that starts inside a byte is shifted to bit 0."""
    bits = image.pixels.frame_bits
    first_bit, end_bit = bits * index, bits * (index + 1)
    start, end = first_bit // 8, (end_bit + 7) // 8
    if not bits or end > image.span.length:
        raise NoSuchFrame("no such frame")
    raw = native_bytes(image, start, end)
    if first_bit % 8 == 0 and end_bit % 8 == 0:
        return raw
    value = int.from_bytes(raw, "little") >> (first_bit % 8) & ((1 << bits) - 1)
    return value.to_bytes((bits + 7) // 8, "little")


def _encapsulated_frame(image: Image, index: int) -> bytes:
    """Find a frame by the extended or basic offset table, or by its fragments (PS3.5 A.4)."""
    if is_video(image.walked.transfer_syntax):
        raise NoSuchFrame("frames of a video can't be had singly")
    image.buffer.seek(image.span.value)
    with guarded("frame not found", image.span.value):  # offset tables of others point anywhere
        return get_frame(
            image.buffer,  # type: ignore[arg-type]  # a map reads, seeks and tells as a file does
            index,
            number_of_frames=image.pixels.frames,
            extended_offsets=_extended_offsets(image),
        )


def _extended_offsets(image: Image) -> tuple[bytes, bytes] | None:
    """Read the Extended Offset Table (PS3.3 C.7.6.3.1.8); None unless it is there for every frame."""
    spans = [image.walked.spans.get(tag) for tag in (EXTENDED_OFFSETS, EXTENDED_LENGTHS)]
    size = 8 * image.pixels.frames
    tables = [
        bytes(image.buffer[span.value : span.value + size])
        for span in spans
        if span is not None and span.length >= size
    ]
    return (tables[0], tables[1]) if len(tables) == 2 else None
