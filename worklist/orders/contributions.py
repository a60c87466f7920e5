"""What messages said of an order's procedures and steps, kept apart where it could be meant of several.

A message may give Requested Procedure and Scheduled Procedure Step IDs, and a later one of the same order
only the code, or the other way round; or it may tell of one of several procedures alone. Which is meant then
follows from all that was said, so that any order of arrival ends alike:

- An OBR without OBR-19 speaks of the procedure with its accession number or its code, else of the one at its
  place: among the IDs, or, where there are none, among those of the messages with the most OBR.
- One without OBR-20 speaks of the only step, and of several it fills in what they leave open.

Nothing is kept while all of an order names its IDs, or none does and all messages tell of all of it alike.
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


class SaidName(NamedTuple):
    """What a message calls a procedure: its ID, or its place among how many without one, and its code."""

    id: str
    place: int = 0
    among: int = 0
    code: str = ""


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


Contributions = dict[SaidName, SaidProcedure]


def newer(fields: Fields, others: Mapping[str, Stated]) -> None:
    """Bring in what was said later."""
    for name, stated in others.items():
        if name not in fields or fields[name].stamp < stated.stamp:
            fields[name] = stated


def is_mixed(aggregate: OrderAggregate, said: Sequence[ProcedureUpdate] = ()) -> bool:
    """Whether which procedure or step of an order is meant takes more than its name."""
    if aggregate.order.contributions:
        return True
    procedures = {row.place is None for row in aggregate.procedures} | {bool(one.id) for one in said}
    steps = {not row.id_is_generated for row in aggregate.steps}
    steps |= {bool(step.id) for one in said for step in one.steps}
    return len(procedures) > 1 or len(steps) > 1 or _are_unlike(_codes(aggregate), _codes_said(said))


def differ(ours: OrderAggregate, theirs: OrderAggregate) -> bool:
    """Whether two orders, neither of which names IDs, have not the same procedures at the same places."""
    return _are_unlike(_codes(ours), _codes(theirs))


def _are_unlike(ours: Mapping[int, str], theirs: Mapping[int, str]) -> bool:
    """Whether codes by their places tell of different procedures; what tells of none is like all."""
    return bool(ours and theirs) and ours != theirs


def _codes(aggregate: OrderAggregate) -> dict[int, str]:
    """The codes of what names no ID, by its place, as they were said."""
    return {
        row.place: row.code if "code" in row.stamps else ""
        for row in aggregate.procedures
        if row.place is not None
    }


def _codes_said(said: Iterable[ProcedureUpdate]) -> dict[int, str]:
    return {one.place: _code(one) for one in said if not one.id}


def _code(said: ProcedureUpdate) -> str:
    return said.content.code if isinstance(said.content.code, str) else ""


def of_update(said: Sequence[ProcedureUpdate], stamp: Stamp, source: str) -> Contributions:
    """What one message says."""
    found: Contributions = {}
    count = sum(not one.id for one in said)
    for one in said:
        name = SaidName(one.id) if one.id else SaidName("", one.place, count, _code(one))
        procedure = found.setdefault(name, SaidProcedure())
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
    codes = _codes(aggregate)
    for procedure, steps in aggregate.by_procedure():
        own = SaidProcedure(_own(procedure, ProcedureContent.names(), known))
        for step in steps:
            if (fields := _own(step, StepContent.names(), known)) or is_first:
                own.steps[step_name(step)] = fields
        if own.fields or own.steps or is_first:
            named = (
                SaidName("", procedure.place, len(codes), codes[procedure.place]) if procedure.place else None
            )
            name = named or SaidName(procedure.requested_procedure_id)
            found.setdefault(name, SaidProcedure()).take(own)
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


def arranged(contributions: Contributions) -> dict[ProcedureName, tuple[SaidProcedure, set[int]]]:
    """The procedures that there are by all that was said, each with the places of what it took in."""
    named = {name: said for name, said in sorted(contributions.items()) if name.id}
    found = {ProcedureName(name.id, 0): (_copy(said), set[int]()) for name, said in named.items()}
    others: Contributions = {}
    for name, said in sorted(contributions.items()):
        if name.id:
            continue
        if (meant := _meant(name, said, list(named.values()))) is None:
            others[name] = said
        else:
            procedure, places = found[ProcedureName(list(named)[meant].id, 0)]
            procedure.take(said)
            places.add(name.place)
    for place, said in _placed(others).items():
        found[ProcedureName("", place)] = said, set()
    return found


def _placed(others: Contributions) -> dict[int, SaidProcedure]:
    """What names no ID, by its place in the messages that tell of the most."""
    most = max((name.among for name in others), default=0)
    whole: dict[int, SaidProcedure] = {}
    for name, said in others.items():
        if name.among == most:
            whole.setdefault(name.place, SaidProcedure()).take(said)
    places = sorted(whole)
    found = {place: _copy(whole[place]) for place in places}
    for name, said in others.items():
        if name.among < most:
            meant = _meant(name, said, [whole[place] for place in places])
            place = places[meant] if meant is not None else name.place
            found.setdefault(place, SaidProcedure()).take(said)
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


def _meant(name: SaidName, said: SaidProcedure, among: Sequence[SaidProcedure]) -> int | None:
    """Of which of some procedures something without an ID speaks; None where it is one more."""
    for key in ("accession_number", "code"):
        value = _value(said.fields, key) if key != "code" else name.code
        same = [n for n, one in enumerate(among) if value and _value(one.fields, key) == value]
        if len(same) == 1:
            return same[0]
    return name.place - 1 if name.place <= len(among) else None


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
    for *name, fields, steps in kept:
        one = SaidProcedure(_decoded_fields(fields))
        one.steps = {step: _decoded_fields(known) for step, known in steps.items()}
        found[SaidName(*name)] = one
    return found


def _decoded_fields(fields: Mapping[str, Sequence[Any]]) -> Fields:
    return {name: Stated(_typed(value), stamp, source) for name, (value, stamp, source) in fields.items()}


def _typed(value: Any) -> Any:
    return datetime.fromisoformat(value["at"]) if isinstance(value, dict) else value
