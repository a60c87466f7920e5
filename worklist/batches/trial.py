"""What a change set would do: applied, compared, and taken back by the caller's transaction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from ledger import written_dates
from ledger.row_sets import Table
from ledger.stamps import NONE
from worklist.batches import change_application, patient_moves
from worklist.batches.batch import Applied, Batch
from worklist.batches.named_rows import Loader
from worklist.batches.patient_moves import PatientMove
from worklist.batches.row_tables import LINKS, NUMBERS, ORDERS, PATIENTS, PROCEDURES, STEPS, VISITS
from worklist.catalogue import Catalogue
from worklist.change_set import ChangeSet

_KINDS: Final[Mapping[Table[Any], str]] = {
    PATIENTS: "patient",
    LINKS: "link",
    VISITS: "visit",
    ORDERS: "order",
    NUMBERS: "order number",
    PROCEDURES: "procedure",
    STEPS: "step",
}
_OURS: Final = frozenset(
    {
        *("id", "public_id", "stamps", "facility_id", "authority_id", "created_at", "patient_stamp", "stamp"),
        *("name_key", "bare_key", "ideographic_key", "phonetic_key", "source", "id_is_generated"),
        *("order_id", "procedure_id", "patient_id", "visit_id", "retired_id", "survivor_id", "place"),
        *("into_id", "moved_to_id", "holder", "moves"),
        *("first_received_at", "content_received_at", "character_set", "issuer", "is_bare"),
        *("local_date", "local_time", "contributions", "booking", "modality_for"),
    }
)
"""Columns of which a sender says nothing, or which name other rows."""


@dataclass(frozen=True)
class FieldChange:
    """A field that would be another: of which thing, what it is, what it would be."""

    kind: str
    thing: str
    field: str
    before: str
    after: str
    is_new: bool = False


@dataclass(frozen=True)
class FieldKept:
    """A field that stays although something else is said: a newer statement has it, from `source`."""

    kind: str
    thing: str
    field: str
    said: str
    kept: str
    source: str


@dataclass(frozen=True)
class Trial:
    """What a change set would do; `applied` are the groups with their patients and orders.

    `moves` are what would be another patient's.
    """

    changes: Sequence[FieldChange] = ()
    kept: Sequence[FieldKept] = ()
    applied: Sequence[Applied] = field(default_factory=tuple)
    moves: Sequence[PatientMove] = ()


def try_out(changes: ChangeSet, catalogue: Catalogue) -> Trial:
    """Apply a checked change set in the caller's transaction, which must be taken back.

    Raises what applying it raises.
    """
    assert connection.in_atomic_block
    loader = Loader(catalogue)
    loaded = loader.load([changes])
    batch = Batch(loader.snapshot, *loaded, loader.others, loader.holders, loader.moved_between)
    applied = batch.decide(changes)
    found = loader.snapshot.differences(batch.rows())
    told: list[FieldChange] = []
    for table, kind in _KINDS.items():
        for row in found.new[table]:
            told += _new(kind, row)
        for row, names in found.changed[table]:
            before = loader.snapshot.before(table, row)
            told += [
                FieldChange(kind, name_of(row), _words(name), shown(before[name]), shown(getattr(row, name)))
                for name in sorted(names - _OURS)
            ]
    kept = list(_kept(changes, applied))
    moves = patient_moves.told(loader.snapshot, found, list(batch.rows()[PATIENTS]), batch.orders())
    batch.save()
    change_application.apply_appointments([changes], [applied])
    return Trial(told, kept, applied, moves)


def in_memory(changes: ChangeSet, catalogue: Catalogue) -> Mapping[str, str]:
    """What a change set would make where nothing is there yet, by the names of things and fields.

    Reads and writes nothing.
    """
    batch = Batch.empty(catalogue)
    batch.decide(changes)
    rows = batch.rows()
    told: dict[str, str] = {}
    for table, kind in _KINDS.items():
        for number, row in enumerate(rows.get(table, ()), 1):
            told |= {f"{kind} {number}: {one.field}": one.after for one in _new(kind, row)}
    return told


def name_of(row: Any) -> str:
    """How a person names a row."""
    for name in (
        "accession_number",
        "value",
        "number",
        "requested_procedure_id",
        "scheduled_procedure_step_id",
    ):
        if text := getattr(row, name, ""):
            return str(text)
    return ""


def shown(value: Any) -> str:
    """A value as a person reads it; empty where there is none."""
    if value is None or value is NONE or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        local = timezone.localtime(value)
        return f"{written_dates.second(local)} {local:%Z}"
    if isinstance(value, list):
        return "; ".join(shown(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(one)}" for key, one in value.items() if shown(one))
    return str(value)


def _new(kind: str, row: Any) -> list[FieldChange]:
    names = (name for name in row.__dataclass_fields__ if name not in _OURS)
    values = ((name, shown(getattr(row, name))) for name in names)
    return [
        FieldChange(kind, name_of(row), _words(name), "", value, is_new=True)
        for name, value in values
        if value
    ]


def _kept(changes: ChangeSet, applied: Sequence[Applied]) -> Iterator[FieldKept]:
    """What is said and is not so afterwards, since something newer is known."""
    stamp = changes.provenance.stamp.key()
    seen: set[int] = set()
    for group, done in zip(changes.groups, applied, strict=True):
        if group.registration and done.patient and id(done.patient) not in seen:
            seen.add(id(done.patient))
            yield from _stays("patient", done.patient, group.registration.demographics, stamp)
        if group.order is None or done.order is None:
            continue
        if group.order.procedures:
            yield from _stays("order", done.order.order, group.order.content.said(), stamp)
        for said in group.order.procedures:
            of_id = [one for one in done.order.procedures if one.requested_procedure_id == said.id]
            for procedure in of_id or [one for one in done.order.procedures if one.place == said.place]:
                yield from _stays("procedure", procedure, said.content.said(), stamp)
                steps = {one.scheduled_procedure_step_id: one for one in done.order.steps_of(procedure)}
                for step in said.steps:
                    if row := steps.get(step.id) or (
                        next(iter(steps.values()), None) if not step.id else None
                    ):
                        yield from _stays("step", row, step.content.said(), stamp)


def _stays(kind: str, row: Any, said: Mapping[str, Any], stamp: str) -> Iterator[FieldKept]:
    for name, value in said.items():
        known = row.stamps.get(name)
        if value is None or known is None or known[0] <= stamp or name in _OURS:
            continue
        yield FieldKept(kind, name_of(row), _words(name), shown(value), shown(getattr(row, name)), known[1])


def _words(name: str) -> str:
    return name.replace("_", " ")
