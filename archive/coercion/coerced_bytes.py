"""Write a stored object anew with other values in some attributes, as it goes out; the file stays as it is.

Every other element keeps its bytes, unless a new value doesn't fit the object's own Specific Character Set:
then its texts go out in UTF-8. What a value was before stands in Original Attributes Sequence (PS3.3
C.12.1.1.9), byte by byte. Only what is new is held in memory; the rest is read from the file piece by piece.
The length of a group (gggg,0000), retired in PS3.5 7.2, is left out where the group changes.
"""

import mmap
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Final

from archive.coercion.attribute_coercion import (
    MODIFIED_ATTRIBUTES,
    ORIGINAL_ATTRIBUTES,
    Coercion,
    Field,
    is_same,
    request_fields,
    request_tag,
    stale,
    who_and_why,
    written,
)
from archive.dataset.element_coding import UNDEFINED, coding_of
from archive.dataset.elements import (
    ITEM,
    Element,
    Piece,
    Reader,
    header,
    item_header,
    joined,
    length_of,
)
from archive.dataset.part10 import Part10, map_dataset, open_part10, preamble_and_meta
from archive.dataset.rewriter import Rewriter
from archive.dataset.specific_character_set import CHARACTER_SET, LOCALISED, UTF_8, clean, encode
from archive.dataset.tags import PIXELS, SOP_CLASS_UID, SOP_INSTANCE_UID
from archive.dataset.text_value import character_sets, decode_text
from archive.dataset.transfer_syntax import DEFLATED

_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Coerced:
    """An object with its coercion: how long it is, where that is known before, and its bytes."""

    part10: Part10
    head: bytes
    """What goes before the dataset (PS3.10 7.1); as it is stored where that is empty."""
    pieces: Sequence[Piece]
    length: int | None
    """None of a deflated dataset, where only writing it tells."""

    def body(self) -> Iterator[bytes]:
        """The bytes of the Part 10 file; a deflated dataset is inflated and deflated again (PS3.5 A.5)."""
        with self.part10.path.open("rb") as file:
            yield self.head or file.read(self.part10.dataset_offset)
        with map_dataset(self.part10) as (buffer, _):
            pieces = _chunks(buffer, self.pieces)
            yield from _deflated(pieces) if self.part10.transfer_syntax == DEFLATED else pieces


def coerced(path: str | PathLike[str], coercion: Coercion) -> Coerced | None:
    """A stored Part 10 file with a coercion; None where it says all that already.

    Raises
    ------
    DatasetError
        The object can't be read.
    """
    part10 = open_part10(path)
    with map_dataset(part10) as (buffer, start):
        writer = _Writer(buffer, start, part10, coercion)
        pieces = writer.pieces()
        head = writer.head()
    if pieces is None:
        return None
    is_deflated = part10.transfer_syntax == DEFLATED
    length = (len(head) or part10.dataset_offset) + length_of(pieces)
    return Coerced(part10, head, pieces, None if is_deflated else length)


def _chunks(buffer: mmap.mmap, pieces: Sequence[Piece]) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        for position in range(*piece, _CHUNK):
            yield bytes(buffer[position : min(position + _CHUNK, piece[1])])


def _deflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    size = 0
    for piece in pieces:
        packed = deflate.compress(piece)
        size += len(packed)
        yield packed
    rest = deflate.flush()
    yield rest + b"\0" if (size + len(rest)) % 2 else rest


class _Writer:
    """One object on its way out: what it says, what it shall say."""

    def __init__(self, buffer: mmap.mmap, start: int, part10: Part10, coercion: Coercion) -> None:
        self.coding = coding_of(part10.transfer_syntax)
        self.reader = Reader(buffer, self.coding)
        self.start, self.size, self.part10 = start, len(buffer), part10
        self.coercion = coercion
        self.elements = self._head()
        self.found = {element.tag: element for element in self.elements}
        self.terms = character_sets(self._raw(CHARACTER_SET))

    def _head(self) -> list[Element]:
        """The elements before the pixels."""
        found = []
        for element in self.reader.elements(self.start, self.size, self.coding):
            if element.tag in PIXELS:
                break
            found.append(element)
        return found

    def pieces(self) -> list[Piece] | None:
        """The dataset as it goes out; None where nothing changes."""
        fields = self._fields()
        if not fields:
            return None
        references = self.coercion.references
        terms = self.terms
        if not all(_fits(field, terms) for field in [*fields, *who_and_why(self.coercion)]):
            terms = [UTF_8]
        utf_8 = Rewriter(self.reader, self.terms, to_utf_8=True) if terms != self.terms else None
        rewriter = utf_8
        if references:
            rewriter = Rewriter(self.reader, self.terms, to_utf_8=utf_8 is not None, references=references)
        new = {field.tag: self._field(field, terms) for field in fields}
        changed = [field.tag for field in fields]
        gone = [tag for tag in stale(changed) if tag in self.found]
        new.update(dict.fromkeys(gone, b""))
        changed += gone
        if utf_8:
            new[CHARACTER_SET] = self._field(Field(CHARACTER_SET, UTF_8), terms)
            changed.append(CHARACTER_SET)
        item = self._original_attributes(sorted(changed), terms, utf_8)
        return joined(
            self._merged(new, joined(self._appended(item, utf_8)), rewriter, to_utf_8=utf_8 is not None)
        )

    def head(self) -> bytes:
        """File meta information with the new SOP Instance UID, where it gets one."""
        uid = dict(self.coercion.values).get(SOP_INSTANCE_UID, "")
        if uid in ("", self._text(SOP_INSTANCE_UID)):
            return b""
        syntax, source = self.part10.transfer_syntax, self.coercion.system
        return preamble_and_meta(self._text(SOP_CLASS_UID), uid, syntax, source)

    # What changes

    def _fields(self) -> list[Field]:
        fields = [
            Field(tag, written(tag, clean(text)))
            for tag, text in self.coercion.values
            if not is_same(tag, self._text(tag), clean(text))
        ]
        tag = request_tag(self._text(SOP_CLASS_UID))
        return fields + request_fields(tag, self.coercion, names_none=self._is_empty(tag))

    def _raw(self, tag: int) -> bytes:
        element = self.found.get(tag)
        return self.reader.raw(element) if element else b""

    def _text(self, tag: int) -> str:
        return decode_text(self._raw(tag), self.terms).strip(" \0")

    def _is_empty(self, tag: int) -> bool:
        if tag not in self.found:
            return True
        return not any(item.tag == ITEM for item in self.reader.items(self.found[tag], self.coding))

    # What is written

    def _field(self, field: Field, terms: Sequence[str]) -> bytes:
        vr = field.vr.encode()
        if vr == b"SQ":
            return self._sequence(
                field.tag, [b"".join(self._field(one, terms) for one in item) for item in field.items]
            )
        value = encode(clean(field.text), vr, terms)
        assert value is not None, "the character set was chosen to fit"
        if len(value) % 2:
            value += b"\0" if vr == b"UI" else b" "
        return header(self.coding, field.tag, vr, len(value)) + value

    def _sequence(self, tag: int, items: Sequence[bytes]) -> bytes:
        body = b"".join(item_header(self.coding, len(item)) + item for item in items)
        return header(self.coding, tag, b"SQ", len(body)) + body

    def _original_attributes(
        self, changed: Sequence[int], terms: Sequence[str], utf_8: Rewriter | None
    ) -> bytes:
        """The item of Original Attributes Sequence: what was there, with the character set it was written in.

        What was not there is named without a value.
        """
        values = []
        keeps_set = bool(self.terms)  # without one there is nothing that could say what the bytes are
        for tag in changed:
            element = self.found.get(tag)
            if element is None:
                values.append(header(self.coding, tag, Field(tag).vr.encode(), 0))
            elif utf_8 and not keeps_set and (new := utf_8.element(element, self.coding, {})):
                values.append(self._bytes(new))
            else:
                values.append(self._bytes([(element.start, element.end)]))
        said = b"".join(self._field(field, terms) for field in who_and_why(self.coercion))
        return self._sequence(MODIFIED_ATTRIBUTES, [b"".join(values)]) + said

    def _bytes(self, pieces: Sequence[Piece]) -> bytes:
        return b"".join(
            piece if isinstance(piece, bytes) else bytes(self.reader.buffer[piece[0] : piece[1]])
            for piece in pieces
        )

    def _merged(
        self, new: dict[int, bytes], sequence: Sequence[Piece], rewriter: Rewriter | None, *, to_utf_8: bool
    ) -> Iterator[Piece]:
        """The dataset with new elements in the place of old ones, or where their tags belong."""
        waiting = sorted([*new, ORIGINAL_ATTRIBUTES])
        replaced = frozenset(waiting)
        groups = {tag >> 16 for tag in replaced}
        creators: dict[int, str] = {}

        def due(before: int) -> Iterator[Piece]:
            while waiting and waiting[0] <= before:
                tag = waiting.pop(0)
                yield from sequence if tag == ORIGINAL_ATTRIBUTES else [new[tag]]

        for element in self._all() if to_utf_8 else self.elements:
            if element.tag >> 16 != 0xFFFE:  # a needless delimiter has no place in the order
                yield from due(element.tag)
            is_stale = element.tag & 0xFFFF == 0 and element.tag >> 16 in groups
            if element.tag not in replaced and not is_stale:
                kept = rewriter.element(element, self.coding, creators) if rewriter else None
                yield from kept or [(element.start, element.end)]
        yield from due(0xFFFFFFFF)
        if not to_utf_8:
            yield (self.elements[-1].end if self.elements else self.start, self.size)

    def _all(self) -> Iterator[Element]:
        return self.reader.elements(self.start, self.size, self.coding)

    def _appended(self, item: bytes, utf_8: Rewriter | None) -> Iterator[Piece]:
        """Original Attributes Sequence with one item more than the object has.

        One that was written as UN, so in implicit VR whatever the rest is in, is not taken along.
        """
        element = self.found.get(ORIGINAL_ATTRIBUTES)
        inside: list[Piece] = []
        if element is not None and element.vr in (b"", b"SQ"):
            changed = utf_8.element(element, self.coding, {}) if utf_8 else None
            inside = self._inside(element, changed)
        body = [*inside, item_header(self.coding, len(item)), item]
        yield header(self.coding, ORIGINAL_ATTRIBUTES, b"SQ", length_of(body))
        yield from body

    def _inside(self, element: Element, changed: list[Piece] | None) -> list[Piece]:
        """The items of a sequence without its header and delimiter."""
        stop = element.end - (8 if element.length == UNDEFINED else 0)
        if changed is None:
            return [(element.value, stop)]
        inside = list(changed)
        first, last = inside[0], inside[-1]
        skipped = element.value - element.start
        inside[0] = first[skipped:] if isinstance(first, bytes) else (first[0] + skipped, first[1])
        if element.length == UNDEFINED:
            assert isinstance(last, tuple)
            inside[-1] = (last[0], last[1] - 8)
        return inside


def _fits(field: Field, terms: Sequence[str]) -> bool:
    if field.vr == "SQ":
        return all(_fits(one, terms) for item in field.items for one in item)
    return (
        field.vr.encode() not in LOCALISED or encode(clean(field.text), field.vr.encode(), terms) is not None
    )
