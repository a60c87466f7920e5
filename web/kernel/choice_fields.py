"""Fields of a form in which one chooses: from a few choices that are all seen, or from a list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class Choice(Protocol):
    """One of what can be chosen; `note` is read last."""

    @property
    def value(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def note(self) -> str: ...


@dataclass(frozen=True)
class ChoiceField:
    """A field, as `web/parts/choice_fields.html` shows it."""

    name: str
    label: str
    choices: Sequence[Choice]
    chosen: str = ""
    is_list: bool = True
    is_required: bool = False
    is_several: bool = False
    """Whether several are chosen, which `several` are then."""
    several: Sequence[str] = ()
    pictures: Mapping[str, str] = field(default_factory=dict)
    """The paths of the pictures of choices, by their values."""
    open_text: str = "Choose…"
    """What a list shows while nothing is chosen."""
