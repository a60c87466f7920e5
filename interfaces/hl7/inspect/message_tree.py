"""A message taken apart for people: its lines, its fields with their names, the place of its error.

However large or broken a message is, what is made of it is bounded: values and lines are cut, and what is cut
says how much there is.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from interfaces.hl7.syntax import dictionary, er7
from interfaces.hl7.syntax import message_text as texts
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.dictionary import Named
from interfaces.hl7.syntax.message_parts import NULL, Message, Repetition, Segment

LINES: Final = 250
"""Segments that one view shows."""
LINE: Final = 1_000
"""Characters of a line, the place of the error not counted."""
VALUE: Final = 300
"""Characters of a value."""
REPETITIONS: Final = 50
PARTS: Final = 60
"""Components of a repetition, and subcomponents of a component."""
FIELDS: Final = 250

_HEADERS: Final = frozenset({"MSH", "FHS", "BHS"})
_WITHOUT_PARTS: Final = frozenset({"TX", "FT"})

_LOCATION: Final = re.compile(r"([A-Z][A-Z0-9]{2})(?:[\^-](\d+))?(?:\^(\d+))?(?:\^(\d+))?(?:\^(\d+))?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an error is, from ERR-2 (`PID^1^3^1^4`); what is 0 was not said."""

    segment: str = ""
    index: int = 0
    field: int = 0
    repetition: int = 0
    component: int = 0

    @classmethod
    def of(cls, location: str) -> "Place":
        """The place that a location names; none for what is no location."""
        found = _LOCATION.match(location)
        if not found:
            return cls()
        return cls(found[1], *(int(number or 0) for number in found.groups()[1:]))

    def is_in(self, segment: Segment) -> bool:
        """Whether it is in this segment."""
        return bool(self.segment) and (self.segment, self.index or 1) == (segment.name, segment.index)

    def __str__(self) -> str:
        """As people write it: `PID-3.4`, with the segment's number where it is not the first."""
        text = self.segment + (f"[{self.index}]" if self.index > 1 else "")
        if self.field:
            text += f"-{self.field}" + (f"[{self.repetition}]" if self.repetition > 1 else "")
        return text + (f".{self.component}" if self.component else "")


NOWHERE: Final = Place()


@dataclass(frozen=True, slots=True)
class Line:
    """A segment as it stands: `before`, what is wrong, `after`; `cut` characters are left out."""

    number: int
    name: str
    before: str
    wrong: str = ""
    after: str = ""
    cut: int = 0
    is_wrong: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A field, a repetition, a component or a subcomponent; `path` is as in `PID-3.4`."""

    path: str
    named: Named
    value: str
    cut: int = 0
    is_count: bool = False
    """The value is not the message's: it says how many repetitions there are."""
    is_null: bool = False
    is_wrong: bool = False
    parts: "tuple[Part, ...]" = ()


@dataclass(frozen=True, slots=True)
class Branch:
    """A segment in the tree; its fields are made when they are asked for."""

    number: int
    name: str
    index: int
    words: str
    summary: str
    is_wrong: bool
    segment: Segment
    separator: str
    place: Place
    version: str

    @property
    def fields(self) -> tuple[Part, ...]:
        """The fields that have a value, and the one that is wrong."""
        return tuple(_fields(self))


@dataclass(frozen=True)
class Anatomy:
    """A message taken apart; without a tree `problem` says why."""

    text: str
    message: Message | None
    problem: Er7Error | None
    place: Place
    version: str = ""

    @property
    def count(self) -> int:
        """How many segments, or lines, there are."""
        return len(self.message.segments) if self.message else len(_lines_of(self.text))

    def lines(self, first: int = 0) -> list[Line]:
        """Its lines from the one after `first` on, with the error marked."""
        if self.message is None:
            found = _lines_of(self.text)[first : first + LINES]
            return [_plain(number, line) for number, line in enumerate(found, start=first + 1)]
        separator = self.message.delimiters.field
        return [_line(number, segment, self.place, separator) for number, segment in self._part(first)]

    def branches(self, first: int = 0) -> list[Branch]:
        """Its segments from the one after `first` on."""
        return [self._branch(number, segment) for number, segment in self._part(first)]

    def branch(self, number: int) -> Branch | None:
        """The segment in line `number`, from 1."""
        segments = self.message.segments if self.message else ()
        return self._branch(number, segments[number - 1]) if 0 < number <= len(segments) else None

    def error_line(self) -> int:
        """The line that the error is in, from 1; 0 where it is in none."""
        segments = self.message.segments if self.message else ()
        return next((n for n, segment in enumerate(segments, 1) if self.place.is_in(segment)), 0)

    def _part(self, first: int) -> list[tuple[int, Segment]]:
        segments = self.message.segments if self.message else ()
        return list(enumerate(segments[first : first + LINES], start=first + 1))

    def _branch(self, number: int, segment: Segment) -> Branch:
        assert self.message is not None
        separator = self.message.delimiters.field
        return Branch(
            number,
            texts.visible(segment.name[:10]),
            segment.index,
            dictionary.segment(segment.name),
            _summary(segment, separator),
            self.place.is_in(segment),
            segment,
            separator,
            self.place,
            self.version,
        )


def of(raw: bytes, *, location: str = "", charset: str = "") -> Anatomy:
    """Take a message apart, as far as it can be; `location` is where its error is."""
    return of_text(texts.decoded(raw, charset), location=location)


def of_text(text: str, *, location: str = "") -> Anatomy:
    """Take the text of a message apart."""
    place = Place.of(location)
    try:
        message = er7.parse_text(text)
    except Er7Error as error:
        return Anatomy(text, None, error, place)
    return Anatomy(text, message, None, place, message.get("MSH-12"))


def _lines_of(text: str) -> list[str]:
    return [line for line in re.split(r"[\r\n]+", text) if line]


def _plain(number: int, line: str) -> Line:
    return Line(number, "", texts.visible(line[:LINE]), cut=max(0, len(line) - LINE))


def _line(number: int, segment: Segment, place: Place, separator: str) -> Line:
    raw = segment.raw
    start, end = _span(segment, place, separator)
    before, wrong, after = raw[:start], raw[start:end], raw[end:]
    shown = before[-LINE:] if wrong else before[:LINE]
    after = after[: max(0, LINE - len(shown))]
    return Line(
        number,
        texts.visible(segment.name[:10]),
        texts.visible(shown),
        texts.visible(wrong[:LINE]),
        texts.visible(after),
        cut=len(raw) - len(shown) - len(wrong[:LINE]) - len(after),
        is_wrong=place.is_in(segment),
    )


def _span(segment: Segment, place: Place, separator: str) -> tuple[int, int]:
    """From where to where a segment's text is wrong; an empty field is marked by the separator before it."""
    raw = segment.raw
    if not place.is_in(segment):
        return len(raw), len(raw)
    if not place.field:
        return 0, len(raw)
    fields = raw.split(separator)
    skipped = place.field - (segment.name in _HEADERS)
    if skipped <= 0:
        return 3, 4
    if skipped >= len(fields):
        return len(raw), len(raw)
    start = sum(len(field) + 1 for field in fields[:skipped])
    end = start + len(fields[skipped])
    return (start, end) if end > start else (start - 1, min(start + 1, len(raw)))


def _summary(segment: Segment, separator: str) -> str:
    """The first values of a segment, to tell it from its likes while it is closed."""
    pieces = segment.raw[:400].split(separator)[1:]
    return texts.visible("  ".join(piece for piece in pieces if piece))[:120]


def _fields(branch: Branch) -> Iterator[Part]:
    segment = branch.segment
    is_header = segment.name in _HEADERS
    count = segment.raw.count(branch.separator) + is_header
    wrong = branch.place if branch.is_wrong else NOWHERE
    for n in range(1, min(count, FIELDS) + 1):
        found = segment.field(n)
        if not found.raw and wrong.field != n:
            continue
        named = dictionary.field(segment.name, n, branch.version)
        path = f"{texts.visible(segment.name[:10])}-{n}"
        if is_header and n <= 2:
            yield Part(path, named, found.raw, is_wrong=wrong.field == n)
        else:
            yield _field(path, named, found.repetitions, wrong if wrong.field == n else NOWHERE)
    if wrong.field > count:
        named = dictionary.field(segment.name, wrong.field, branch.version)
        yield Part(f"{segment.name}-{wrong.field}", named, "", is_wrong=True)


def _field(path: str, named: Named, repetitions: Sequence[Repetition], wrong: Place) -> Part:
    if not repetitions:
        return Part(path, named, "", is_wrong=bool(wrong.field))
    if len(repetitions) == 1:
        return _repetition(path, named, repetitions[0], wrong)
    nameless = replace(named, name="")
    parts = tuple(
        _repetition(
            f"{path}[{number}]", nameless, repetition, wrong if wrong.repetition in (0, number) else NOWHERE
        )
        for number, repetition in enumerate(repetitions[:REPETITIONS], start=1)
    )
    more = f", the first {REPETITIONS} are shown" if len(repetitions) > REPETITIONS else ""
    text = f"{len(repetitions)} repetitions{more}"
    return Part(path, named, text, is_count=True, is_wrong=bool(wrong.field), parts=parts)


def _repetition(path: str, named: Named, repetition: Repetition, wrong: Place) -> Part:
    is_wrong = bool(wrong.field)
    if repetition.raw == NULL:
        return Part(path, named, "", is_null=True, is_wrong=is_wrong)
    pieces = repetition.components
    is_plain = len(pieces) <= 1 and len(repetition.subcomponents(1)) <= 1
    if is_plain or named.data_type in _WITHOUT_PARTS:
        return _leaf(path, named, repetition.text, is_wrong)
    parts = tuple(
        _component(f"{path}.{n}", named.part(n), repetition, n, is_wrong and wrong.component == n)
        for n in range(1, min(max(len(pieces), wrong.component), PARTS) + 1)
        if (n <= len(pieces) and pieces[n - 1]) or (is_wrong and wrong.component == n)
    )
    return Part(path, named, "", is_wrong=is_wrong, parts=parts)


def _component(path: str, named: Named, repetition: Repetition, n: int, is_wrong: bool) -> Part:
    count = len(repetition.subcomponents(n))
    if count <= 1:
        return _leaf(path, named, repetition.component(n), is_wrong)
    values = [(m, repetition.component(n, m)) for m in range(1, min(count, PARTS) + 1)]
    parts = tuple(_leaf(f"{path}.{m}", named.part(m), value, False) for m, value in values if value)
    return Part(path, named, "", is_wrong=is_wrong, parts=parts)


def _leaf(path: str, named: Named, value: str, is_wrong: bool) -> Part:
    is_null = value == NULL
    shown = "" if is_null else "\n".join(map(texts.visible, value[:VALUE].split("\n")))
    return Part(path, named, shown, cut=max(0, len(value) - VALUE), is_null=is_null, is_wrong=is_wrong)
