"""Attributes of a dataset or an item, decoded but neither converted nor judged."""

import mmap
from collections.abc import Sequence
from typing import Final, TypedDict

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from archive.dataset.dataset_error import DatasetError, guarded
from archive.dataset.element_coding import coding_of
from archive.dataset.tags import PIXELS
from archive.dataset.text_value import character_sets, decode_text

_CHARACTER_SET: Final = 0x00080005


class Name(TypedDict):
    """A PN: as received, and its component groups (PS3.5 6.2.1.2)."""

    raw: str
    alphabetic: str
    ideographic: str
    phonetic: str


def parse(
    buffer: mmap.mmap,
    start: int,
    transfer_syntax: str,
    tags: list[BaseTag | int] | None = None,
    *,
    defer: int | None = None,
) -> Dataset:
    """Parse the dataset up to its pixels, leaving values as raw bytes; longer ones than `defer` unread."""
    coding = coding_of(transfer_syntax)
    buffer.seek(start)
    with guarded("header not readable", start):
        return read_dataset(
            buffer,  # type: ignore[arg-type]  # a map reads, seeks and tells as a file does
            not coding.explicit,
            coding.order == "little",
            stop_when=lambda tag, vr, length: tag in PIXELS,
            defer_size=defer,
            specific_tags=tags,
        )


def name_of(text: str) -> Name:
    """Split a decoded PN into component groups (PS3.5 6.2.1.2)."""
    groups = [group.strip(" ") for group in text.split("=")] + ["", "", ""]
    return Name(raw=text, alphabetic=groups[0], ideographic=groups[1], phonetic=groups[2])


class Attributes:
    """Attributes of a dataset or an item, read without ever raising; what can't be read is noted."""

    def __init__(self, dataset: Dataset, terms: Sequence[str], problems: list[str]) -> None:
        self.dataset = dataset
        self.problems = problems
        # The library converts elements on the way to others: take them while they are as received.
        self.elements = {
            int(tag): dataset.get_item(tag, keep_deferred=True)
            for tag in dataset.keys()  # noqa: SIM118  (iterating a Dataset converts its elements)
        }
        raw = self.raw(_CHARACTER_SET)
        self.terms = character_sets(raw) if raw.strip(b" \0") else list(terms)

    def raw(self, tag: int) -> bytes:
        """Read the bytes of a value; b'' if absent, too long, or no bytes."""
        element = self.elements.get(tag)
        if element is None:
            return b""
        if isinstance(element.value, bytes):
            return element.value
        if element.value is not None or getattr(element, "length", None):
            self.problem(tag)
        return b""

    def problem(self, tag: int) -> None:
        if len(self.problems) < 100:
            self.problems.append(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) not readable")

    def text(self, tag: int) -> str:
        """Read a text as received, padding removed (PS3.5 6.2)."""
        return decode_text(self.raw(tag), self.terms).strip(" \0")

    def texts(self, tag: int) -> list[str]:
        text = self.text(tag)
        return [value.strip(" \0") for value in text.split("\\")] if text else []

    def name(self, tag: int) -> Name:
        return name_of(self.text(tag))

    def number(self, tag: int) -> int | None:
        """Read the first value of a US."""
        raw = self.raw(tag)
        little = self.dataset.original_encoding[1] is not False
        return int.from_bytes(raw[:2], "little" if little else "big") if len(raw) >= 2 else None

    def items(self, tag: int) -> list["Attributes"]:
        """Read the items of a sequence."""
        if tag not in self.elements:
            return []
        try:
            with guarded("sequence not readable"):
                element = self.dataset[tag]
                items = list(element.value or [])
                if not all(isinstance(item, Dataset) for item in items):
                    raise DatasetError("sequence not readable")
        except DatasetError:
            self.problem(tag)
            return []
        return [Attributes(item, self.terms, self.problems) for item in items]
