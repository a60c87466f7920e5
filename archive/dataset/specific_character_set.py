"""Specific Character Set (PS3.3 C.12.1.1.2) of what is sent: what fits it, and texts in UTF-8 instead."""

import re
from collections.abc import Sequence
from typing import Final

from pydicom.charset import encode_string, python_encoding
from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.valuerep import PersonName

from archive.dataset.dataset_error import DatasetError, guarded
from archive.dataset.element_coding import UNDEFINED, Coding
from archive.dataset.elements import (
    IMPLICIT,
    ITEM,
    Element,
    Item,
    Piece,
    Reader,
    header,
    is_sequence,
    item_header,
    joined,
    length_of,
)
from archive.dataset.text_value import character_sets, decode_text, encodings_of

CHARACTER_SET: Final = 0x00080005
UTF_8: Final = "ISO_IR 192"
LOCALISED: Final = frozenset((b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UT"))  # PS3.5 6.1.2.2
_ASCII_FIRST: Final = ("", "ISO_IR 6", "ISO 2022 IR 6")
_UNSENDABLE: Final = re.compile(r"[\\\x00-\x1f\x7f]")
_DEEPEST: Final = 40


def clean(text: str) -> str:
    """A text of ours as one value: without what parts values, or begins an escape sequence."""
    return _UNSENDABLE.sub(" ", text).strip()


def encode(text: str, vr: bytes, terms: Sequence[str]) -> bytes | None:
    """The bytes of a text in a character set; None for what it can't hold."""
    if text.isascii():
        return text.encode("ascii")
    first = terms[0] if terms else ""
    if not terms or any(term and term not in python_encoding for term in terms):
        return None
    # Without a first value the default repertoire is ISO_IR 6; the library would write Latin-1 there.
    if first in _ASCII_FIRST and any("\x80" <= letter <= "\xff" for letter in text):
        return None
    encodings = encodings_of(terms)
    try:
        with guarded("not in the character set"):
            if len(terms) == 1 and first != "ISO_IR 13":  # its codec has letters that the set has not
                return text.encode(encodings[0])
            encoded = PersonName(text).encode(encodings) if vr == b"PN" else encode_string(text, encodings)
    except DatasetError:
        return None
    return encoded if decode_text(encoded, terms) == text else None


class ToUTF8:
    """Rewrites the texts of a dataset in UTF-8, as all interfaces read them; the rest stays as it is.

    An item with a Specific Character Set of its own says itself what its texts are in, and is left alone;
    so is what nobody knows the VR of (private attributes in implicit VR or as UN).
    """

    def __init__(self, reader: Reader, terms: Sequence[str]) -> None:
        self._reader, self._terms = reader, terms

    def element(
        self, element: Element, coding: Coding, creators: dict[int, str], depth: int = 0
    ) -> list[Piece] | None:
        """The pieces of an element; None where it can stay. `creators` is filled for what follows."""
        if depth > _DEEPEST or element.tag >> 16 == 0xFFFE:
            return None
        if is_sequence(element, self._reader, coding):
            return self._sequence(element, coding, depth)
        vr = _vr(element, creators)
        if vr == b"SQ" and self._reader.holds_items(element, IMPLICIT):
            try:  # a sequence to the dictionary, which the walk took for plain bytes
                return self._sequence(element, coding, depth)
            except DatasetError:
                return None
        if vr not in LOCALISED or element.length == UNDEFINED:
            return None
        return self._text(element, coding, creators)

    def _text(self, element: Element, coding: Coding, creators: dict[int, str]) -> list[Piece] | None:
        raw = self._reader.raw(element)
        if element.tag >> 16 & 1 and 0x10 <= element.tag & 0xFFFF <= 0xFF:
            creators[element.tag] = decode_text(raw, self._terms).strip(" \0")
        if raw.isascii() and b"\x1b" not in raw:
            return None
        text = decode_text(raw, self._terms).encode("utf-8", "replace")
        text += b" " * (len(text) % 2)
        return None if text == raw else [header(coding, element.tag, element.vr, len(text)), text]

    def _sequence(self, element: Element, coding: Coding, depth: int) -> list[Piece] | None:
        pieces: list[Piece] = []
        changed = False
        for item in self._reader.items(element, coding):
            new = self._item(item, depth + 1) if item.tag == ITEM else None
            changed |= new is not None
            pieces += new or [(item.start, item.end)]
        if not changed:
            return None
        if element.length == UNDEFINED:
            return joined([(element.start, element.value), *pieces])
        return joined([header(coding, element.tag, element.vr, length_of(pieces)), *pieces])

    def _item(self, item: Item, depth: int) -> list[Piece] | None:
        elements = list(self._reader.elements(item.value, item.stop, item.coding))
        own = [self._reader.raw(one) for one in elements if one.tag == CHARACTER_SET]
        if any(character_sets(raw) for raw in own):
            return None
        pieces: list[Piece] = []
        creators: dict[int, str] = {}
        changed = False
        for element in elements:
            new = self.element(element, item.coding, creators, depth)
            changed |= new is not None
            if element.tag == CHARACTER_SET:  # an empty one: what holds above holds here too
                new = [header(item.coding, element.tag, b"CS", len(UTF_8)), UTF_8.encode()]
            pieces += new or [(element.start, element.end)]
        if not changed:
            return None
        if item.length == UNDEFINED:
            return joined([(item.start, item.value), *pieces, (item.stop, item.end)])
        return joined([item_header(item.coding, length_of(pieces)), *pieces])


def _vr(element: Element, creators: dict[int, str]) -> bytes:
    """The VR: as written, or from the dictionary in implicit VR and for UN (PS3.5 6.2.2)."""
    if element.vr not in (b"", b"UN"):
        return element.vr
    group, number = element.tag >> 16, element.tag & 0xFFFF
    try:
        if group % 2 == 0:
            return dictionary_VR(element.tag).encode()
        if 0x10 <= number <= 0xFF:
            return b"LO"  # private creator, PS3.5 7.8.1
        return private_dictionary_VR(element.tag, creators.get(group << 16 | number >> 8, "")).encode()
    except KeyError:
        return b"UN"
