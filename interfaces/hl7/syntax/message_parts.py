r"""What a message is made of (HL7 v2.5.1 2.5, 2.15.9): lazy and immutable.

message → segment → field → repetition → component → subcomponent, each split when it is first asked for.
All numbers are 1-based as in the standard. A part that a message hasn't is empty, never an error:
`""` is a value of its own (delete, 2.5.3) and comes out as these two characters, see `Field.is_null`.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from interfaces.hl7.syntax.escapes import Delimiters, unescape

NULL = '""'
HEADER_SEGMENTS = frozenset({"MSH", "FHS", "BHS"})
_VERBATIM = Delimiters("", "", "", "", "")


class Syntax(NamedTuple):
    """What a part of a message has to know to be split and unescaped."""

    delimiters: Delimiters
    codec: str


_NO_SYNTAX = Syntax(_VERBATIM, "ascii")


class Repetition:
    """One repetition of a field."""

    __slots__ = ("_parts", "_syntax", "raw")

    def __init__(self, raw: str, syntax: Syntax) -> None:
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

    def whole(self, n: int) -> str:
        """A component of free text: what its sender did not escape stands in it, so that nothing is cut."""
        return unescape(_at(self.components, n), *self._syntax)


class Field:
    """A field; one that the segment hasn't is empty."""

    __slots__ = ("_repetitions", "_syntax", "raw")

    def __init__(self, raw: str, syntax: Syntax) -> None:
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


EMPTY = Field("", _NO_SYNTAX)


class Segment:
    """A segment; `index` counts those of the same name in the message (ERL-2)."""

    __slots__ = ("_fields", "_parts", "_sent", "_syntax", "index", "name", "raw")

    def __init__(self, raw: str, name: str, index: int, syntax: Syntax) -> None:
        self.raw = raw
        self.name = name
        self.index = index
        self._syntax = syntax
        self._sent: Segment | None = None
        self._parts: list[str] | None = None
        self._fields: dict[int, Field] = {}

    @property
    def sent(self) -> "Segment":
        """The segment as it came, where this one says what its source means by it."""
        return self._sent or self

    @property
    def separator(self) -> str:
        """What parts its fields."""
        return self._syntax.delimiters.field

    def meaning(self, raw: str) -> "Segment":
        """This segment as its source means it."""
        made = Segment(raw, self.name, self.index, self._syntax)
        made._sent = self.sent
        return made

    def field(self, n: int) -> Field:
        """Field n. MSH-1 is the separator itself, MSH-2 the encoding characters (2.15.9.1, 2.15.9.2)."""
        found = self._fields.get(n)
        if found is None:
            raw = self._raw_field(n)
            if not raw:
                return EMPTY
            verbatim = n <= 2 and self.name in HEADER_SEGMENTS
            found = self._fields[n] = Field(raw, _NO_SYNTAX if verbatim else self._syntax)
        return found

    def location(self, field: int | None = None, rep: int | None = None, component: int | None = None) -> str:
        """Where, as ERR-2 (`PID^1^3^1^2`, ERL) and ERR-1 (`PID^1^3`, ELD) write it (2.15.5)."""
        if rep is None and component is None and field is not None:
            return f"{self.name}^{self.index}^{field}"
        if component is not None and rep is None:
            rep = 1
        parts = (self.name, self.index, field, rep, component)
        return "^".join(str(part) for part in parts if part is not None)

    def of_same_message(self, first: str, name: str) -> "Segment":
        """A segment that its sender left out, at the place of this one: its name and its first field."""
        return Segment(f"{name}{self._syntax.delimiters.field}{first}", name, self.index, self._syntax)

    def _raw_field(self, n: int) -> str:
        if self._parts is None:
            separator = self._syntax.delimiters.field
            self._parts = self.raw.split(separator)
            if self.name in HEADER_SEGMENTS:
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
        return iter(self.named(name))

    def first(self, name: str) -> Segment | None:
        named = self.named(name)
        return named[0] if named else None

    def get(self, path: str) -> str:
        """Value at `SEG[n]-field[rep].component.subcomponent`; numbers left out are 1. Empty when absent.

        n counts within the group when this is one. Raises ValueError for a text that is no path.
        """
        where = parse_path(path)
        named = self.named(where.segment)
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

    def named(self, name: str) -> Sequence[Segment]:
        """All segments of a name."""
        if self._by_name is None:
            self._by_name = {}
            for segment in self.segments:
                self._by_name.setdefault(segment.name, []).append(segment)
        return self._by_name.get(name, ())


class Message(Segments):
    """A whole message; the first segment is MSH.

    `codec` is the set that its bytes are in, `declared` another one where that is what it says.
    """

    __slots__ = ("codec", "declared", "delimiters")

    def __init__(
        self, segments: tuple[Segment, ...], delimiters: Delimiters, codec: str, declared: str = ""
    ) -> None:
        super().__init__(segments)
        self.delimiters = delimiters
        self.codec = codec
        self.declared = declared

    def encode(self) -> str:
        """The text as it came, each segment ended by CR."""
        return "".join(segment.raw + "\r" for segment in self.segments)


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


def _split(text: str, separator: str) -> tuple[str, ...]:
    if not text:
        return ()
    return tuple(text.split(separator)) if separator else (text,)


def _at(parts: Sequence[str], n: int) -> str:
    return parts[n - 1] if 0 < n <= len(parts) else ""
