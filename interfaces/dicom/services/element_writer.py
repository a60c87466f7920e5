"""Write data elements straight to bytes: worklist answers are many, small and alike.

About ten times as fast as building and writing a pydicom data set for each answer.
"""

import struct
import unicodedata
from collections.abc import Iterable
from typing import Final

from pydicom.charset import convert_encodings, decode_bytes, encode_string, python_encoding
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian
from pydicom.valuerep import TEXT_VR_DELIMS, PersonName

_LONG: Final = frozenset({"SQ", "UT", "UC", "UR", "OB", "OW", "UN"})
_IN_CHARACTER_SET: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_SINGLE: Final = {"": "ascii", "ISO_IR 6": "ascii"} | {
    name: codec
    for name, codec in python_encoding.items()
    if name.startswith(("ISO_IR 1", "GB")) and name != "ISO_IR 13"
}
REPLACEMENT: Final = "_"
"""Stands for a character that the receiver's character set can't hold."""


class CharacterSet:
    """A Specific Character Set (PS3.3 C.12.1.1.2) to write text in."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._codec = _SINGLE.get(name)
        self._codecs = [] if self._codec else convert_encodings(name.split("\\"))
        # Without a first value the default repertoire is ISO_IR 6; pydicom would write Latin-1 there.
        self._begins_with_ascii = name.split("\\")[0] in ("", "ISO 2022 IR 6")

    def encode(self, value: str, vr: str) -> bytes:
        """The bytes of a text; raises UnicodeEncodeError for what the set can't hold."""
        if self._codec:
            return value.encode(self._codec)
        if value.isascii():
            return value.encode("ascii")
        encoded, back = self._person_name(value) if vr == "PN" else self._text(value)
        if back != value or (self._begins_with_ascii and any("\x80" <= letter <= "\xff" for letter in value)):
            raise UnicodeEncodeError(self.name, value, 0, len(value), "not in the character set")
        return encoded

    def _person_name(self, value: str) -> tuple[bytes, str]:
        encoded = PersonName(value).encode(self._codecs)
        return encoded, str(PersonName(encoded, self._codecs))

    def _text(self, value: str) -> tuple[bytes, str]:
        encoded = encode_string(value, self._codecs)
        return encoded, decode_bytes(encoded, self._codecs, TEXT_VR_DELIMS)

    def reduce(self, value: str, vr: str) -> bytes:
        """The bytes of a text of which the set can't hold all: base letters, and `_` where there is none."""
        return "".join(self._reduced(letter, vr) for letter in value).encode(
            self._codec or "ascii", "replace"
        )

    def _reduced(self, letter: str, vr: str) -> str:
        for candidate in (letter, unicodedata.normalize("NFKD", letter)[:1], REPLACEMENT):
            try:
                self.encode(candidate, vr)
            except UnicodeEncodeError:
                continue
            return candidate
        return REPLACEMENT


class ElementWriter:
    """Writes elements in one transfer syntax and character set; `strict` raises where `reduce` would help."""

    def __init__(self, transfer_syntax: str, character_set: CharacterSet, *, strict: bool) -> None:
        self._order = ">" if transfer_syntax == ExplicitVRBigEndian else "<"
        self._implicit = transfer_syntax == ImplicitVRLittleEndian
        self._set = character_set
        self._strict = strict

    def element(self, tag: int, vr: str, value: str | int | float | bytes | None) -> bytes:
        """One element; None and empty text are of zero length. Numbers as text for DS and IS."""
        return self._raw(tag, vr, self._value(vr, value))

    def sequence(self, tag: int, items: Iterable[bytes]) -> bytes:
        """A sequence of items whose elements are written already, all of defined length."""
        body = b"".join(struct.pack(f"{self._order}HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
        return self._raw(tag, "SQ", body)

    def _value(self, vr: str, value: str | int | float | bytes | None) -> bytes:
        if value is None or value == "":
            return b""
        if isinstance(value, bytes):
            return value
        if vr == "US":
            return struct.pack(f"{self._order}H", int(value))
        text = f"{value:.10g}" if isinstance(value, float) else str(value)
        data = self._encoded(text, vr)
        return data + (b"\0" if vr == "UI" else b" ") if len(data) % 2 else data

    def _encoded(self, text: str, vr: str) -> bytes:
        if vr not in _IN_CHARACTER_SET:
            return text.encode("ascii", "replace")
        try:
            return self._set.encode(text, vr)
        except UnicodeError:
            if self._strict:
                raise
            return self._set.reduce(text, vr)

    def _raw(self, tag: int, vr: str, data: bytes) -> bytes:
        group, number = tag >> 16, tag & 0xFFFF
        if self._implicit:
            return struct.pack(f"{self._order}HHI", group, number, len(data)) + data
        head = struct.pack(f"{self._order}HH", group, number) + vr.encode()
        if vr in _LONG:
            return head + struct.pack(f"{self._order}HI", 0, len(data)) + data
        return head + struct.pack(f"{self._order}H", len(data)) + data
