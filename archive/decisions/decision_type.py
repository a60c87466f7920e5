"""What there is to decide: every decision is a class here, and its fields are what a person has to name.

A decision is a module of its own: a frozen dataclass below `DecisionType`, registered by `register`. Each
field has its `Need` in its metadata; one with a default may be left out.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from enum import Enum
from typing import Any, ClassVar, Self, TypeVar

from accounts.actor import Actor
from accounts.models import User
from archive.decisions.effects import Effect
from archive.decisions.needs import Need
from archive.models import Decision, Study
from ledger.event_types import EventType, declare

Named = Mapping[str, str | Sequence[str] | None]
"""The members of a body, or the fields of a form, by the names of the needs."""


class Links(Enum):
    """What a decision says that a study belongs to, and so under whose identity it is shown and sent."""

    NOTHING = "it stays linked and shown as it was"
    PATIENT = "a patient: shown under the record's identity"
    ORDER = "a patient and an order: under the record's identity and the order's number; those above are told"


@dataclass(frozen=True)
class Parameters:
    """What is kept of a decision; a member that is None is left out."""

    def to_json(self) -> dict[str, object]:
        """The decision's `parameters`."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @classmethod
    def of(cls, decision: Decision) -> Self:
        """What was kept of a decision of this kind, or of one that keeps more."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in decision.parameters.items() if name in known})


@dataclass(frozen=True)
class DecisionType(ABC):
    """A decision: its words, what it needs, links and pins, how it is done and undone, its effects."""

    kind: ClassVar[str]
    """What bodies and rows call it: at most 16 letters."""
    key: ClassVar[str]
    """The key on the page; decisions are listed in the order of their keys."""
    title: ClassVar[str]
    does: ClassVar[str]
    """What it does, in a sentence."""
    done: ClassVar[str]
    """What the study is then: "The study is …"."""
    restores: ClassVar[str] = ""
    """What its undo brings back besides patient, procedures and exception."""
    links: ClassVar[Links] = Links.NOTHING
    pins: ClassVar[bool] = True
    """Whether it keeps patient and procedures against later verdicts; if not, the study is judged anew."""
    on_hidden: ClassVar[bool] = False
    """Whether it can be made on a study that is hidden."""
    needs_one_person: ClassVar[bool] = False
    """Whether one person alone may make and undo it even under a signed report: it takes nothing away."""
    example_reason: ClassVar[str] = ""
    """The reason in the example of a body; without one there is no example of it."""
    decided: ClassVar[EventType]
    undone: ClassVar[EventType]
    """The events of timelines; `register` declares them."""
    do_not_call_in_templates: ClassVar[bool] = True

    def check(self, study: Study) -> None:
        """Refuse what can't be decided on this study, before it is locked; raises `Refused`."""
        return

    @classmethod
    def is_offered(cls, study: Study) -> bool:
        """Whether it is among what a page offers to decide on this study."""
        return True

    @abstractmethod
    def act(self, study: Study, by: Actor) -> Parameters:
        """Do it to the locked study, whose `patient` and `hidden` are saved then; say what to keep of it."""

    def finish(self, decision: Decision, study: Study, by: Actor) -> None:
        """Do what follows once the decision is recorded."""
        return

    @classmethod
    def take_back(cls, decision: Decision, study: Study, *, reason: str, by: Actor) -> None:
        """Undo what no row before the decision tells; raises `Conflict` where that can't be."""
        return

    @classmethod
    def effects(cls, decision: Decision) -> Iterable[Effect]:
        """What the decision, or its undo, has done besides what is seen of the study itself."""
        return ()

    @classmethod
    def needs(cls) -> tuple["Needed", ...]:
        """What a body or a form has to name, or may."""
        return tuple(
            Needed(field.metadata["need"], is_required=field.default is MISSING) for field in fields(cls)
        )

    def names(self) -> dict[str, object]:
        """What `named` makes the same decision of again."""
        found = {field.metadata["need"].name: getattr(self, field.name) for field in fields(self)}
        return {name: _name(value) for name, value in found.items() if value is not None}

    @classmethod
    def named(cls, names: Named, user: User) -> Self:
        """The decision whose things these names stand for, looked up among what `user` may see.

        Raises `Missing` and `Unknown`.
        """
        found: dict[str, Any] = {}
        for needed in cls.needs():
            need = needed.need
            if name := names.get(need.name):
                found[need.name] = need.find(name, user)
            elif needed.is_required:
                raise need.missing()
        return cls(**found)


@dataclass(frozen=True)
class Needed:
    """A need of a decision, and whether it can be left open."""

    need: Need
    is_required: bool


def _name(value: Any) -> object:
    """A row by its public id, several texts as a list, a text as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return [_name(one) for one in value]
    return getattr(value, "public_id", None) or list(value)


_Type = TypeVar("_Type", bound=type[DecisionType])
_types: dict[str, type[DecisionType]] = {}


def register(decision: _Type) -> _Type:
    """Make a decision known; raises ValueError if another one has its kind or its key."""
    if any(decision.kind == one.kind or decision.key == one.key for one in _types.values()):
        raise ValueError(f"{decision.kind} ({decision.key}) is another decision's kind or key")
    words = decision.title.lower()
    decision.decided = declare(f"study.decision.{decision.kind}", f"Decided: {words}")
    decision.undone = declare(f"study.decision.undone.{decision.kind}", f"Decision undone: {words}")
    _types[decision.kind] = decision
    return decision


def registered() -> tuple[type[DecisionType], ...]:
    """All decisions, by their keys, as these lie on a keyboard: the digits, then letters."""
    digits = "1234567890"
    return tuple(sorted(_types.values(), key=lambda one: (digits.find(one.key) % (len(digits) + 1), one.key)))


def named(kind: str, names: Named, user: User) -> DecisionType:
    """The decision of a registered kind that a body or a form says; raises as `DecisionType.named` does."""
    return _types[kind].named(names, user)


def find(kind: str) -> type[DecisionType] | None:
    """The decision of a kind, if there is one."""
    return _types.get(kind)


def of(decision: Decision) -> type[DecisionType]:
    """What has been decided."""
    return _types[decision.kind]


def kinds(which: Callable[[type[DecisionType]], bool]) -> list[str]:
    """The kinds of some decisions."""
    return [decision.kind for decision in _types.values() if which(decision)]
