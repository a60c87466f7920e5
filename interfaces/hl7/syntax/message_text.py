"""Messages as text, for people who read and repair them, and back to bytes."""

from typing import Final

from interfaces.hl7.syntax import character_sets, er7
from interfaces.hl7.syntax.character_sets import Er7Error


def decoded(raw: bytes, charset: str = "") -> str:
    """A message as text, in `charset` or the set that it declares; never refused, Latin-1 at worst."""
    try:
        header = er7.read_header(raw)
        declared = (header.charsets, header.charset_handling)
        return character_sets.decode(raw, *declared, charset or None, detect=True).text
    except Er7Error:
        pass
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def encoded(text: str) -> bytes:
    """A repaired message as bytes of the character set that it declares; line ends become segment ends.

    Raises `Er7Error` where it has no MSH, or holds characters that its set lacks.
    """
    text = text.replace("\r\n", "\r").replace("\n", "\r")
    declared = er7.read_header(text.encode("utf-8", "replace")).charsets
    try:
        return character_sets.encode(text, "~".join(declared)) if declared else text.encode()
    except UnicodeEncodeError as error:
        raise Er7Error(102, character_sets.LOCATION, "a character can't be written as Unicode") from error


def visible(text: str) -> str:
    """Control characters as their symbols (U+2400 on), and those that turn the direction of writing as codes,
    so that they show and do nothing."""
    return text.translate(_SYMBOLS)


_SYMBOLS: Final[dict[int, int | str]] = {
    **{code: 0x2400 + code for code in range(0x20)},
    0x7F: 0x2421,
    **{
        code: f"<U+{code:04X}>"
        for code in (*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    },
}
