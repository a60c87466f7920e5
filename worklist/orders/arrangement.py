"""Bring an order's procedures and steps in line with all that was said of them (`contributions`)."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from ledger.stamps import default_of
from worklist.orders import contributions, order_numbering
from worklist.orders.contributions import Contributions, Fields, ProcedureName
from worklist.orders.order_aggregate import OrderAggregate, ProcedureRecord, StepRecord, age
from worklist.orders.order_content import ProcedureContent, StepContent


def arrange(
    aggregate: OrderAggregate, said: Contributions, new_keys: Iterator[int], received_at: datetime
) -> None:
    """Keep what was said, and have rows for just what there is by it.

    A row stays what it is as far as it can: that of the same ID, else one that had none takes the ID. What
    was done to a step that is no more was done to the one it went into.
    """
    aggregate.order.contributions = contributions.encoded(said)
    rows = {contributions.name_of(row): row for row in sorted(aggregate.procedures, key=age, reverse=True)}
    targets = contributions.arranged(said)
    kept: list[ProcedureRecord] = []
    for name, (one, places) in targets.items():
        keys = (ProcedureName("", place) for place in sorted(places))
        absorbed = [rows[key] for key in keys if key in rows and key not in targets and rows[key] not in kept]
        same = [row for row in aggregate.procedures if contributions.name_of(row) == name]
        merged = [*sorted(same, key=age), *absorbed]
        row = merged[0] if merged else _new_procedure(aggregate, next(new_keys), name)
        kept.append(row)
        steps = [step for other in merged for step in aggregate.steps_of(other)]
        _name_procedure(aggregate, row, name)
        _fill(row, one.fields, ProcedureContent.names())
        order_numbering.number_procedure(row, aggregate.canonical_number)
        _arrange_steps(aggregate, row, steps, contributions.steps_of(one), new_keys, received_at)
    aggregate.removed += [row for row in aggregate.procedures if row not in kept]
    aggregate.procedures = kept


def _new_procedure(aggregate: OrderAggregate, key: int, name: ProcedureName) -> ProcedureRecord:
    row = ProcedureRecord(key, aggregate.order.id, name.id, name.place or None)
    aggregate.procedures.append(row)
    return row


def _name_procedure(aggregate: OrderAggregate, row: ProcedureRecord, name: ProcedureName) -> None:
    row.order_id = aggregate.order.id
    row.place = None if name.id else name.place
    if name.id:
        row.requested_procedure_id = name.id


def _arrange_steps(
    aggregate: OrderAggregate,
    procedure: ProcedureRecord,
    there: Sequence[StepRecord],
    wanted: dict[str, Fields],
    new_keys: Iterator[int],
    received_at: datetime,
) -> None:
    free = sorted(there, key=age)
    kept: list[StepRecord] = []
    for id in sorted(wanted):
        row = next((one for one in free if contributions.step_name(one) == id), None)
        row = row or next((one for one in free if one.id_is_generated), None)
        if row is None:
            row = StepRecord(next(new_keys), procedure.id, received_at)
            aggregate.steps.append(row)
        else:
            free.remove(row)
        row.procedure_id = procedure.id
        row.id_is_generated = not id
        row.scheduled_procedure_step_id = id or row.scheduled_procedure_step_id
        _fill(row, wanted[id], StepContent.names())
        order_numbering.number_step(row, procedure)
        kept.append(row)
    for row in free:
        _give_way(aggregate, row, kept)


def _give_way(aggregate: OrderAggregate, row: StepRecord, kept: Sequence[StepRecord]) -> None:
    name = contributions.step_name(row)
    heir = next((one for one in kept if contributions.step_name(one) == name), kept[0])
    known = {(one.step_id, one.kind, one.stamp) for one in aggregate.events}
    for event in [one for one in aggregate.events if one.step_id == row.id]:
        if (heir.id, event.kind, event.stamp) in known:
            aggregate.events.remove(event)
            aggregate.removed.append(event)
        else:
            event.step_id = heir.id
    aggregate.steps.remove(row)
    aggregate.removed.append(row)


def _fill(row: Any, fields: Fields, names: Iterable[str]) -> None:
    """Have a row say just what was said."""
    said = dict(row.stamps)
    for name in names:
        if name in fields:
            setattr(row, name, fields[name].value)
            said[name] = [fields[name].stamp, fields[name].source]
        elif name in said:
            setattr(row, name, default_of(row, name))
            del said[name]
    if said != row.stamps:
        row.stamps = said
