r"""Reader of ER7 text, HL7 v2.1 to 2.8 (HL7 v2.5.1 2.5, 2.15.9): bytes to a message, or its header alone.

Tolerated: CR, LF and CRLF as segment ends, empty lines, white space or a byte order mark before MSH, NUL
and other control characters in values, fields and segments that no version knows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from interfaces.hl7.syntax import character_sets
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.escapes import DEFAULT_DELIMITERS, Delimiters, unescape
from interfaces.hl7.syntax.message_parts import EMPTY, HEADER_SEGMENTS, Field, Message, Segment, Syntax

MAX_SEGMENTS = 5_000
MAX_DELIMITERS = 200_000
MAX_REPETITIONS = 2_000
MAX_HEADER_BYTES = 65_536
LONG = 1024 * 1024
"""Bytes or characters from which on a message is not copied in passing: there is room for few of it."""

_BLANK_BEFORE_MSH = "\ufeff \t\r\n\v\f\0"
_BLANK_BYTES_BEFORE_MSH = re.compile(rb"(?:\xef\xbb\xbf|[\s\0])*")
_END = re.compile(r"[\r\n]")
_END_BYTE = re.compile(rb"[\r\n]")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


@dataclass(frozen=True, slots=True)
class Header:
    """What routes and acknowledges a message (MSH, 2.15.9), read before the message itself is.

    Values are unescaped first components; `raw` has the fields as they came.
    """

    delimiters: Delimiters
    codec: str
    fields: tuple[str, ...]
    sending_application: str
    sending_facility: str
    receiving_application: str
    receiving_facility: str
    time: str
    message_code: str
    trigger: str
    structure: str
    control_id: str
    processing_id: str
    version: str
    sequence_number: str
    accept_ack: str
    application_ack: str
    charsets: tuple[str, ...]
    charset_handling: str

    def raw(self, n: int) -> str:
        """MSH-n as it came, empty when absent."""
        return self.fields[n] if 0 < n < len(self.fields) else ""


def parse(raw: bytes, charset: str | None = None, *, detect: bool = True) -> Message:
    """Read the bytes of one message, decoded by MSH-18 and MSH-20 or by `charset` in their place.

    With `detect`, bytes of another set than MSH-18 says are read as what they are (`Message.declared`).

    Raises Er7Error: 100 no MSH or too many segments, 101 no MSH-2, 102 unusable delimiters, too many
    separators or undecodable bytes, 103 unknown character set.
    """
    utf16 = character_sets.sniff_utf16(raw) is not None
    names, handling = ([], "") if utf16 else _declared_charsets(_first_line(raw))
    return _read(*character_sets.decode(raw, names, handling, charset, detect=detect))


def without_nul(raw: bytes) -> bytes:
    """The message without the NUL that some senders pad values, segments and messages with at their ends.

    Within a value it stays: without it that would be another one (`check_nul`).
    """
    if b"\0" not in raw or character_sets.sniff_utf16(raw):
        return raw
    line = _first_line(raw)
    separator = line[3:4]
    marks = line[4:].split(separator, 1)[0][:5] if separator else b""
    ends = separator + marks[:2] + marks[3:] + b"\r\n"
    return re.sub(rb"(?<!\0)\0++(?=[" + re.escape(ends) + rb"]|\Z)|(?<=[\r\n])\0++", b"", raw)


def check_nul(message: Message) -> None:
    """Raises `Er7Error` 102 with its place for NUL within a value, which no text column takes."""
    for segment in message.segments:
        if "\0" in segment.raw:
            before = segment.raw[: segment.raw.index("\0")].count(message.delimiters.field)
            field = before + (segment.name in HEADER_SEGMENTS)
            name = segment.name.replace("\0", "")[:3]
            place = f"{name}^{segment.index}^{field}" if before else f"{name}^{segment.index}"
            raise Er7Error(102, place, "holds a NUL character")


def parse_text(text: str) -> Message:
    """Read text that is decoded already. Raises Er7Error as `parse` does."""
    return _read(text, "utf-8")


def read_header(raw: bytes) -> Header:
    """Read MSH alone, for routing and for an ACK even when the rest can't be read.

    What isn't usable in MSH-2 is replaced by its default. Raises Er7Error 100 when there is no MSH.
    """
    utf16 = character_sets.sniff_utf16(raw)
    if utf16 is not None:
        return _header(raw[:MAX_HEADER_BYTES].decode(utf16, errors="ignore").lstrip(_BLANK_BEFORE_MSH), utf16)
    line = _first_line(raw)
    names, handling = _declared_charsets(line)
    try:
        return _header(*character_sets.decode(line, names, handling)[:2])
    except Er7Error:
        return _header(line.decode("latin-1"), "latin-1")


def _read(text: str, codec: str, declared: str = "") -> Message:
    text = text.lstrip(_BLANK_BEFORE_MSH).replace("\r\n", "\r").replace("\n", "\r")
    end = len(text)
    while end and text[end - 1] == "\r":
        end -= 1
    delimiters = _read_delimiters(text)
    _check_size(text, end, delimiters)
    syntax = Syntax(delimiters, codec)
    counts: dict[str, int] = {}
    segments = []
    for line in _lines(text, end):
        separator = line.find(delimiters.field)
        name = line[:separator] if separator >= 0 else line
        counts[name] = counts.get(name, 0) + 1
        segments.append(Segment(line, name, counts[name], syntax))
    return Message(tuple(segments), delimiters, codec, declared)


def _lines(text: str, end: int) -> Iterator[str]:
    """The lines up to `end` that are not empty; nothing is copied but each of them, as they may be long."""
    if end <= LONG:
        yield from filter(None, text[:end].split("\r"))
        return
    start = 0
    while start < end:
        stop = text.find("\r", start, end)
        stop = end if stop < 0 else stop
        if stop > start:
            yield text[start:stop]
        start = stop + 1


def _read_delimiters(text: str) -> Delimiters:
    """MSH-1 and MSH-2, refused where a value could be read in two ways."""
    separator = _field_separator(text)
    encoding = text[4:MAX_HEADER_BYTES].split("\r", 1)[0].split(separator, 1)[0]
    if not encoding:
        raise Er7Error(101, "MSH^1^2", "MSH-2, the encoding characters, is empty")
    if not _usable(encoding):
        raise Er7Error(102, "MSH^1^2", f"MSH-2 {encoding[:20]!r} is not four or five different delimiters")
    return _delimiters(separator, encoding)


def _usable(encoding: str) -> bool:
    distinct = set(encoding)
    return 0 < len(encoding) <= 5 and len(distinct) == len(encoding) and distinct <= _PUNCTUATION


def _delimiters(separator: str, encoding: str) -> Delimiters:
    return Delimiters(separator, *encoding, *[""] * (5 - len(encoding)))


def _field_separator(text: str) -> str:
    if not text.startswith("MSH") or text[3:4] not in _PUNCTUATION:
        raise Er7Error(100, "MSH^1", "the message does not begin with MSH and a field separator")
    return text[3]


def _check_size(text: str, end: int, delimiters: Delimiters) -> None:
    """Refuse what would cost too much to split, before it is split."""
    if text.count("\r", 0, end) >= MAX_SEGMENTS:
        raise Er7Error(100, "", f"the message has more than {MAX_SEGMENTS} segments")
    if (
        sum(text.count(delimiter) for delimiter in delimiters.field + delimiters.encoding_characters)
        > MAX_DELIMITERS
    ):
        raise Er7Error(102, "", f"the message has more than {MAX_DELIMITERS} delimiters")
    if delimiters.repetition and text.count(delimiters.repetition) >= MAX_REPETITIONS:
        _check_repetitions(text, delimiters)


def _check_repetitions(text: str, delimiters: Delimiters) -> None:
    seen: list[str] = []
    for line in text.split("\r"):
        fields = line.split(delimiters.field)
        seen.append(fields[0])
        for place, field in enumerate(fields):
            if field.count(delimiters.repetition) >= MAX_REPETITIONS:
                position = place + (fields[0] in HEADER_SEGMENTS)
                where = f"{fields[0][:3]}^{seen.count(fields[0])}^{position}"
                raise Er7Error(102, where, f"the field has more than {MAX_REPETITIONS} repetitions")


def _first_line(raw: bytes) -> bytes:
    blank = _BLANK_BYTES_BEFORE_MSH.match(raw, 0, MAX_HEADER_BYTES)
    start = blank.end() if blank else 0
    return _END_BYTE.split(raw[start : start + MAX_HEADER_BYTES], maxsplit=1)[0]


def _declared_charsets(line: bytes) -> tuple[list[str], str]:
    """MSH-18 and MSH-20, which are ASCII, of bytes that aren't decoded yet."""
    text = line.decode("latin-1")
    fields = text.split(_field_separator(text), 20)
    fields += [""] * (20 - len(fields))
    repetition = fields[1][1:2] or DEFAULT_DELIMITERS.repetition
    return fields[17].split(repetition), fields[19]


def _header(line: str, codec: str) -> Header:
    separator = _field_separator(line)
    fields = _END.split(line, maxsplit=1)[0].split(separator)
    fields.insert(1, separator)
    encoding = fields[2] if len(fields) > 2 else ""
    delimiters = _delimiters(separator, encoding) if _usable(encoding) else Delimiters(separator)
    syntax = Syntax(delimiters, codec)

    def field(n: int) -> Field:
        return Field(fields[n], syntax) if n < len(fields) else EMPTY

    return Header(
        delimiters=delimiters,
        codec=codec,
        fields=tuple(fields),
        sending_application=field(3).value,
        sending_facility=field(4).value,
        receiving_application=field(5).value,
        receiving_facility=field(6).value,
        time=field(7).value,
        message_code=field(9).value,
        trigger=field(9).component(2),
        structure=field(9).component(3),
        control_id=unescape(field(10).raw, delimiters, codec),
        processing_id=field(11).value,
        version=field(12).value,
        sequence_number=field(13).value,
        accept_ack=field(15).value,
        application_ack=field(16).value,
        charsets=tuple(repetition.text for repetition in field(18).repetitions),
        charset_handling=field(20).value,
    )
