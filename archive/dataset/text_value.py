"""Texts by their Specific Character Set (PS3.5 6.1.2), as they were received."""

from collections.abc import Sequence

from pydicom.charset import convert_encodings, decode_bytes, python_encoding

from archive.dataset.dataset_error import DatasetError, guarded

# PS3.5 6.1.2.5.3: control characters and these end a code extension.
_DELIMITERS = {0x0A, 0x0C, 0x0D, 0x09, 0x5C, 0x5E, 0x3D}


def character_sets(raw: bytes) -> list[str]:
    """Split the value of Specific Character Set (PS3.3 C.12.1.1.2)."""
    return [term.strip(" \0") for term in raw.decode("latin-1").split("\\")] if raw.strip(b" \0") else []


def encodings_of(terms: Sequence[str]) -> list[str]:
    """Find Python's codecs for Defined Terms; for an unknown term the default repertoire."""
    terms = [term or "ISO_IR 6" for term in terms] or ["ISO_IR 6"]
    if len(terms) == 1 and terms[0] in python_encoding:
        return [python_encoding[terms[0]]]
    try:
        with guarded("unknown character set"):
            return convert_encodings(list(terms))
    except DatasetError:
        return ["iso8859"]


def decode_text(raw: bytes, terms: Sequence[str]) -> str:
    """Decode a text value by its Specific Character Set (PS3.5 6.1.2); never raises.

    Bytes that the declared sets don't allow, or that come with none declared, are taken for UTF-8 if they
    are UTF-8, since that is what careless senders mostly write; else each is replaced or read as Latin-1.
    """
    if raw.isascii() and b"\x1b" not in raw and not terms:
        return raw.decode("ascii")
    encodings = encodings_of(terms)
    try:
        if b"\x1b" in raw:
            with guarded("text not readable"):
                return decode_bytes(raw, encodings, _DELIMITERS)
        return raw.decode(encodings[0] if terms else "utf-8")
    except (UnicodeError, LookupError, DatasetError):
        return _decode_broken(raw, encodings[0])


def _decode_broken(raw: bytes, encoding: str) -> str:
    for codec, errors in (("utf-8", "strict"), (encoding, "replace")):
        try:
            return raw.decode(codec, errors)
        except (UnicodeError, LookupError):
            continue
    return raw.decode("latin-1")
