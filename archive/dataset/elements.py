"""Where the elements of a stored dataset lie, at every depth, and how new ones are written beside them.

The walk has passed over the dataset when it came, and judged it; this follows the same rules (PS3.5
section 7) and the same tolerance. What it reads are positions; what is written out later are pieces: new
bytes, or ranges of the dataset.
"""

from collections.abc import Iterable, Iterator
from struct import error as StructError
from struct import pack
from typing import Final, NamedTuple

from archive.dataset.dataset_error import DatasetError
from archive.dataset.element_coding import LONG_FORM, SEQUENCE_TAGS, SHORT_FORM, UNDEFINED, Coding, coding_of
from archive.dataset.structure import Buffer
from archive.dataset.tags import PIXEL_DATA
from archive.dataset.transfer_syntax import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN

ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_LONGEST_SHORT: Final = 0xFFFE
IMPLICIT: Final = coding_of(IMPLICIT_LITTLE_ENDIAN)
EXPLICIT: Final = coding_of(EXPLICIT_LITTLE_ENDIAN)

Piece = bytes | tuple[int, int]
"""New bytes, or from where to where the dataset goes on as it is."""


class Element(NamedTuple):
    """Where an element lies; a needless delimiter counts as one too."""

    tag: int
    vr: bytes  # b'' in implicit VR
    start: int
    value: int
    length: int  # as written: UNDEFINED where a delimiter ends it
    end: int


class Item(NamedTuple):
    """Where an item, or the delimiter of a sequence, lies; how the elements in it are written."""

    tag: int
    start: int
    value: int
    length: int
    stop: int  # where its elements end
    end: int  # after its delimiter
    coding: Coding


class Reader:
    """Finds elements and items; what is passed over twice is searched for its end only once."""

    def __init__(self, buffer: Buffer, coding: Coding) -> None:
        self.buffer, self.coding = buffer, coding
        self._ends: dict[int, int] = {}

    def raw(self, element: Element) -> bytes:
        """The bytes of a value."""
        return bytes(self.buffer[element.value : element.end])

    def elements(
        self, position: int, end: int, coding: Coding, *, is_open: bool = False
    ) -> Iterator[Element]:
        """The elements from `position` to `end`, or to the delimiter of an item that is open."""
        while position < end:
            element = self._element(position, end, coding)
            if is_open and element.tag == _ITEM_END:
                return
            yield element
            position = element.end

    def items(self, element: Element, coding: Coding) -> Iterator[Item]:
        """The items of a sequence that is written in `coding`."""
        inner = IMPLICIT if element.vr == b"UN" else coding
        return self._items(element.value, element.end, inner, is_open=element.length == UNDEFINED)

    def holds_items(self, element: Element, coding: Coding) -> bool:
        """Whether a value begins as that of a sequence does."""
        tag = b"\xff\xfe\xe0\x00" if coding.order == "big" else b"\xfe\xff\x00\xe0"
        return element.end - element.value >= 8 and self.buffer[element.value : element.value + 4] == tag

    def _element(self, position: int, end: int, coding: Coding) -> Element:
        try:
            tag, vr, value, length = self._header(position, coding)
        except StructError:
            raise DatasetError("element header cut short", position) from None
        if tag >> 16 == 0xFFFE:
            return Element(tag, b"", position, position + 8, 0, position + 8)
        following = self._end(tag, vr, value, end, coding) if length == UNDEFINED else value + length
        if following > end:
            raise DatasetError("element reaches past the end", position)
        return Element(tag, vr, position, value, length, following)

    def _header(self, position: int, coding: Coding) -> tuple[int, bytes, int, int]:
        if not coding.explicit or self._group(position, coding) == 0xFFFE:
            group, number, length = coding.item.unpack_from(self.buffer, position)
            return group << 16 | number, b"", position + 8, length
        group, number, vr, length = coding.header.unpack_from(self.buffer, position)
        if vr in SHORT_FORM:
            return group << 16 | number, vr, position + 8, length
        (length,) = coding.length.unpack_from(self.buffer, position + 8)
        return group << 16 | number, vr, position + 12, length

    def _group(self, position: int, coding: Coding) -> int:
        return int.from_bytes(self.buffer[position : position + 2], coding.order)

    def _end(self, tag: int, vr: bytes, value: int, end: int, coding: Coding) -> int:
        """Where a value of undefined length ends, its delimiter included."""
        if value not in self._ends:
            is_fragments = tag == PIXEL_DATA or vr in (b"OB", b"OW")
            inner = IMPLICIT if vr == b"UN" else coding
            find = self._end_of_fragments if is_fragments else self._end_of_sequence
            self._ends[value] = find(value, end, inner)
        return self._ends[value]

    def _end_of_fragments(self, position: int, end: int, coding: Coding) -> int:
        while position + 8 <= end:
            group, number, length = coding.item.unpack_from(self.buffer, position)
            position += 8
            if (group, number) != (0xFFFE, 0xE000):
                return position
            position += length
        raise DatasetError("fragments not closed", position)

    def _end_of_sequence(self, position: int, end: int, coding: Coding) -> int:
        for item in self._items(position, end, coding, is_open=True):
            if item.tag == _SEQUENCE_END:
                return item.end
        raise DatasetError("sequence not closed", position)

    def _items(self, position: int, end: int, coding: Coding, *, is_open: bool) -> Iterator[Item]:
        while position < end:
            try:
                group, number, length = coding.item.unpack_from(self.buffer, position)
            except StructError:
                raise DatasetError("item header cut short", position) from None
            tag, value = group << 16 | number, position + 8
            if tag == ITEM:
                inner = self._item_coding(value, end, coding)
                stop = self._stop(value, end, inner) if length == UNDEFINED else value + length
                after = stop + 8 if length == UNDEFINED else stop
                if after > end:
                    raise DatasetError("item reaches past the end", position)
                yield Item(tag, position, value, length, stop, after, inner)
                position = after
            elif tag in (_ITEM_END, _SEQUENCE_END):
                yield Item(tag, position, value, 0, value, value, coding)
                if is_open and tag == _SEQUENCE_END:
                    return
                position = value
            else:
                raise DatasetError("item expected", position)

    def _stop(self, value: int, end: int, coding: Coding) -> int:
        """Where the delimiter of an item of undefined length stands."""
        if value not in self._ends:
            position = value
            for element in self.elements(value, end, coding, is_open=True):
                position = element.end
            self._ends[value] = position
        return self._ends[value]

    def _item_coding(self, value: int, end: int, coding: Coding) -> Coding:
        """How an item is written: some writers mix implicit and explicit VR, as the walk tolerates."""
        if end - value < 8 or not self.coding.explicit or coding.order == "big":
            return coding
        vr = bytes(self.buffer[value + 4 : value + 6])
        capitals = len(vr) == 2 and all(0x41 <= letter <= 0x5A for letter in vr)
        if coding.explicit and not capitals and self.buffer[value : value + 2] != b"\xfe\xff":
            return IMPLICIT
        return EXPLICIT if not coding.explicit and vr in SHORT_FORM | LONG_FORM else coding


def is_sequence(element: Element, reader: Reader, coding: Coding) -> bool:
    """Whether the walk would step into an element."""
    if coding.explicit:
        return element.vr == b"SQ" or (element.vr == b"UN" and element.length == UNDEFINED)
    if element.length == UNDEFINED:
        return element.tag != PIXEL_DATA
    return element.tag in SEQUENCE_TAGS and reader.holds_items(element, coding)


# Writing


def header(coding: Coding, tag: int, vr: bytes, length: int) -> bytes:
    """What stands before a value; a text too long for its VR is written as UN (PS3.5 6.2.2 note 2)."""
    order = ">" if coding.order == "big" else "<"
    group, number = tag >> 16, tag & 0xFFFF
    if not coding.explicit:
        return pack(f"{order}HHL", group, number, length)
    if vr in SHORT_FORM and length <= _LONGEST_SHORT:
        return pack(f"{order}HH2sH", group, number, vr, length)
    vr = b"UN" if vr in SHORT_FORM else vr
    return pack(f"{order}HH2sHL", group, number, vr, 0, length)


def item_header(coding: Coding, length: int) -> bytes:
    """What stands before the elements of an item of defined length."""
    return pack(">HHL" if coding.order == "big" else "<HHL", 0xFFFE, 0xE000, length)


def length_of(pieces: Iterable[Piece]) -> int:
    """How many bytes pieces come to."""
    return sum(len(one) if isinstance(one, bytes) else one[1] - one[0] for one in pieces)


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The same pieces, with ranges that follow each other made one, and nothing that is empty."""
    found: list[Piece] = []
    for one in pieces:
        last = found[-1] if found else None
        if isinstance(one, tuple) and isinstance(last, tuple) and last[1] == one[0]:
            found[-1] = (last[0], one[1])
        elif one if isinstance(one, bytes) else one[1] > one[0]:
            found.append(one)
    return found
