"""The grammar of a dataset (PS3.5 section 7): elements, sequences and items, fragments, and their ends.

Nothing recurses, no value is read, and what it may cost is in `Limits`.
"""

import mmap
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from archive.dataset.dataset_error import DatasetError
from archive.dataset.element_coding import (
    EXPLICIT,
    IMPLICIT,
    LONG_FORM,
    SEQUENCE_TAGS,
    SHORT_FORM,
    UNDEFINED,
    Coding,
)
from archive.dataset.limits import Limits
from archive.dataset.tags import NOTED, PIXEL_DATA

Buffer = bytes | bytearray | memoryview | mmap.mmap

_FRAGMENTED = frozenset((b"OB", b"OW"))
_META_END = 0x0002FFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


class Span(NamedTuple):
    """Where a top-level element lies."""

    start: int
    value: int
    length: int  # UNDEFINED when a delimiter ends it
    vr: bytes  # b'' in implicit VR


@dataclass(slots=True)
class _Level:
    """A dataset, an item or a sequence that the walk is inside of."""

    sequence: bool
    end: int  # its own, or its parent's if `open`
    open: bool  # of undefined length: a delimiter must close it
    coding: Coding


class Structure:
    """A dataset while it is walked: where we are inside of, and what was noted on the way."""

    __slots__ = ("buffer", "coding", "count", "fragments", "last", "limits", "spans", "stack", "warned")

    def __init__(self, buffer: Buffer, coding: Coding, limits: Limits) -> None:
        self.buffer = buffer
        self.coding = coding
        self.limits = limits
        self.stack = [_Level(False, len(buffer), False, coding)]
        self.count = 0
        self.last = _META_END  # so that the test for order finds stray meta elements too
        self.fragments = 0  # of the top-level pixel data
        self.spans: dict[int, Span] = {}
        self.warned: dict[str, tuple[int, int]] = {}

    def run(self, position: int) -> None:
        stack = self.stack
        while stack:
            level = stack[-1]
            if level.sequence:
                position = self._next_item(position, level)
                continue
            skip = self._skip_explicit if level.coding.explicit else self._skip_implicit
            position = skip(position, level)
            if position == level.end:
                self._leave(position, level)
            else:
                position = self._enter(position, level)

    def fail(self, reason: str, position: int) -> NoReturn:
        raise DatasetError(reason, position)

    def warn(self, reason: str, position: int) -> None:
        first, times = self.warned.get(reason, (position, 0))
        self.warned[reason] = (first, times + 1)

    def _skip_explicit(self, position: int, level: _Level) -> int:
        """Step over plain elements up to one that nests or delimits, or to the end (PS3.5 7.1.2)."""
        buffer, end = self.buffer, level.end
        header = level.coding.header.unpack_from
        short_form, noted = SHORT_FORM, NOTED  # locals: this loop decides how fast a C-STORE is answered
        last = self.last if len(self.stack) == 1 else None
        counts = range(self.count, self.limits.elements + 1)
        for self.count in counts:
            if end - position < 8:
                if position == end:
                    break
                self.fail("element header cut short", position)
            group, number, vr, length = header(buffer, position)
            if group == 0xFFFE:
                break
            value = position + 8
            if vr not in short_form:
                length = self._long_length(vr, length, position, level)
                if length == UNDEFINED or vr == b"SQ":
                    break
                value += 4
            following = value + length
            if following > end:
                self.fail("element reaches past the end", position)
            if length & 1:
                self.warn("odd length", position)
            if last is not None:
                tag = group << 16 | number
                if tag <= last or tag in noted:
                    self._note(tag, Span(position, value, length, vr), last)
                last = tag
            position = following
        else:
            self.fail("too many elements", position)
        if last is not None:
            self.last = last
        return position

    def _skip_implicit(self, position: int, level: _Level) -> int:
        """The same for PS3.5 7.1.3; what is a sequence can be known only from the dictionary."""
        buffer, end = self.buffer, level.end
        header, noted = level.coding.header.unpack_from, NOTED
        last = self.last if len(self.stack) == 1 else None
        counts = range(self.count, self.limits.elements + 1)
        for self.count in counts:
            if end - position < 8:
                if position == end:
                    break
                self.fail("element header cut short", position)
            group, number, length = header(buffer, position)
            tag = group << 16 | number
            if length == UNDEFINED or group == 0xFFFE or tag in SEQUENCE_TAGS:
                break
            following = position + 8 + length
            if following > end:
                self.fail("element reaches past the end", position)
            if length & 1:
                self.warn("odd length", position)
            if last is not None:
                if tag <= last or tag in noted:
                    self._note(tag, Span(position, position + 8, length, b""), last)
                last = tag
            position = following
        else:
            self.fail("too many elements", position)
        if last is not None:
            self.last = last
        return position

    def _long_length(self, vr: bytes, reserved: int, position: int, level: _Level) -> int:
        """Judge the VR and the reserved bytes of the long form and read its length (PS3.5 7.1.2)."""
        if vr not in LONG_FORM:
            if not _two_capitals(vr):
                self.fail("invalid VR", position)
            self.warn("unknown VR", position)
        if reserved:
            self.warn("reserved bytes not zero", position)
        if level.end - position < 12:
            self.fail("element header cut short", position)
        return int(level.coding.length.unpack_from(self.buffer, position + 8)[0])

    def _note(self, tag: int, span: Span, last: int) -> None:
        """Remember a top-level element that we need, or what is odd about where it stands (PS3.5 7.1)."""
        if tag <= _META_END:
            self.warn("group 0000 or 0002 in the dataset", span.start)
        elif tag <= last:
            self.warn("tags not ascending", span.start)
        if tag not in NOTED:
            return
        before = self.spans.get(tag)
        if before is not None and self._raw(before) != self._raw(span):
            self.fail("two values for one attribute", span.start)
        self.spans[tag] = span

    def _raw(self, span: Span) -> bytes:
        return bytes(self.buffer[span.value : span.value + min(span.length, 256)])

    def _leave(self, position: int, level: _Level) -> None:
        """Leave a dataset or an item at the end of its bytes."""
        if level.open:
            self.fail("item not closed", position)
        self.stack.pop()

    def _enter(self, position: int, level: _Level) -> int:
        """Handle the element that the skipping stopped at."""
        tag, vr, value, length = self._header(position, level)
        if tag >> 16 == 0xFFFE:
            return self._delimit(tag, length, position, level)
        self.count += 1
        if self.count > self.limits.elements:
            self.fail("too many elements", position)
        top = len(self.stack) == 1
        if top:
            self._note(tag, Span(position, value, length, vr), self.last)
            self.last = tag
        if length != UNDEFINED and value + length > level.end:
            self.fail("element reaches past the end", position)
        if tag == PIXEL_DATA or vr in _FRAGMENTED:
            # Only an undefined length, or pixel data with VR SQ, stops the skipping here.
            if length != UNDEFINED:
                self.fail("pixel data are a sequence", position)
            return self._skip_fragments(value, level, top and tag == PIXEL_DATA)
        return self._open_sequence(vr, value, length, position, level)

    def _header(self, position: int, level: _Level) -> tuple[int, bytes, int, int]:
        """Read tag, VR, offset of the value and length; the skipping has seen that they are there."""
        coding = level.coding
        if coding.explicit:
            group, number, vr, length = coding.header.unpack_from(self.buffer, position)
            if group != 0xFFFE:
                (length,) = coding.length.unpack_from(self.buffer, position + 8)
                return group << 16 | number, vr, position + 12, length
        group, number, length = coding.item.unpack_from(self.buffer, position)
        return group << 16 | number, b"", position + 8, length

    def _delimit(self, tag: int, length: int, position: int, level: _Level) -> int:
        """Handle an item tag or a delimiter among elements (PS3.5 7.5)."""
        if length:
            self.warn("delimiter with a length", position)
        closes_open = tag == _ITEM_END and level.open
        closes_full = tag == _ITEM_END and len(self.stack) > 1 and position + 8 == level.end
        if closes_open or closes_full:
            if closes_full and not closes_open:
                self.warn("needless delimiter", position)
            self.stack.pop()
        elif tag == _SEQUENCE_END and not level.open:
            self.warn("needless delimiter", position)
        else:
            self.fail("item or delimiter out of place", position)
        return position + 8

    def _open_sequence(self, vr: bytes, value: int, length: int, position: int, level: _Level) -> int:
        """Step into a sequence (PS3.5 7.5), or into a UN of undefined length (PS3.5 6.2.2)."""
        if vr not in (b"", b"SQ", b"UN"):
            self.fail("undefined length where none may be", position)
        coding = level.coding
        if not coding.explicit and length not in (0, UNDEFINED) and not self._holds_items(value, length):
            # The dictionary says sequence, the sender wrote something else: its length still holds.
            self.warn("sequence without items", position)
            return value + length
        if (len(self.stack) + 1) // 2 > self.limits.depth:
            self.fail("sequences nested too deep", position)
        if vr == b"UN":
            coding = IMPLICIT
        is_open = length == UNDEFINED
        self.stack.append(_Level(True, level.end if is_open else value + length, is_open, coding))
        return value

    def _holds_items(self, value: int, length: int) -> bool:
        return length >= 8 and bytes(self.buffer[value : value + 4]) == b"\xfe\xff\x00\xe0"

    def _tag(self, position: int, level: _Level) -> int:
        if level.end - position < 8:
            self.fail("item header cut short", position)
        group, number, _length = level.coding.item.unpack_from(self.buffer, position)
        return int(group << 16 | number)

    def _next_item(self, position: int, level: _Level) -> int:
        """Step into the next item of a sequence, or out of the sequence (PS3.5 7.5.1 and 7.5.2)."""
        if position == level.end:
            if level.open:
                self.fail("sequence not closed", position)
            self.stack.pop()
            return position
        tag = self._tag(position, level)
        length = level.coding.item.unpack_from(self.buffer, position)[2]
        value = position + 8
        if tag == _ITEM:
            self._open_item(value, length, position, level)
        elif tag == _SEQUENCE_END and level.open:
            if length:
                self.warn("delimiter with a length", position)
            self.stack.pop()
        elif tag in (_ITEM_END, _SEQUENCE_END) and not length:
            self.warn("needless delimiter", position)
        else:
            self.fail("item expected", position)
        return value

    def _open_item(self, value: int, length: int, position: int, level: _Level) -> None:
        self.count += 1
        if self.count > self.limits.elements:
            self.fail("too many elements", position)
        if length != UNDEFINED and value + length > level.end:
            self.fail("item reaches past the end", position)
        is_open = length == UNDEFINED
        end = level.end if is_open else value + length
        self.stack.append(_Level(False, end, is_open, self._item_coding(value, end, level.coding)))

    def _item_coding(self, value: int, end: int, coding: Coding) -> Coding:
        """Find how an item is written.

        Some writers switch to implicit VR inside the sequences of an explicit dataset, or put explicit VR
        into a UN; a length can't look like a VR unless the first element of the item is over 16 KiB.
        """
        if end - value < 8 or self.coding is IMPLICIT or coding.order == "big":
            return coding
        vr = bytes(self.buffer[value + 4 : value + 6])
        if coding.explicit and not _two_capitals(vr) and self._starts_element(value):
            self.warn("implicit VR item in an explicit VR dataset", value)
            return IMPLICIT
        if not coding.explicit and vr in SHORT_FORM | LONG_FORM:
            self.warn("explicit VR item in an implicit VR sequence", value)
            return EXPLICIT
        return coding

    def _starts_element(self, position: int) -> bool:
        return bytes(self.buffer[position : position + 2]) != b"\xfe\xff"

    def _skip_fragments(self, position: int, level: _Level, top_pixels: bool) -> int:
        """Step over the fragments of encapsulated pixel data up to their delimiter (PS3.5 A.4)."""
        header, end, limit = level.coding.item.unpack_from, level.end, self.limits.fragments
        count = 0
        while True:
            if end - position < 8:
                self.fail("fragments not closed", position)
            group, number, length = header(self.buffer, position)
            if group != 0xFFFE or number != 0xE000:
                break
            count += 1
            if count > limit:
                self.fail("too many fragments", position)
            if length > end - position - 8:
                self.fail("fragment reaches past the end", position)
            if length & 1:
                self.warn("odd length", position)
            position += 8 + length
        if (group, number) != (0xFFFE, 0xE0DD):
            self.fail("fragment expected", position)
        if length:
            self.warn("delimiter with a length", position)
        if top_pixels:
            self.fragments = max(count - 1, 0)  # the first item is the Basic Offset Table
        return position + 8

    def text(self, tag: int) -> str:
        """Read a short text as found, without its padding; '' if absent."""
        span = self.spans.get(tag)
        if span is None or span.length == UNDEFINED:
            return ""
        raw = bytes(self.buffer[span.value : span.value + min(span.length, 128)])
        return raw.decode("latin-1").strip(" \0")

    def number(self, tag: int, default: int) -> int:
        """Read the first value of a US (or, against PS3.6, a UL)."""
        span = self.spans.get(tag)
        size = 4 if span is not None and span.vr in (b"UL", b"SL") else 2
        if span is None or span.length < size:
            return default
        return int.from_bytes(self.buffer[span.value : span.value + size], self.coding.order)


def _two_capitals(vr: bytes) -> bool:
    return 0x41 <= vr[0] <= 0x5A and 0x41 <= vr[1] <= 0x5A
