"""What two stored objects of one SOP Instance UID say otherwise besides their pixels."""

import mmap
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice, zip_longest
from os import PathLike
from struct import error as StructError
from typing import Any, Final, Self

from pydicom.datadict import dictionary_description, keyword_for_tag
from pydicom.dataelem import RawDataElement

from archive.dataset.attributes import Attributes, parse
from archive.dataset.dataset_error import guarded
from archive.dataset.dicom_json import values_of, vr_of
from archive.dataset.element_coding import SEQUENCE_TAGS
from archive.dataset.frames import little_endian
from archive.dataset.part10 import Part10, map_dataset, open_part10
from archive.dataset.tags import PHOTOMETRIC, PIXELS, PLANAR

MOST: Final = 100
"""Differences that are told; there may be more."""
_LONGEST: Final = 200
_PATIENT: Final = 0x0010
_DEFERRED: Final = 1 << 20
_DEEPEST: Final = 40
_CHARACTER_SET: Final = 0x00080005
_OF_THE_ENCODING: Final = frozenset({_CHARACTER_SET, PHOTOMETRIC, PLANAR})
_HEADER: Final = frozenset({0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0032, 0x0038, 0x0040, 0x0400})
_CONTENT: Final = frozenset({0x0040A040, 0x0040A043, 0x0040A050, 0x0040A504, 0x0040A730})
"""What SR and Key Object documents say, in a group that else holds their headers."""
_MEASURES: Final = frozenset(
    {
        0x00280030, 0x00281052, 0x00281053, 0x00281054,  # Pixel Spacing; Rescale Intercept, Slope, Type
        0x00181164, 0x00182010, 0x00181114,  # Imager and Nominal Scanned Pixel Spacing; magnification
        0x00180050, 0x00180088, 0x00200032, 0x00200037,  # slice thickness and distance; position, orientation
        0x00200020, 0x00186024, 0x0018602C, 0x0018602E,  # patient orientation; regions, deltas
        0x00541001, 0x00541102, 0x00541321, 0x00541322,  # PET units, decay and dose corrections
    }
)  # fmt: skip
"""What turns stored pixels into numbers and places."""
_NO_VALUES: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_NO_PADDING: Final = _NO_VALUES | {"AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"}


@dataclass(frozen=True, slots=True)
class Difference:
    """An attribute that the second object says otherwise: where it lies, and its values as texts."""

    where: str
    name: str
    before: str
    after: str

    @property
    def keyword(self) -> str:
        """The keyword of the attribute (PS3.6); its tag where it has none."""
        tag = self.where.rpartition("/")[2]
        return keyword_for_tag(tag) or tag

    @property
    def is_measure(self) -> bool:
        """Whether what is measured in the pixels comes out otherwise: values, lengths, angles, positions."""
        return any(int(step, 16) in _MEASURES for step in self.where.split("/")[::2])

    @property
    def is_content(self) -> bool:
        """Whether it belongs to what a document says, and not to its header.

        That is the content tree of SR and Key Objects, the graphics of presentation states, the encapsulated
        document, waveforms, and so on. Private attributes are counted to the header.
        """
        tag = int(self.where[:8], 16)
        return tag in _CONTENT or (not tag >> 16 & 1 and tag >> 16 not in _HEADER)


def differences(first: str | PathLike[str], second: str | PathLike[str]) -> list[Difference]:
    """Up to 100 differences, by their tags; of more, those in what names the patient are among them.

    Compared is what attributes mean, not how they are written: byte order, padding, character sets, an empty
    value and none at all make no difference. Attributes whose VR only one of the two tells are passed over.

    Raises
    ------
    DatasetError
        One of the two can't be read.
    """
    one, other = open_part10(first), open_part10(second)
    with ExitStack() as stack:
        sides = [_Side.of(*stack.enter_context(map_dataset(part10)), part10) for part10 in (one, other)]
        with guarded("header not readable"):
            found = islice(_compare(sides[0], sides[1]), MOST)
            return sorted(found, key=lambda one: one.where)


@dataclass(frozen=True, slots=True)
class _Side:
    """A dataset or an item of one of the two, and the bytes that it lies in."""

    buffer: mmap.mmap
    attributes: Attributes

    @classmethod
    def of(cls, buffer: mmap.mmap, start: int, part10: Part10) -> Self:
        dataset = parse(buffer, start, part10.transfer_syntax, defer=_DEFERRED)
        return cls(buffer, Attributes(dataset, [], []))

    def item(self, attributes: Attributes) -> "_Side":
        return _Side(self.buffer, attributes)

    def value(self, tag: int) -> bytes | memoryview:
        """The bytes of a value, little endian, texts without padding."""
        element = self.attributes.elements.get(tag)
        if element is None:
            return b""
        if isinstance(element, RawDataElement) and element.value is None and (length := element.length):
            start = element.value_tell
            return self.buffer[start : start + length]
        raw, vr = self.attributes.raw(tag), vr_of(self.attributes, tag)
        if self.attributes.dataset.original_encoding[1] is False:
            raw = little_endian(raw, vr)
        return raw if vr in _NO_PADDING else raw.rstrip(b" \0")

    def text(self, tag: int) -> str:
        """A value for people to read."""
        raw = self.attributes.raw(tag)
        value = self.value(tag)
        vr = vr_of(self.attributes, tag) if value else ""
        if not value or vr in _NO_VALUES or not raw:
            return f"({len(value)} bytes)" if value else ""
        try:
            values = values_of(self.attributes, tag, raw, vr)
        except (ArithmeticError, LookupError, StructError, TypeError, ValueError):
            return self.attributes.text(tag)[:_LONGEST]
        return "\\".join(map(_said, values))


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return "=".join(value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip(
            "="
        )
    return "" if value is None else str(value)


def _compare(one: _Side, other: _Side, where: str = "", depth: int = 0) -> Iterator[Difference]:
    known = [side.attributes.elements for side in (one, other)]
    for tag in sorted(known[0].keys() | known[1].keys(), key=lambda tag: (tag >> 16 != _PATIENT, tag)):
        if (
            not tag & 0xFFFF
            or tag >> 16 == 0xFFFC
            or tag in _OF_THE_ENCODING
            or (tag in PIXELS and not depth)
        ):
            continue
        here = f"{where}{tag:08X}"
        if any(_is_sequence(elements.get(tag), tag) for elements in known):
            items = [side.attributes.items(tag) for side in (one, other)]
            if len(items[0]) != len(items[1]) or depth >= _DEEPEST:
                yield from _unlike(tag, here, *(f"({len(found)} items)" if found else "" for found in items))
                continue
            for index, (first, second) in enumerate(zip_longest(*items)):
                yield from _compare(one.item(first), other.item(second), f"{here}/{index}/", depth + 1)
        elif one.value(tag) != other.value(tag) and not _is_vr_open(one, other, tag):
            yield from _unlike(tag, here, one.text(tag), other.text(tag))


def _unlike(tag: int, where: str, before: str, after: str) -> Iterator[Difference]:
    if before != after or before.endswith(" bytes)"):
        yield Difference(where, _name(where), before[:_LONGEST], after[:_LONGEST])


def _is_sequence(element: Any, tag: int) -> bool:
    if element is None:
        return False
    return element.VR == "SQ" or tag in SEQUENCE_TAGS or not isinstance(element.value, bytes | str | None)


def _is_vr_open(one: _Side, other: _Side, tag: int) -> bool:
    """Whether only one of the two tells how a value is to be read, so that they can't be compared."""
    if not all(tag in side.attributes.elements for side in (one, other)):
        return False
    return (vr_of(one.attributes, tag) == "UN") != (vr_of(other.attributes, tag) == "UN")


def _name(where: str) -> str:
    """The names of the attributes on the way, as PS3.6 spells them."""
    return " › ".join(_tag_name(int(step, 16)) for step in where.split("/")[::2])


def _tag_name(tag: int) -> str:
    try:
        return dictionary_description(tag)
    except KeyError:
        return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def in_words(found: Sequence[Difference], most: int = 10) -> str:
    """Differences in a sentence: each attribute with what it said and what it says now."""
    texts = [f"{one.name} “{one.before}” → “{one.after}”" for one in found[:most]]
    rest = len(found) - most
    return "; ".join(texts) + (f"; and {rest} more" if rest > 0 else "")
