"""Walk the structure of a DICOM dataset (PS3.5 section 7) without reading its values.

A C-STORE is answered only after this walk: a general reader takes what it can get from a cut file, an
archive must not. The walk knows tags, VRs and lengths; it skips values, never recurses, and every bound
is in `Limits`. Nothing but `DatasetError` leaves this module.
"""

import mmap
import re
import tempfile
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, Literal, NamedTuple, NoReturn

from pydicom.datadict import DicomDictionary  # type: ignore[attr-defined]

Buffer = bytes | bytearray | memoryview | mmap.mmap

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
# Implicit VR besides PS3.5 A.1: GE private (its pixels are big endian) and Papyrus 3.
_ALSO_IMPLICIT = ("1.2.840.113619.5.2", "1.2.840.10008.1.20")
NATIVE = frozenset(
    (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, DEFLATED, EXPLICIT_BIG_ENDIAN, *_ALSO_IMPLICIT)
)
# JPIP keeps its pixels elsewhere, ST 2110 is a stream, MIME and XML wrap something else: no files of ours.
_NOT_IN_A_FILE = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (94, 95, 204, 205))
_NOT_IN_A_FILE_PREFIXES = ("1.2.840.10008.1.2.6.", "1.2.840.10008.1.2.7.")
VIDEO_PREFIXES = tuple(f"1.2.840.10008.1.2.4.{n}" for n in range(100, 109))

# PS3.5 9.1 says no component but 0 starts with 0. Devices send such UIDs and we refuse no image for one;
# what matters to us is that digits, single dots and 64 characters can't name a path.
UID_PATTERN = re.compile(r"[0-9]+(?:\.[0-9]+)+", re.ASCII)

UNDEFINED = 0xFFFFFFFF
# PS3.5 table 7.1-2: the VRs with a 16-bit length. All others, known or yet to come, have 32 bits (7.1.2).
SHORT_FORM = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_FORM = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_FRAGMENTED = frozenset((b"OB", b"OW"))
_META_END = 0x0002FFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
SEQUENCE_TAGS = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ")

SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
EXTENDED_OFFSETS, EXTENDED_LENGTHS = 0x7FE00001, 0x7FE00002
PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA = 0x7FE00010, 0x7FE00008, 0x7FE00009
PIXELS = frozenset((PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA))
_PIXEL_PROVIDER_URL = 0x00287FE0
_SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES, _ROWS, _COLUMNS, _ALLOCATED, _STORED, _SIGNED = (
    0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011, 0x00280100, 0x00280101,
    0x00280103,
)  # fmt: skip
_IDENTITY = frozenset((SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID))
_NOTED = frozenset(
    {_SAMPLES, _PHOTOMETRIC, _PLANAR, _FRAMES, _ROWS, _COLUMNS, _ALLOCATED, _STORED, _SIGNED}
    | {_PIXEL_PROVIDER_URL, EXTENDED_OFFSETS, EXTENDED_LENGTHS}
    | PIXELS
    | _IDENTITY
)


class DatasetError(Exception):
    """A dataset that can't be what it claims; `offset` counts from the start of the walked bytes.

    `reason` never holds a value from the dataset, so it may be logged and sent as an Error Comment.
    """

    def __init__(self, reason: str, offset: int = 0) -> None:
        super().__init__(f"{reason} at offset {offset}")
        self.reason = reason
        self.offset = offset


@contextmanager
def guarded(reason: str, offset: int = 0) -> Iterator[None]:
    """Call pydicom on bytes of strangers: without its warnings, and all that it raises made a DatasetError.

    It raises whatever the bytes lead it to, RecursionError and struct.error among it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DatasetError:
        raise
    except Exception:
        raise DatasetError(reason, offset) from None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a dataset may cost us."""

    depth: int = 32
    elements: int = 200_000
    fragments: int = 2_000_000  # a slide of a million tiles is legal; each costs one step of the loop
    inflated: int = 1 << 30
    inflation_ratio: int = 200
    inflation_free: int = 32 << 20  # blank images deflate 1000:1, so small ones are let through


LIMITS = Limits()


class Span(NamedTuple):
    """Where a top-level element lies."""

    start: int
    value: int
    length: int  # UNDEFINED when a delimiter ends it
    vr: bytes  # b'' in implicit VR


@dataclass(frozen=True, slots=True)
class Pixels:
    """The Image Pixel description (PS3.3 C.7.6.3) as found at the top level."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    frames: int
    photometric: str
    planar: int
    bits_stored: int
    signed: int

    @property
    def frame_bits(self) -> int:
        """Bits of a native frame (PS3.5 8.1.1); 4:2:2 has two samples for each pixel (PS3.3 C.7.6.3.1.2)."""
        subsampled = self.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422")
        samples = 2 if subsampled and self.samples == 3 else self.samples
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def native_length(self) -> int:
        """Bytes of all native frames without padding; single bits run on from frame to frame."""
        return (self.frame_bits * self.frames + 7) // 8


@dataclass(frozen=True, slots=True)
class Walked:
    """What the walk learned. Offsets of a deflated dataset count in the inflated bytes."""

    transfer_syntax: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    pixel_data_offset: int | None  # first byte of the pixel value (encapsulated: of the first item tag)
    header_end: int  # where the pixel element begins, or the end of the dataset
    end: int
    elements: int
    warnings: tuple[str, ...]
    pixels: Pixels | None
    encapsulated: bool
    spans: Mapping[int, Span] = field(repr=False)


class Coding(NamedTuple):
    """How element headers are written."""

    explicit: bool
    order: Literal["little", "big"]
    header: Struct
    length: Struct
    item: Struct


_IMPLICIT = Coding(False, "little", Struct("<HHL"), Struct("<L"), Struct("<HHL"))
_EXPLICIT = Coding(True, "little", Struct("<HH2sH"), Struct("<L"), Struct("<HHL"))
_BIG = Coding(True, "big", Struct(">HH2sH"), Struct(">L"), Struct(">HHL"))


def valid_uid(text: str) -> bool:
    """Tell whether `text` can be a UID (PS3.5 9.1), padding already stripped; leading zeros are tolerated."""
    return len(text) <= 64 and UID_PATTERN.fullmatch(text) is not None


def coding_of(transfer_syntax: str) -> Coding:
    """Find the coding of a transfer syntax; all that PS3.5 Annex A doesn't name otherwise are Explicit LE."""
    if not valid_uid(transfer_syntax):
        raise DatasetError("invalid transfer syntax")
    if transfer_syntax in _NOT_IN_A_FILE or transfer_syntax.startswith(_NOT_IN_A_FILE_PREFIXES):
        raise DatasetError("transfer syntax not for storage")
    if transfer_syntax == IMPLICIT_LITTLE_ENDIAN or transfer_syntax in _ALSO_IMPLICIT:
        return _IMPLICIT
    return _BIG if transfer_syntax == EXPLICIT_BIG_ENDIAN else _EXPLICIT


def is_video(transfer_syntax: str) -> bool:
    """Tell whether frames of this transfer syntax share one stream (PS3.5 8.2.5 and following)."""
    return transfer_syntax.startswith(VIDEO_PREFIXES)


def walk(buffer: Buffer, transfer_syntax: str, *, start: int = 0, limits: Limits = LIMITS) -> Walked:
    """Walk the dataset that fills `buffer` from `start` to its end.

    Parameters
    ----------
    buffer : bytes-like or mmap
        The dataset, without Part 10 preamble and File Meta Information unless `start` skips them.
    transfer_syntax : str
        The transfer syntax UID it was sent or stored in.

    Raises
    ------
    DatasetError
        The bytes aren't one whole dataset in that transfer syntax, or cost more than `limits` allow.
    """
    coding = coding_of(transfer_syntax)
    if transfer_syntax != DEFLATED:
        return _finish(_Walk(buffer, coding, limits), start, transfer_syntax)
    with inflate(buffer, start, limits) as inflated:
        return _finish(_Walk(inflated, coding, limits), 0, transfer_syntax)


# Deflated datasets (PS3.5 A.5)


@contextmanager
def inflate(buffer: Buffer, start: int = 0, limits: Limits = LIMITS) -> Iterator[mmap.mmap]:
    """Inflate into an unnamed file and map it, so that memory stays flat whatever the dataset claims."""
    with tempfile.TemporaryFile() as file:
        try:
            whole = _inflate_to(file, buffer, start, limits, -zlib.MAX_WBITS)
        except zlib.error:
            file.seek(0)
            file.truncate()
            try:  # PS3.5 A.5 says raw RFC 1951; some senders keep the zlib header of RFC 1950
                whole = _inflate_to(file, buffer, start, limits, zlib.MAX_WBITS)
            except zlib.error:
                raise DatasetError("broken deflated data", start) from None
        if not whole:
            raise DatasetError("deflated data end early", len(buffer))
        if not file.tell():
            raise DatasetError("empty dataset", start)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as inflated:
            yield inflated


def _inflate_to(file: Any, buffer: Buffer, start: int, limits: Limits, wbits: int) -> bool:
    """Inflate `buffer` into `file` within `limits`; tell whether the stream came to its own end."""
    stream = zlib.decompressobj(wbits)
    total = 0
    for position in range(start, len(buffer), 1 << 16):
        chunk = bytes(buffer[position : position + (1 << 16)])
        while chunk and not stream.eof:
            inflated = stream.decompress(chunk, 1 << 20)
            chunk = stream.unconsumed_tail
            total += len(inflated)
            _check_inflation(total, position + (1 << 16) - start, position, limits)
            file.write(inflated)
        if stream.eof:
            break
    return _drained(stream, file, total, len(buffer), limits)


def _drained(stream: Any, file: Any, total: int, offset: int, limits: Limits) -> bool:
    """Take what zlib still holds back after the last input byte."""
    while not stream.eof and (inflated := stream.decompress(b"", 1 << 20)):
        total += len(inflated)
        _check_inflation(total, offset, offset, limits)
        file.write(inflated)
    return bool(stream.eof)


def _check_inflation(total: int, consumed: int, offset: int, limits: Limits) -> None:
    if total > limits.inflated or (
        total > limits.inflation_free and total > consumed * limits.inflation_ratio
    ):
        raise DatasetError("deflated data expand too far", offset)


# The walk


@dataclass(slots=True)
class _Frame:
    """A dataset, an item or a sequence that the walk is inside of."""

    sequence: bool
    end: int  # its own, or its parent's if `open`
    open: bool  # of undefined length: a delimiter must close it
    coding: Coding


class _Walk:
    """One walk: where we are inside of, and what was noted on the way."""

    __slots__ = ("buffer", "coding", "count", "fragments", "last", "limits", "spans", "stack", "warned")

    def __init__(self, buffer: Buffer, coding: Coding, limits: Limits) -> None:
        self.buffer = buffer
        self.coding = coding
        self.limits = limits
        self.stack = [_Frame(False, len(buffer), False, coding)]
        self.count = 0
        self.last = _META_END  # so that the test for order finds stray meta elements too
        self.fragments = 0  # of the top-level pixel data
        self.spans: dict[int, Span] = {}
        self.warned: dict[str, tuple[int, int]] = {}

    def run(self, position: int) -> None:
        stack = self.stack
        while stack:
            frame = stack[-1]
            if frame.sequence:
                position = self._next_item(position, frame)
                continue
            skip = self._skip_explicit if frame.coding.explicit else self._skip_implicit
            position = skip(position, frame)
            if position == frame.end:
                self._leave(position, frame)
            else:
                position = self._enter(position, frame)

    def fail(self, reason: str, position: int) -> NoReturn:
        raise DatasetError(reason, position)

    def warn(self, reason: str, position: int) -> None:
        first, times = self.warned.get(reason, (position, 0))
        self.warned[reason] = (first, times + 1)

    def _skip_explicit(self, position: int, frame: _Frame) -> int:
        """Step over plain elements up to one that nests or delimits, or to the end (PS3.5 7.1.2)."""
        buffer, end = self.buffer, frame.end
        header = frame.coding.header.unpack_from
        short_form, noted = SHORT_FORM, _NOTED  # locals: this loop decides how fast a C-STORE is answered
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
                length = self._long_length(vr, length, position, frame)
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

    def _skip_implicit(self, position: int, frame: _Frame) -> int:
        """The same for PS3.5 7.1.3; what is a sequence can be known only from the dictionary."""
        buffer, end = self.buffer, frame.end
        header, noted = frame.coding.header.unpack_from, _NOTED
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

    def _long_length(self, vr: bytes, reserved: int, position: int, frame: _Frame) -> int:
        """Judge the VR and the reserved bytes of the long form and read its length (PS3.5 7.1.2)."""
        if vr not in LONG_FORM:
            if not _two_capitals(vr):
                self.fail("invalid VR", position)
            self.warn("unknown VR", position)
        if reserved:
            self.warn("reserved bytes not zero", position)
        if frame.end - position < 12:
            self.fail("element header cut short", position)
        return int(frame.coding.length.unpack_from(self.buffer, position + 8)[0])

    def _note(self, tag: int, span: Span, last: int) -> None:
        """Remember a top-level element that we need, or what is odd about where it stands (PS3.5 7.1)."""
        if tag <= _META_END:
            self.warn("group 0000 or 0002 in the dataset", span.start)
        elif tag <= last:
            self.warn("tags not ascending", span.start)
        if tag not in _NOTED:
            return
        before = self.spans.get(tag)
        if before is not None and self._raw(before) != self._raw(span):
            self.fail("two values for one attribute", span.start)
        self.spans[tag] = span

    def _raw(self, span: Span) -> bytes:
        return bytes(self.buffer[span.value : span.value + min(span.length, 256)])

    def _leave(self, position: int, frame: _Frame) -> None:
        """Leave a dataset or an item at the end of its bytes."""
        if frame.open:
            self.fail("item not closed", position)
        self.stack.pop()

    def _enter(self, position: int, frame: _Frame) -> int:
        """Handle the element that the skipping stopped at."""
        tag, vr, value, length = self._header(position, frame)
        if tag >> 16 == 0xFFFE:
            return self._delimit(tag, length, position, frame)
        self.count += 1
        if self.count > self.limits.elements:
            self.fail("too many elements", position)
        top = len(self.stack) == 1
        if top:
            self._note(tag, Span(position, value, length, vr), self.last)
            self.last = tag
        if length != UNDEFINED and value + length > frame.end:
            self.fail("element reaches past the end", position)
        if tag == PIXEL_DATA or vr in _FRAGMENTED:
            # Only an undefined length, or pixel data with VR SQ, stops the skipping here.
            if length != UNDEFINED:
                self.fail("pixel data are a sequence", position)
            return self._skip_fragments(value, frame, top and tag == PIXEL_DATA)
        return self._open_sequence(vr, value, length, position, frame)

    def _header(self, position: int, frame: _Frame) -> tuple[int, bytes, int, int]:
        """Read tag, VR, offset of the value and length; the skipping has seen that they are there."""
        coding = frame.coding
        if coding.explicit:
            group, number, vr, length = coding.header.unpack_from(self.buffer, position)
            if group != 0xFFFE:
                (length,) = coding.length.unpack_from(self.buffer, position + 8)
                return group << 16 | number, vr, position + 12, length
        group, number, length = coding.item.unpack_from(self.buffer, position)
        return group << 16 | number, b"", position + 8, length

    def _delimit(self, tag: int, length: int, position: int, frame: _Frame) -> int:
        """Handle an item tag or a delimiter among elements (PS3.5 7.5)."""
        if length:
            self.warn("delimiter with a length", position)
        closes_open = tag == _ITEM_END and frame.open
        closes_full = tag == _ITEM_END and len(self.stack) > 1 and position + 8 == frame.end
        if closes_open or closes_full:
            if closes_full and not closes_open:
                self.warn("needless delimiter", position)
            self.stack.pop()
        elif tag == _SEQUENCE_END and not frame.open:
            self.warn("needless delimiter", position)
        else:
            self.fail("item or delimiter out of place", position)
        return position + 8

    def _open_sequence(self, vr: bytes, value: int, length: int, position: int, frame: _Frame) -> int:
        """Step into a sequence (PS3.5 7.5), or into a UN of undefined length (PS3.5 6.2.2)."""
        if vr not in (b"", b"SQ", b"UN"):
            self.fail("undefined length where none may be", position)
        coding = frame.coding
        if not coding.explicit and length not in (0, UNDEFINED) and not self._holds_items(value, length):
            # The dictionary says sequence, the sender wrote something else: its length still holds.
            self.warn("sequence without items", position)
            return value + length
        if (len(self.stack) + 1) // 2 > self.limits.depth:
            self.fail("sequences nested too deep", position)
        if vr == b"UN":
            coding = _IMPLICIT
        is_open = length == UNDEFINED
        self.stack.append(_Frame(True, frame.end if is_open else value + length, is_open, coding))
        return value

    def _holds_items(self, value: int, length: int) -> bool:
        return length >= 8 and bytes(self.buffer[value : value + 4]) == b"\xfe\xff\x00\xe0"

    def _tag(self, position: int, frame: _Frame) -> int:
        if frame.end - position < 8:
            self.fail("item header cut short", position)
        group, number, _length = frame.coding.item.unpack_from(self.buffer, position)
        return int(group << 16 | number)

    def _next_item(self, position: int, frame: _Frame) -> int:
        """Step into the next item of a sequence, or out of the sequence (PS3.5 7.5.1 and 7.5.2)."""
        if position == frame.end:
            if frame.open:
                self.fail("sequence not closed", position)
            self.stack.pop()
            return position
        tag = self._tag(position, frame)
        length = frame.coding.item.unpack_from(self.buffer, position)[2]
        value = position + 8
        if tag == _ITEM:
            self._open_item(value, length, position, frame)
        elif tag == _SEQUENCE_END and frame.open:
            if length:
                self.warn("delimiter with a length", position)
            self.stack.pop()
        elif tag in (_ITEM_END, _SEQUENCE_END) and not length:
            self.warn("needless delimiter", position)
        else:
            self.fail("item expected", position)
        return value

    def _open_item(self, value: int, length: int, position: int, frame: _Frame) -> None:
        self.count += 1
        if self.count > self.limits.elements:
            self.fail("too many elements", position)
        if length != UNDEFINED and value + length > frame.end:
            self.fail("item reaches past the end", position)
        is_open = length == UNDEFINED
        end = frame.end if is_open else value + length
        self.stack.append(_Frame(False, end, is_open, self._item_coding(value, end, frame.coding)))

    def _item_coding(self, value: int, end: int, coding: Coding) -> Coding:
        """Find how an item is written.

        Some writers switch to implicit VR inside the sequences of an explicit dataset, or put explicit VR
        into a UN; a length can't look like a VR unless the first element of the item is over 16 KiB.
        """
        if end - value < 8 or self.coding is _IMPLICIT or coding.order == "big":
            return coding
        vr = bytes(self.buffer[value + 4 : value + 6])
        if coding.explicit and not _two_capitals(vr) and self._starts_element(value):
            self.warn("implicit VR item in an explicit VR dataset", value)
            return _IMPLICIT
        if not coding.explicit and vr in SHORT_FORM | LONG_FORM:
            self.warn("explicit VR item in an implicit VR sequence", value)
            return _EXPLICIT
        return coding

    def _starts_element(self, position: int) -> bool:
        return bytes(self.buffer[position : position + 2]) != b"\xfe\xff"

    def _skip_fragments(self, position: int, frame: _Frame, top_pixels: bool) -> int:
        """Step over the fragments of encapsulated pixel data up to their delimiter (PS3.5 A.4)."""
        header, end, limit = frame.coding.item.unpack_from, frame.end, self.limits.fragments
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


def _two_capitals(vr: bytes) -> bool:
    return 0x41 <= vr[0] <= 0x5A and 0x41 <= vr[1] <= 0x5A


# What the walk found


def _finish(walk: _Walk, start: int, transfer_syntax: str) -> Walked:
    """Run the walk and judge the pixel data by what it noted."""
    end = len(walk.buffer)
    if not 0 <= start < end:
        raise DatasetError("empty dataset", start)
    walk.run(start)
    pixels = _pixels(walk)
    pixel_span = next((walk.spans[tag] for tag in sorted(PIXELS) if tag in walk.spans), None)
    _check_pixels(walk, pixels, pixel_span, transfer_syntax)
    return Walked(
        transfer_syntax=transfer_syntax,
        sop_class_uid=_text(walk, SOP_CLASS_UID),
        sop_instance_uid=_text(walk, SOP_INSTANCE_UID),
        study_instance_uid=_text(walk, STUDY_INSTANCE_UID),
        series_instance_uid=_text(walk, SERIES_INSTANCE_UID),
        pixel_data_offset=pixel_span.value if pixel_span else None,
        header_end=pixel_span.start if pixel_span else end,
        end=end,
        elements=walk.count,
        warnings=tuple(
            f"{reason} at offset {first}" + (f", {times} times" if times > 1 else "")
            for reason, (first, times) in walk.warned.items()
        ),
        pixels=pixels,
        encapsulated=pixel_span is not None and pixel_span.length == UNDEFINED,
        spans=walk.spans,
    )


def _check_pixels(walk: _Walk, pixels: Pixels | None, span: Span | None, transfer_syntax: str) -> None:
    """Refuse an image whose pixels are missing or cut (PS3.3 C.7.6.3, PS3.5 8.1)."""
    if span is None:
        if pixels is not None and pixels.frame_bits and _PIXEL_PROVIDER_URL not in walk.spans:
            walk.fail("missing pixel data", len(walk.buffer))
        return
    if span.length == UNDEFINED:
        _check_fragments(walk, pixels, span, transfer_syntax)
        return
    if transfer_syntax not in NATIVE:
        walk.warn("native pixel data in an encapsulating transfer syntax", span.start)
    elif pixels is not None and span.length < pixels.native_length:
        walk.fail("truncated pixel data", span.start)


def _check_fragments(walk: _Walk, pixels: Pixels | None, span: Span, transfer_syntax: str) -> None:
    if transfer_syntax in NATIVE:
        walk.warn("encapsulated pixel data in a native transfer syntax", span.start)
    if not walk.fragments:
        walk.fail("missing pixel data", span.start)
    if pixels is not None and walk.fragments < pixels.frames and not is_video(transfer_syntax):
        walk.warn("fewer fragments than frames", span.start)


def _pixels(walk: _Walk) -> Pixels | None:
    """Read the pixel description; None unless the attributes that make an image are all there."""
    if not all(tag in walk.spans for tag in (_ROWS, _COLUMNS, _ALLOCATED)):
        return None
    allocated = _number(walk, _ALLOCATED, 0)
    return Pixels(
        rows=_number(walk, _ROWS, 0),
        columns=_number(walk, _COLUMNS, 0),
        samples=_number(walk, _SAMPLES, 1),
        bits_allocated=allocated,
        frames=_frames(walk),
        photometric=_text(walk, _PHOTOMETRIC),
        planar=_number(walk, _PLANAR, 0),
        bits_stored=_number(walk, _STORED, allocated),
        signed=_number(walk, _SIGNED, 0),
    )


def _frames(walk: _Walk) -> int:
    """Read Number of Frames, an IS of up to 12 characters; absent and empty mean one frame."""
    text = _text(walk, _FRAMES)
    if not text:
        return 1
    if re.fullmatch(r"\+?[0-9]{1,12}", text, re.ASCII) and int(text) > 0:
        return int(text)
    walk.warn("unreadable Number of Frames", walk.spans[_FRAMES].start)
    return 1


def _number(walk: _Walk, tag: int, default: int) -> int:
    """Read the first value of a US (or, against PS3.6, a UL)."""
    span = walk.spans.get(tag)
    size = 4 if span is not None and span.vr in (b"UL", b"SL") else 2
    if span is None or span.length < size:
        return default
    return int.from_bytes(walk.buffer[span.value : span.value + size], walk.coding.order)


def _text(walk: _Walk, tag: int) -> str:
    """Read a short text as found, without its padding; '' if absent."""
    span = walk.spans.get(tag)
    if span is None or span.length == UNDEFINED:
        return ""
    raw = bytes(walk.buffer[span.value : span.value + min(span.length, 128)])
    return raw.decode("latin-1").strip(" \0")
