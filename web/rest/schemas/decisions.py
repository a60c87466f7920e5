"""What a person may decide, as a body says it, and what a decision would do."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, Self

from ninja import Schema
from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from archive.decisions import decision_type
from archive.decisions.decision_type import DecisionType, Named
from archive.decisions.needs import Need
from web.rest.schemas import Reason, Text, with_example


@dataclass(frozen=True)
class Resolution:
    """A decision as a body says it: its action, its reason, and the names of what it is about."""

    action: str
    reason: str
    revision: int | None
    names: Named

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Which members there are follows from the decisions that are registered when a body is read."""
        ref = f"{__name__}.{cls.__name__}"
        return core_schema.no_info_plain_validator_function(cls._read, ref=ref)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(_body(decision_type.registered()).__pydantic_core_schema__)

    @classmethod
    def _read(cls, value: object) -> Self:
        names = dict(_body(decision_type.registered()).model_validate(value))
        return cls(names.pop("action"), names.pop("reason"), names.pop("revision"), names)


@lru_cache(maxsize=1)
def _body(types: tuple[type[DecisionType], ...]) -> type[Schema]:
    """The body of these decisions: each thing that one of them needs is a member, which others ignore."""
    kind = StrEnum("DecisionKind", [(decided.kind.upper(), decided.kind) for decided in types])  # type: ignore[misc]
    kind.__doc__ = "The closed set of what a person may decide."
    return create_model(  # type: ignore[call-overload, no-any-return]
        Resolution.__name__,
        __doc__="A decision: an action of the closed set, its reason, and what the action is about.",
        __config__=with_example(*_examples(types), extra="forbid"),
        action=(kind, ...),
        reason=(Text, ...),
        **{need.name: _member(need, types) for need in _needs(types)},
        revision=(int | None, _REVISION),
    )


_REVISION: Final = Field(
    None, ge=0, le=2**31 - 1, description="the one that was seen: decide once more on what is resolved"
)


def _member(need: Need, types: Iterable[type[DecisionType]]) -> tuple[object, object]:
    named = Text if need.most is None else list[Text]
    return named | None, Field(None, max_length=need.most, description=_description(need, types))


def _needs(types: Iterable[type[DecisionType]]) -> list[Need]:
    found = {needed.need.name: needed.need for decided in types for needed in decided.needs()}
    return list(found.values())


def _description(need: Need, types: Iterable[type[DecisionType]]) -> str:
    """What a need is, and which decisions need it or take it."""
    needed = [
        (decided.kind, one.is_required) for decided in types for one in decided.needs() if one.need is need
    ]
    required, allowed = (
        ", ".join(f"`{kind}`" for kind, is_required in needed if is_required is wanted)
        for wanted in (True, False)
    )
    return f"{required}: {need.meaning}" + (f"; allowed for {allowed}" if allowed else "")


def _examples(types: Iterable[type[DecisionType]]) -> Iterator[dict[str, Any]]:
    for decided in types:
        if decided.example_reason:
            needed = {one.need.name: one.need.example for one in decided.needs() if one.is_required}
            yield {"action": decided.kind, "reason": decided.example_reason, **needed}


class DecisionEffect(Schema):
    """One thing that a decision changes: what it is about, and what it says in words."""

    about: str
    text: str
    before: str = ""
    after: str = ""


class Effects(Schema):
    """What a decision would do."""

    model_config = with_example(
        {
            "effects": [
                {
                    "about": "patient",
                    "text": "Patient shown: unlinked: the images' own identity (Bars, Anna, P1) → "
                    "Real, Rita (P2^^^GENHOSP)",
                    "before": "unlinked: the images' own identity (Bars, Anna, P1)",
                    "after": "Real, Rita (P2^^^GENHOSP)",
                },
                {
                    "about": "outside",
                    "text": "HIS is told: order A1 is in process (ORM SC/IP)",
                    "before": "",
                    "after": "",
                },
            ]
        }
    )

    effects: list[DecisionEffect]


class Undoing(Reason):
    """Why the newest decision is taken back, and which one that is."""

    model_config = with_example({"reason": "entered twice by the ward", "revision": 1}, extra="forbid")

    revision: int | None = Field(
        None, ge=0, le=2**31 - 1, description="the one that was seen: 409 where somebody decided since"
    )
