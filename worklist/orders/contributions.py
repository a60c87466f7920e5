"""What messages said of an order's procedures and steps, kept apart where only some of it names IDs.

A message may give Requested Procedure and Scheduled Procedure Step IDs, and a later one of the same order
only the code, or the other way round. Which of several is meant then follows from all that was said, so that
any order of arrival ends alike: an OBR without OBR-19 speaks of the procedure with its code, else of the one
at its place among the IDs; one without OBR-20 speaks of the only step, and of several it fills in what they
leave open. Nothing is kept while all of an order, or nothing of it, names its IDs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from ledger.stamps import NONE, Stamp, default_of
from worklist.orders.order_aggregate import OrderAggregate, ProcedureRecord, StepRecord
from worklist.orders.order_content import ProcedureContent, StepContent
from worklist.orders.order_update import ProcedureUpdate


class Stated(NamedTuple):
    """A field's value, since when, and where it was said."""

    value: Any
    stamp: str
    source: str


Fields = dict[str, Stated]


class ProcedureName(NamedTuple):
    """A Requested Procedure ID, or the place in the order of what names none."""

    id: str
    place: int


@dataclass
class SaidProcedure:
    """What was said of a procedure and, by their IDs, of its steps; without one under an empty ID."""

    fields: Fields = field(default_factory=dict)
    steps: dict[str, Fields] = field(default_factory=dict)

    def take(self, other: "SaidProcedure") -> None:
        """What was said later counts."""
        newer(self.fields, other.fields)
        for id, fields in other.steps.items():
            newer(self.steps.setdefault(id, {}), fields)


Contributions = dict[ProcedureName, SaidProcedure]


def newer(fields: Fields, others: Mapping[str, Stated]) -> None:
    """Bring in what was said later."""
    for name, stated in others.items():
        if name not in fields or fields[name].stamp < stated.stamp:
            fields[name] = stated


def is_mixed(aggregate: OrderAggregate, said: Iterable[ProcedureUpdate] = ()) -> bool:
    """Whether some of an order's procedures, or of its steps, are named by IDs and some are not."""
    if aggregate.order.contributions:
        return True
    said = list(said)
    procedures = {row.place is None for row in aggregate.procedures} | {bool(one.id) for one in said}
    steps = {not row.id_is_generated for row in aggregate.steps}
    steps |= {bool(step.id) for one in said for step in one.steps}
    return len(procedures) > 1 or len(steps) > 1


def of_update(said: Iterable[ProcedureUpdate], stamp: Stamp, source: str) -> Contributions:
    """What one message says."""
    found: Contributions = {}
    for one in said:
        procedure = found.setdefault(ProcedureName(one.id, 0 if one.id else one.place), SaidProcedure())
        newer(procedure.fields, _stated(one.content.said(), ProcedureRecord, stamp, source))
        for step, content in one.contents():
            fields = procedure.steps.setdefault(step.id, {})
            newer(fields, _stated(content.said(), StepRecord, stamp, source))
    return found


def of_rows(aggregate: OrderAggregate) -> Contributions:
    """All that was said of an order: what is kept apart, and what only its rows know."""
    found = _decoded(aggregate.order.contributions)
    is_first = not found
    known = {(name, stated.stamp) for fields in _all_fields(found) for name, stated in fields.items()}
    for procedure, steps in aggregate.by_procedure():
        own = SaidProcedure(_own(procedure, ProcedureContent.names(), known))
        for step in steps:
            if (fields := _own(step, StepContent.names(), known)) or is_first:
                own.steps[step_name(step)] = fields
        if own.fields or own.steps or is_first:
            found.setdefault(name_of(procedure), SaidProcedure()).take(own)
    return found


def encoded(contributions: Contributions) -> list[list[Any]]:
    """As the database keeps them."""
    return [
        [
            *name,
            _encoded_fields(one.fields),
            {id: _encoded_fields(fields) for id, fields in sorted(one.steps.items())},
        ]
        for name, one in sorted(contributions.items())
    ]


def arranged(contributions: Contributions) -> dict[ProcedureName, tuple[SaidProcedure, list[int]]]:
    """The procedures that there are by all that was said, each with the places of what it took in."""
    named = sorted(name for name in contributions if name.id)
    found = {name: (_copy(contributions[name]), list[int]()) for name in named}
    for name in sorted(name for name in contributions if not name.id):
        one = contributions[name]
        meant = _meant(name.place, one, named, contributions)
        if meant is None:
            found[name] = _copy(one), []
        else:
            found[meant][0].take(one)
            found[meant][1].append(name.place)
    return found


def steps_of(said: SaidProcedure) -> dict[str, Fields]:
    """The steps that a procedure has: what names none is of the only one, or fills in what several leave."""
    named = sorted(id for id in said.steps if id)
    if not named or "" not in said.steps:
        return said.steps
    found = {id: dict(said.steps[id]) for id in named}
    for fields in found.values():
        if len(named) == 1:
            newer(fields, said.steps[""])
        else:
            fields.update({name: one for name, one in said.steps[""].items() if name not in fields})
    return found


def name_of(row: ProcedureRecord) -> ProcedureName:
    """What names a procedure that is there."""
    return (
        ProcedureName("", row.place)
        if row.place is not None
        else ProcedureName(row.requested_procedure_id, 0)
    )


def step_name(row: StepRecord) -> str:
    """The ID that a sender gave a step; empty where none did."""
    return "" if row.id_is_generated else row.scheduled_procedure_step_id


def _meant(
    place: int, said: SaidProcedure, named: Sequence[ProcedureName], contributions: Contributions
) -> ProcedureName | None:
    """Which procedure with an ID something without one speaks of; None where it is one more."""
    if code := said.fields.get("code"):
        same = [name for name in named if _value(contributions[name].fields, "code") == code.value != ""]
        if len(same) == 1:
            return same[0]
    return named[place - 1] if place <= len(named) else None


def _value(fields: Fields, name: str) -> Any:
    return fields[name].value if name in fields else ""


def _copy(said: SaidProcedure) -> SaidProcedure:
    copy = SaidProcedure()
    copy.take(said)
    return copy


def _stated(values: Mapping[str, Any], record: type, stamp: Stamp, source: str) -> Fields:
    return {
        name: Stated(default_of(record, name) if value is NONE else value, stamp.key(), source)
        for name, value in values.items()
    }


def _own(row: Any, names: Iterable[str], known: set[tuple[str, str]]) -> Fields:
    """What a row knows that is not kept apart."""
    stamped = ((name, *row.stamps[name]) for name in names if name in row.stamps)
    return {
        name: Stated(getattr(row, name), stamp, source)
        for name, stamp, source in stamped
        if (name, stamp) not in known
    }


def _all_fields(contributions: Contributions) -> Iterator[Fields]:
    for one in contributions.values():
        yield one.fields
        yield from one.steps.values()


def _encoded_fields(fields: Fields) -> dict[str, list[Any]]:
    return {name: [_plain(one.value), one.stamp, one.source] for name, one in sorted(fields.items())}


def _plain(value: Any) -> Any:
    return {"at": value.isoformat()} if isinstance(value, datetime) else value


def _decoded(kept: Iterable[Sequence[Any]]) -> Contributions:
    found: Contributions = {}
    for id, place, fields, steps in kept:
        one = SaidProcedure(_decoded_fields(fields))
        one.steps = {step: _decoded_fields(known) for step, known in steps.items()}
        found[ProcedureName(id, place)] = one
    return found


def _decoded_fields(fields: Mapping[str, Sequence[Any]]) -> Fields:
    return {name: Stated(_typed(value), stamp, source) for name, (value, stamp, source) in fields.items()}


def _typed(value: Any) -> Any:
    return datetime.fromisoformat(value["at"]) if isinstance(value, dict) else value
