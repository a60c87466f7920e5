"""How much two stored objects of one SOP Instance UID are the same."""

import hashlib
import mmap
from collections.abc import Iterator
from contextlib import ExitStack
from enum import Enum
from os import PathLike
from typing import Any

from pydicom.dataset import Dataset

from archive.dataset.attributes import parse
from archive.dataset.dataset_error import guarded
from archive.dataset.element_coding import SEQUENCE_TAGS
from archive.dataset.frames import Image, image_of, native_bytes, walk_mapped
from archive.dataset.part10 import map_dataset, open_part10
from archive.dataset.transfer_syntax import ENCAPSULATED_UNCOMPRESSED, EXPLICIT_BIG_ENDIAN, NATIVE
from archive.dataset.walk import Walked


class Likeness(Enum):
    """How much two stored objects are the same."""

    SAME_BYTES = "same dataset bytes"
    SAME_DATASET = "same elements in another encoding"
    SAME_PIXELS = "equal pixels under another header"
    NO_PIXELS = "no pixels in either, and not the same elements"
    DIFFERENT = "different content"
    UNDECIDED = "can't be told without decoding pixels"


def same_content(first: str | PathLike[str], second: str | PathLike[str]) -> Likeness:
    """Compare two stored objects, as they come under one SOP Instance UID.

    Pixels are compared without decoding them: native ones in any byte order, encapsulated ones fragment
    by fragment within one transfer syntax. A compressed and a native copy are UNDECIDED, and so are other
    fragments: an encoder need not give the same bytes twice. Of objects without pixels NO_PIXELS says only
    that their elements differ, or are written in another byte order.
    """
    one, other = open_part10(first), open_part10(second)
    with ExitStack() as stack:
        mapped = [stack.enter_context(map_dataset(part10)) for part10 in (one, other)]
        alike = one.transfer_syntax == other.transfer_syntax or {
            one.transfer_syntax,
            other.transfer_syntax,
        } <= (NATIVE - {EXPLICIT_BIG_ENDIAN})
        if one.transfer_syntax == other.transfer_syntax and _same_bytes(*mapped[0], *mapped[1]):
            return Likeness.SAME_BYTES
        walks = [walk_mapped(*pair, part10) for pair, part10 in zip(mapped, (one, other), strict=True)]
        if any(walked.pixel_data_offset is not None for walked in walks):
            return _compare_pixels(mapped[0][0], walks[0], mapped[1][0], walks[1])
        if not alike:
            return Likeness.NO_PIXELS
        elements = [
            _elements(parse(*pair, part10.transfer_syntax))
            for pair, part10 in zip(mapped, (one, other), strict=True)
        ]
        return Likeness.SAME_DATASET if elements[0] == elements[1] else Likeness.NO_PIXELS


def _same_bytes(first: mmap.mmap, first_start: int, second: mmap.mmap, second_start: int) -> bool:
    size = len(first) - first_start
    if size != len(second) - second_start:
        return False
    return all(
        first[first_start + done : first_start + min(done + (1 << 20), size)]
        == second[second_start + done : second_start + min(done + (1 << 20), size)]
        for done in range(0, size, 1 << 20)
    )


def _compare_pixels(first: mmap.mmap, one: Walked, second: mmap.mmap, other: Walked) -> Likeness:
    if None in (one.pixel_data_offset, other.pixel_data_offset) or one.pixels != other.pixels:
        return Likeness.DIFFERENT if _comparable(one, other) else Likeness.UNDECIDED
    if not _comparable(one, other):
        return Likeness.UNDECIDED
    digests = [_pixel_digest(image_of(first, one)), _pixel_digest(image_of(second, other))]
    if digests[0] == digests[1]:
        return Likeness.SAME_PIXELS
    return Likeness.UNDECIDED if one.encapsulated else Likeness.DIFFERENT


def _comparable(one: Walked, other: Walked) -> bool:
    """Tell whether both hold native pixels, or encapsulated ones of the same transfer syntax."""
    if one.encapsulated and other.encapsulated:
        return one.transfer_syntax == other.transfer_syntax
    return _native(one) and _native(other)


def _native(walked: Walked) -> bool:
    return not walked.encapsulated or walked.transfer_syntax == ENCAPSULATED_UNCOMPRESSED


def _pixel_digest(image: Image) -> bytes:
    digest = hashlib.sha256(image.tag.to_bytes(4, "big"))
    for chunk in _fragments(image) if image.walked.encapsulated else _native_chunks(image):
        digest.update(chunk)
    return digest.digest()


def _native_chunks(image: Image) -> Iterator[bytes]:
    end = image.pixels.native_length
    for start in range(0, end, 1 << 20):
        yield native_bytes(image, start, min(start + (1 << 20), end))


def _fragments(image: Image) -> Iterator[bytes]:
    """Give the fragments after the Basic Offset Table (PS3.5 A.4); the walk has seen them all."""
    position = image.span.value
    first = True
    while image.buffer[position : position + 4] == b"\xfe\xff\x00\xe0":
        length = int.from_bytes(image.buffer[position + 4 : position + 8], "little")
        position += 8
        if not first:
            yield image.buffer[position : position + length]
        first = False
        position += length


def _elements(dataset: Dataset) -> dict[int, Any]:
    """Bring the elements of a little endian dataset into a form in which two can be compared."""
    elements: dict[int, Any] = {}
    for tag in dataset.keys():  # noqa: SIM118  (iterating a Dataset converts its elements)
        if tag.element == 0 or tag == 0xFFFCFFFC:  # group lengths and padding
            continue
        with guarded("header not readable"):
            raw = dataset.get_item(tag)
            is_sequence = raw.VR == "SQ" or tag in SEQUENCE_TAGS
            value = [_elements(item) for item in dataset[tag].value or []] if is_sequence else raw.value
        elements[tag] = value or b""
    return elements
