"""What people type to find messages: numbers and names, values of fields, text.

`PID-5=MÜLLER OBR-4.1=71260 "left knee" P4711` wants all of it. A field's value is the whole of it, of one of
its repetitions or of one of its components; `*` stands for anything, `""` for an empty field. Upper and lower
case, and accents, make no difference.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from interfaces.hl7.syntax.message_parts import Repetition, Segment, Segments

_FIELD: Final = re.compile(
    r'(?<!\S)([A-Za-z][A-Za-z0-9]{2})-([1-9]\d{0,2})(?:\.([1-9]\d{0,2})(?:\.([1-9]\d{0,2}))?)?=("[^"]*"|\S+)'
)
_PHRASE: Final = re.compile(r'"([^"]+)"')
_DELIMITERS: Final = frozenset("|^~\\&*")


@dataclass(frozen=True)
class FieldValue:
    """A field, or a component or subcomponent of it, and the value that is wanted there."""

    segment: str
    field: int
    component: int
    subcomponent: int
    value: str

    @property
    def path(self) -> str:
        """As people write it: `PID-5.1`."""
        parts = [str(n) for n in (self.component, self.subcomponent) if n]
        return f"{self.segment}-{self.field}" + "".join(f".{part}" for part in parts)

    @property
    def literal(self) -> str:
        """What has to stand somewhere in the message's text, folded; empty where that is not sure."""
        return "" if _DELIMITERS & set(self.value) else folded(self.value)

    def is_in(self, message: Segments) -> bool:
        """Whether a message has the value there."""
        segments = list(message.all(self.segment))
        if not self.value:
            return not any(text for segment in segments for text in self._texts(segment))
        wanted = folded(self.value)
        return any(_is_like(folded(text), wanted) for segment in segments for text in self._texts(segment))

    def _texts(self, segment: Segment) -> Iterator[str]:
        found = segment.field(self.field)
        if segment.name == "MSH" and self.field <= 2:
            yield found.raw
            return
        if not self.component:
            yield found.raw
        for repetition in found.repetitions:
            yield from self._of(repetition)

    def _of(self, repetition: Repetition) -> Iterator[str]:
        if self.subcomponent:
            yield repetition.component(self.component, self.subcomponent)
        elif self.component:
            yield repetition.whole(self.component)
            yield repetition.component(self.component)
        else:
            yield repetition.raw
            for n in range(1, len(repetition.components) + 1):
                yield repetition.whole(n)
                yield repetition.component(n)


@dataclass(frozen=True)
class MessageQuery:
    """What was typed, taken apart: values of fields, phrases, and what is left, a number or a name."""

    fields: Sequence[FieldValue] = ()
    phrases: Sequence[str] = ()
    rest: str = ""

    @property
    def reads_messages(self) -> bool:
        """Whether messages have to be read, since no index tells which they are."""
        return bool(self.fields or self.phrases)

    def may_be_in(self, text: str) -> bool:
        """Whether a message with this folded text is worth reading; escapes are not looked into."""
        if not all(phrase in text for phrase in self._phrases):
            return False
        is_escaped = any(escape in text for escape in ("\\x", "\\c", "\\m"))
        return is_escaped or all(one.literal in text for one in self.fields)

    @cached_property
    def _phrases(self) -> Sequence[str]:
        return [folded(phrase) for phrase in self.phrases]


def parse(text: str) -> MessageQuery:
    """Take apart what was typed."""
    fields = [_field(match) for match in _FIELD.finditer(text)]
    left = _FIELD.sub(" ", text)
    phrases = [match[1] for match in _PHRASE.finditer(left)]
    return MessageQuery(tuple(fields), tuple(phrases), " ".join(_PHRASE.sub(" ", left).split()))


def _field(match: re.Match[str]) -> FieldValue:
    segment, field, component, subcomponent, value = match.groups()
    value = value[1:-1] if value.startswith('"') and value.endswith('"') else value
    return FieldValue(segment.upper(), int(field), int(component or 0), int(subcomponent or 0), value)


def folded(text: str) -> str:
    """A text without what makes no difference: case and accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).casefold()


def _is_like(text: str, wanted: str) -> bool:
    """Whether a text is what is wanted, in which `*` stands for anything; in one pass."""
    first, *rest = wanted.split("*")
    if not rest:
        return text == wanted
    *between, last = rest
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in between:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True
