"""Specific Character Set (PS3.3 C.12.1.1.2) of what is sent: which texts fit it."""

import re
from collections.abc import Sequence
from typing import Final

from pydicom.charset import encode_string, python_encoding
from pydicom.valuerep import PersonName

from archive.dataset.dataset_error import DatasetError, guarded
from archive.dataset.text_value import decode_text, encodings_of

CHARACTER_SET: Final = 0x00080005
UTF_8: Final = "ISO_IR 192"
LOCALISED: Final = frozenset((b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UT"))  # PS3.5 6.1.2.2
_ASCII_FIRST: Final = ("", "ISO_IR 6", "ISO 2022 IR 6")
_UNSENDABLE: Final = re.compile(r"[\\\x00-\x1f\x7f]")


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
