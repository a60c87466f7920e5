"""Kinds of events: each is declared once, by the package that records it, with the words that pages show.

`words` is a template over the details that are recorded: `{name}` is needed, what stands in `[…]` is left out
where one of its details is empty. `{source}` is the event's own source.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from django.db import models

Tone = Literal["", "bad"]
"""How an event is shown: plainly, or as something that somebody should look at."""
SOURCE: Final = "source"
_OPTIONAL: Final = re.compile(r"\[([^\]]*)\]")
_DETAIL: Final = re.compile(r"\{(\w+)\}")


class UnknownEvent(LookupError):
    """Nobody has declared this kind of event, or it lacks a detail that its words need."""


@dataclass(frozen=True)
class EventType:
    """A kind of event: its name in the database and in JSON, what pages say of it, and in which tone."""

    kind: str
    words: str
    short: str = ""
    tone: Tone = ""
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)
    """For details that are codes: the words for each value, empty for one that is passed over."""

    @cached_property
    def details(self) -> frozenset[str]:
        """All details that the words tell."""
        return frozenset(_DETAIL.findall(self.words))

    @cached_property
    def needs(self) -> frozenset[str]:
        """The details without which the words make no sense."""
        return frozenset(_DETAIL.findall(_OPTIONAL.sub("", self.words))) - {SOURCE}

    def say(self, details: Mapping[str, Any], source: str = "") -> str:
        """What happened, in words."""
        values = {
            name: self._text(name, source if name == SOURCE else details.get(name)) for name in self.details
        }

        def part(match: re.Match[str]) -> str:
            return match[1] if all(values[name] for name in _DETAIL.findall(match[1])) else ""

        # The template is taken apart before anything is filled in, as values may hold brackets.
        return _DETAIL.sub(lambda match: values[match[1]], _OPTIONAL.sub(part, self.words))

    @property
    def in_short(self) -> str:
        """As few words as a column has room for."""
        return self.short or self.words[:1].lower() + self.words[1:]

    def check(self, details: Mapping[str, Any]) -> None:
        """Raise `UnknownEvent` unless this kind is declared, and its details are all that its words need."""
        if _declared.get(self.kind) is not self:
            raise UnknownEvent(f"nobody has declared events of the kind {self.kind!r}")
        if not self.needs <= details.keys():
            raise UnknownEvent(f"{self.kind} needs {', '.join(sorted(self.needs - details.keys()))}")

    def _text(self, name: str, value: Any) -> str:
        if isinstance(value, list | tuple):
            return ", ".join(filter(None, (self._text(name, one) for one in value)))
        text = "" if value is None else str(value)
        return self.labels.get(name, {}).get(text, text)


_declared: dict[str, EventType] = {}


def declare(
    kind: str,
    words: str,
    *,
    short: str = "",
    tone: Tone = "",
    labels: Mapping[str, Mapping[str, str]] | None = None,
) -> EventType:
    """Declare a kind of event, once; each package's `AppConfig.ready()` imports the module that does so."""
    if kind in _declared:
        raise ValueError(f"events of the kind {kind!r} are declared twice")
    _declared[kind] = EventType(kind, words, short, tone, labels or {})
    return _declared[kind]


def labels(choices: type[models.TextChoices]) -> dict[str, str]:
    """The words for the values of an enumeration, as they stand in a sentence."""
    return {value: str(label).lower() for value, label in choices.choices}


def of(kind: str) -> EventType:
    """The type of a recorded event; one that an older version recorded is called by its kind."""
    return _declared.get(kind) or EventType(kind, re.sub(r"[._]", " ", kind).capitalize())


def declared() -> Iterator[EventType]:
    """All kinds of events there are."""
    yield from _declared.values()
