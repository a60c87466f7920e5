r"""Reader of ER7 text, HL7 v2.1 to 2.8 (HL7 v2.5.1 2.5, 2.7, 2.15.9): lazy and immutable.

message → segment → field → repetition → component → subcomponent, each split when it is first asked for.
All numbers are 1-based as in the standard. A part that a message hasn't is empty, never an error:
`""` is a value of its own (delete, 2.5.3) and comes out as these two characters, see `Field.is_null`.

Tolerated: CR, LF and CRLF as segment ends, empty lines, white space or a byte order mark before MSH, NUL
and other control characters in values, fields and segments that no version knows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from interfaces.hl7.syntax import character_sets
from interfaces.hl7.syntax.character_sets import Er7Error

__all__ = [
    "DEFAULT_DELIMITERS",
    "NULL",
    "Delimiters",
    "Er7Error",
    "Field",
    "Header",
    "Message",
    "Path",
    "Repetition",
    "Segment",
    "Segments",
    "parse",
    "parse_path",
    "parse_text",
    "read_header",
    "unescape",
]

NULL = '""'
MAX_SEGMENTS = 5_000
MAX_DELIMITERS = 200_000
MAX_REPETITIONS = 2_000
MAX_HEADER_BYTES = 65_536

_BLANK_BEFORE_MSH = "\ufeff \t\r\n\v\f\0"
_BLANK_BYTES_BEFORE_MSH = re.compile(rb"(?:\xef\xbb\xbf|[\s\0])*")
_END = re.compile(r"[\r\n]")
_END_BYTE = re.compile(rb"[\r\n]")
_HEADER_SEGMENTS = frozenset({"MSH", "FHS", "BHS"})
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and MSH-2 (2.15.9.1, 2.15.9.2); the truncation character is of 2.7. An absent one is empty."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @property
    def encoding_characters(self) -> str:
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation

    @property
    def is_complete(self) -> bool:
        """Whether everything can be written with these; the truncation character isn't needed."""
        used = self.field + self.encoding_characters
        return bool(self.subcomponent) and len(set(used)) == len(used)


DEFAULT_DELIMITERS = Delimiters()
_VERBATIM = Delimiters("", "", "", "", "")


class _Syntax(NamedTuple):
    delimiters: Delimiters
    codec: str


_NO_SYNTAX = _Syntax(_VERBATIM, "ascii")


class Repetition:
    """One repetition of a field."""

    __slots__ = ("_parts", "_syntax", "raw")

    def __init__(self, raw: str, syntax: _Syntax) -> None:
        self.raw = raw
        self._syntax = syntax
        self._parts: tuple[str, ...] | None = None

    @property
    def components(self) -> tuple[str, ...]:
        """Raw text of the components."""
        if self._parts is None:
            self._parts = _split(self.raw, self._syntax.delimiters.component)
        return self._parts

    @property
    def text(self) -> str:
        """Everything, delimiters as they stand: for TX, FT and ST whose sender doesn't escape."""
        return unescape(self.raw, self._syntax.delimiters, self._syntax.codec)

    def subcomponents(self, n: int) -> tuple[str, ...]:
        """Raw text of the subcomponents of component n; a plain value is one."""
        return _split(_at(self.components, n), self._syntax.delimiters.subcomponent)

    def component(self, n: int, sub: int = 1) -> str:
        """Value of a subcomponent, unescaped; empty when absent."""
        part = _at(self.components, n)
        if part.isalnum():  # delimiters are punctuation
            return part if sub == 1 else ""
        delimiters, codec = self._syntax
        if delimiters.subcomponent and delimiters.subcomponent in part:
            part = _at(tuple(part.split(delimiters.subcomponent)), sub)
        elif sub != 1:
            return ""
        return unescape(part, delimiters, codec)


class Field:
    """A field; one that the segment hasn't is empty."""

    __slots__ = ("_repetitions", "_syntax", "raw")

    def __init__(self, raw: str, syntax: _Syntax) -> None:
        self.raw = raw
        self._syntax = syntax
        self._repetitions: tuple[Repetition, ...] | None = None

    @property
    def is_empty(self) -> bool:
        return not self.raw

    @property
    def is_null(self) -> bool:
        """The field says that the value is to be deleted (2.5.3)."""
        return self.raw == NULL

    @property
    def repetitions(self) -> tuple[Repetition, ...]:
        """None for an empty field."""
        if self._repetitions is None:
            parts = _split(self.raw, self._syntax.delimiters.repetition)
            self._repetitions = tuple([Repetition(part, self._syntax) for part in parts])
        return self._repetitions

    @property
    def value(self) -> str:
        """First subcomponent of the first component of the first repetition, unescaped."""
        return self.component(1)

    @property
    def text(self) -> str:
        """The whole first repetition unescaped, see `Repetition.text`."""
        return self.repetitions[0].text if self.raw else ""

    def component(self, n: int, sub: int = 1) -> str:
        """Value in the first repetition."""
        if self.raw.isalnum():
            return self.raw if n == sub == 1 else ""
        return self.repetitions[0].component(n, sub) if self.raw else ""


_EMPTY = Field("", _NO_SYNTAX)


class Segment:
    """A segment; `index` counts those of the same name in the message (ERL-2)."""

    __slots__ = ("_fields", "_parts", "_syntax", "index", "name", "raw")

    def __init__(self, raw: str, name: str, index: int, syntax: _Syntax) -> None:
        self.raw = raw
        self.name = name
        self.index = index
        self._syntax = syntax
        self._parts: list[str] | None = None
        self._fields: dict[int, Field] = {}

    def field(self, n: int) -> Field:
        """Field n. MSH-1 is the separator itself, MSH-2 the encoding characters (2.15.9.1, 2.15.9.2)."""
        found = self._fields.get(n)
        if found is None:
            raw = self._raw_field(n)
            if not raw:
                return _EMPTY
            verbatim = n <= 2 and self.name in _HEADER_SEGMENTS
            found = self._fields[n] = Field(raw, _NO_SYNTAX if verbatim else self._syntax)
        return found

    def location(self, field: int | None = None, rep: int | None = None, component: int | None = None) -> str:
        """Where, as ERR-2 (`PID^1^3^1^2`, ERL) and ERR-1 (`PID^1^3`, ELD) write it (2.15.5)."""
        if component is not None and rep is None:
            rep = 1
        parts = (self.name, self.index, field, rep, component)
        return "^".join(str(part) for part in parts if part is not None)

    def _raw_field(self, n: int) -> str:
        if self._parts is None:
            separator = self._syntax.delimiters.field
            self._parts = self.raw.split(separator)
            if self.name in _HEADER_SEGMENTS:
                self._parts.insert(1, separator)
        return self._parts[n] if 0 < n < len(self._parts) else ""

    def __repr__(self) -> str:
        return f"<Segment {self.location()}>"


class Segments:
    """Segments in their order: a message or a group of one."""

    __slots__ = ("_by_name", "segments")

    def __init__(self, segments: tuple[Segment, ...]) -> None:
        self.segments = segments
        self._by_name: dict[str, list[Segment]] | None = None

    def all(self, name: str) -> Iterator[Segment]:
        return iter(self._named(name))

    def first(self, name: str) -> Segment | None:
        named = self._named(name)
        return named[0] if named else None

    def get(self, path: str) -> str:
        """Value at `SEG[n]-field[rep].component.subcomponent`; numbers left out are 1. Empty when absent.

        n counts within the group when this is one. Raises ValueError for a text that is no path.
        """
        where = parse_path(path)
        named = self._named(where.segment)
        if where.occurrence > len(named):
            return ""
        field = named[where.occurrence - 1].field(where.field)
        if where.repetition == 1:
            return field.component(where.component, where.subcomponent)
        repetitions = field.repetitions
        if where.repetition > len(repetitions):
            return ""
        return repetitions[where.repetition - 1].component(where.component, where.subcomponent)

    def groups(self, start: str = "ORC") -> "tuple[Segments, ...]":
        """The segments from each `start` to the next one; those before the first `start` are left out."""
        starts = [place for place, segment in enumerate(self.segments) if segment.name == start]
        ends = [*starts[1:], len(self.segments)]
        return tuple(Segments(self.segments[a:b]) for a, b in zip(starts, ends, strict=False))

    def _named(self, name: str) -> Sequence[Segment]:
        if self._by_name is None:
            self._by_name = {}
            for segment in self.segments:
                self._by_name.setdefault(segment.name, []).append(segment)
        return self._by_name.get(name, ())


class Message(Segments):
    """A whole message; the first segment is MSH."""

    __slots__ = ("codec", "delimiters")

    def __init__(self, segments: tuple[Segment, ...], delimiters: Delimiters, codec: str) -> None:
        super().__init__(segments)
        self.delimiters = delimiters
        self.codec = codec

    def encode(self) -> str:
        """The text as it came, each segment ended by CR."""
        return "".join(segment.raw + "\r" for segment in self.segments)


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


class Path(NamedTuple):
    segment: str
    occurrence: int
    field: int
    repetition: int
    component: int
    subcomponent: int


_PATH = re.compile(
    r"([A-Z][A-Z0-9]{2})(?:\[([1-9]\d{0,5})\])?-([1-9]\d{0,3})(?:\[([1-9]\d{0,5})\])?"
    r"(?:\.([1-9]\d{0,3})(?:\.([1-9]\d{0,3}))?)?"
)


@lru_cache(maxsize=1024)
def parse_path(text: str) -> Path:
    """Raises ValueError, as paths are written by us and by sites, not by senders."""
    match = _PATH.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a path such as PID-5, PID-3[2].4.1 or OBX[3]-5")
    segment, *numbers = match.groups()
    return Path(segment, *(int(number or 1) for number in numbers))


def parse(raw: bytes, charset: str | None = None) -> Message:
    """Read the bytes of one message, decoded by MSH-18 and MSH-20 or by `charset` in their place.

    Raises Er7Error: 100 no MSH or too many segments, 101 no MSH-2, 102 unusable delimiters, too many
    separators or undecodable bytes, 103 unknown character set.
    """
    utf16 = character_sets.sniff_utf16(raw) is not None
    names, handling = ([], "") if utf16 else _declared_charsets(_first_line(raw))
    text, codec = character_sets.decode(raw, names, handling, charset)
    return _read(text, codec)


def without_nul(raw: bytes) -> bytes:
    """The message without NUL, which some senders pad with and no text column takes."""
    return raw if b"\0" not in raw or character_sets.sniff_utf16(raw) else raw.replace(b"\0", b"")


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
        return _header(*character_sets.decode(line, names, handling))
    except Er7Error:
        return _header(line.decode("latin-1"), "latin-1")


def unescape(text: str, delimiters: Delimiters, codec: str = "utf-8") -> str:
    r"""Resolve escape sequences (2.7): `\F\ \S\ \T\ \R\ \E\ \P\ \Xhh..\ \.br\`, character sets `\C..\ \M..\`.

    `\H\` and `\N\` are dropped; what isn't known (other formatting of 2.7.6, `\Z..\` of 2.7.7, a lone escape
    character, bytes that the set hasn't) stays as it is.
    """
    if not delimiters.escape or delimiters.escape not in text:
        return text
    pattern = _escape_pattern(delimiters.escape)
    if _switch_pattern(delimiters.escape).search(text):
        return _unescape_switched(text, delimiters, codec)
    return pattern.sub(lambda match: _resolve(match, delimiters, codec), text)


@lru_cache(maxsize=64)
def _escape_pattern(escape: str) -> re.Pattern[str]:
    e, hh = re.escape(escape), "(?:[0-9A-Fa-f]{2})+"
    return re.compile(
        f"{e}(?:(?P<letter>[FSTREPHN])|(?P<br>\\.br)|X(?P<hex>{hh}(?:{e}{e}X{hh})*)"
        f"|\\.[a-z]{{2}}[+-]?[0-9]*|Z[^{e}]*){e}"
    )


@lru_cache(maxsize=64)
def _switch_pattern(escape: str) -> re.Pattern[str]:
    e = re.escape(escape)
    return re.compile(f"{e}(C[0-9A-Fa-f]{{4}}|M(?:[0-9A-Fa-f]{{2}}){{2,3}}){e}")


def _resolve(match: re.Match[str], delimiters: Delimiters, codec: str) -> str:
    letter = match["letter"]
    if letter is not None:
        return _letter(letter, delimiters)
    if match["br"] is not None:
        return "\n"
    if match["hex"] is not None:
        digits = match["hex"].replace(delimiters.escape * 2 + "X", "")
        decoded = character_sets.decode_escaped(bytes.fromhex(digits), codec)
        return match[0] if decoded is None else decoded
    return match[0]


def _letter(letter: str, delimiters: Delimiters) -> str:
    meanings = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent or "&",
        "R": delimiters.repetition or "~",
        "E": delimiters.escape,
        "P": delimiters.truncation or "#",
    }
    return meanings.get(letter, "")


def _unescape_switched(text: str, delimiters: Delimiters, codec: str) -> str:
    r"""After `\C..\` or `\M..\` the characters are codes of that set, until the next one (2.7.2)."""
    pieces = _switch_pattern(delimiters.escape).split(text)
    pattern = _escape_pattern(delimiters.escape)
    out = [pattern.sub(lambda match: _resolve(match, delimiters, codec), pieces[0])]
    for switch, rest in zip(pieces[1::2], pieces[2::2], strict=True):
        run = pattern.sub(lambda match: _resolve(match, delimiters, "latin-1"), rest)
        decoded = character_sets.decode_switched(run, bytes.fromhex(switch[1:]))
        out.append(f"{delimiters.escape}{switch}{delimiters.escape}{run}" if decoded is None else decoded)
    return "".join(out)


def _split(text: str, separator: str) -> tuple[str, ...]:
    if not text:
        return ()
    return tuple(text.split(separator)) if separator else (text,)


def _at(parts: Sequence[str], n: int) -> str:
    return parts[n - 1] if 0 < n <= len(parts) else ""


def _read(text: str, codec: str) -> Message:
    text = text.lstrip(_BLANK_BEFORE_MSH).replace("\r\n", "\r").replace("\n", "\r").rstrip("\r")
    delimiters = _read_delimiters(text)
    _check_size(text, delimiters)
    syntax = _Syntax(delimiters, codec)
    counts: dict[str, int] = {}
    segments = []
    for line in text.split("\r"):
        if line:
            name = line.split(delimiters.field, 1)[0]
            counts[name] = counts.get(name, 0) + 1
            segments.append(Segment(line, name, counts[name], syntax))
    return Message(tuple(segments), delimiters, codec)


def _read_delimiters(text: str) -> Delimiters:
    """MSH-1 and MSH-2, refused where a value could be read in two ways."""
    separator = _field_separator(text)
    encoding = text[4:].split("\r", 1)[0].split(separator, 1)[0]
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


def _check_size(text: str, delimiters: Delimiters) -> None:
    """Refuse what would cost too much to split, before it is split."""
    if text.count("\r") >= MAX_SEGMENTS:
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
                position = place + (fields[0] in _HEADER_SEGMENTS)
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
    syntax = _Syntax(delimiters, codec)

    def field(n: int) -> Field:
        return Field(fields[n], syntax) if n < len(fields) else _EMPTY

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
