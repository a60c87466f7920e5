"""Elements of a stored dataset written anew, at any depth: texts in UTF-8, references to moved objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydicom.datadict import dictionary_VR, private_dictionary_VR

from archive.dataset.dataset_error import DatasetError
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
from archive.dataset.specific_character_set import CHARACTER_SET, LOCALISED, UTF_8
from archive.dataset.tags import REFERENCED_SERIES, STUDY_INSTANCE_UID
from archive.dataset.text_value import character_sets, decode_text

_DEEPEST: Final = 40


@dataclass(frozen=True, slots=True)
class References:
    """What is to be named otherwise: series and instances by new UIDs, in another study."""

    study_instance_uid: str
    count: int
    uids: Mapping[str, str] = field(repr=False)
    """New UIDs by old ones."""


class Rewriter:
    """Rewrites the texts of a dataset in UTF-8, or its references, or both; the rest stays as it is.

    An item with a Specific Character Set of its own says itself what its texts are in, and these are left
    alone; so is what nobody knows the VR of (private attributes in implicit VR or as UN).
    """

    def __init__(
        self, reader: Reader, terms: Sequence[str], *, to_utf_8: bool, references: References | None = None
    ) -> None:
        self._reader, self._terms = reader, terms
        self._to_utf_8, self._references = to_utf_8, references

    def element(
        self,
        element: Element,
        coding: Coding,
        creators: dict[int, str],
        depth: int = 0,
        *,
        own_texts: bool = False,
    ) -> list[Piece] | None:
        """The pieces of an element; None where it can stay.

        `creators` is filled for what follows. With `own_texts` its texts are none of the dataset's.
        """
        if depth > _DEEPEST or element.tag >> 16 == 0xFFFE:
            return None
        if is_sequence(element, self._reader, coding):
            return self._sequence(element, coding, depth, own_texts)
        vr = _vr(element, creators)
        if vr == b"SQ" and self._reader.holds_items(element, IMPLICIT):
            try:  # a sequence to the dictionary, which the walk took for plain bytes
                return self._sequence(element, coding, depth, own_texts)
            except DatasetError:
                return None
        if element.length == UNDEFINED:
            return None
        if vr == b"UI" and self._references and depth:
            return self._uid(element, coding, self._references.uids)
        if vr in LOCALISED and self._to_utf_8 and not own_texts:
            return self._text(element, coding, creators)
        return None

    def _uid(self, element: Element, coding: Coding, uids: Mapping[str, str]) -> list[Piece] | None:
        uid = self._reader.raw(element).decode("ascii", "replace").strip(" \0")
        return self._written(element, coding, uids[uid]) if uid in uids else None

    @staticmethod
    def _written(element: Element, coding: Coding, uid: str) -> list[Piece]:
        value = uid.encode() + b"\0" * (len(uid) % 2)
        return [header(coding, element.tag, element.vr, len(value)), value]

    def _text(self, element: Element, coding: Coding, creators: dict[int, str]) -> list[Piece] | None:
        raw = self._reader.raw(element)
        if element.tag >> 16 & 1 and 0x10 <= element.tag & 0xFFFF <= 0xFF:
            creators[element.tag] = decode_text(raw, self._terms).strip(" \0")
        if raw.isascii() and b"\x1b" not in raw:
            return None
        text = decode_text(raw, self._terms).encode("utf-8", "replace")
        text += b" " * (len(text) % 2)
        return None if text == raw else [header(coding, element.tag, element.vr, len(text)), text]

    def _sequence(self, element: Element, coding: Coding, depth: int, own_texts: bool) -> list[Piece] | None:
        pieces: list[Piece] = []
        changed = False
        for item in self._reader.items(element, coding):
            new = self._item(item, depth + 1, own_texts) if item.tag == ITEM else None
            changed |= new is not None
            pieces += new or [(item.start, item.end)]
        if not changed:
            return None
        if element.length == UNDEFINED:
            return joined([(element.start, element.value), *pieces])
        return joined([header(coding, element.tag, element.vr, length_of(pieces)), *pieces])

    def _item(self, item: Item, depth: int, own_texts: bool) -> list[Piece] | None:
        elements = list(self._reader.elements(item.value, item.stop, item.coding))
        own = [self._reader.raw(one) for one in elements if one.tag == CHARACTER_SET]
        own_texts = own_texts or any(character_sets(raw) for raw in own)
        pieces: list[Piece] = []
        creators: dict[int, str] = {}
        changed = names_moved = False
        for element in elements:
            new = self.element(element, item.coding, creators, depth, own_texts=own_texts)
            if element.tag == STUDY_INSTANCE_UID and names_moved and self._references:
                new = self._written(element, item.coding, self._references.study_instance_uid)
            changed |= new is not None
            names_moved |= new is not None and element.tag == REFERENCED_SERIES
            if element.tag == CHARACTER_SET and self._to_utf_8 and not own_texts:
                # An empty one: what holds above holds here too.
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
