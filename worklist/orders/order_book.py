"""The orders that a batch of messages names, by their numbers: what is said of them is applied in memory.

Content is written field by field by stamp, status events are a set, and numbers that are named together
merge, so any order of arrival, with repeats, ends in the same state. Nothing here knows a database.
"""

import itertools
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from ledger import stamps
from ledger.event_types import EventType
from ledger.events import Entry, Thing
from worklist import worklist_events
from worklist.catalogue import Catalogue
from worklist.models import OrderNumber, OrderStatus, StatusEvent
from worklist.orders import arrangement, contributions, derivation, order_merge, order_numbering, step_status
from worklist.orders.contributions import ProcedureName, SaidProcedure
from worklist.orders.order_aggregate import (
    NumberKey,
    NumberRecord,
    OrderAggregate,
    OrderRecord,
    ProcedureRecord,
    StatusEventRecord,
    StepRecord,
    age,
)
from worklist.orders.order_content import OrderContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.provenance import Provenance


def numbers_of(update: OrderUpdate) -> dict[NumberKey, Number]:
    """What an update names its order by."""
    named = ((OrderNumber.Kind.PLACER, update.placer), (OrderNumber.Kind.FILLER, update.filler))
    return {NumberKey.of(kind, number): number for kind, number in named if number is not None}


def sought_by(update: OrderUpdate) -> list[NumberKey]:
    """By what its order may be here: a number without namespace may have been kept so."""
    named = numbers_of(update).items()
    return [*dict(named), *(key._replace(namespace="") for key, number in named if number.is_bare)]


_ENDS: Final = frozenset({OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.DISCONTINUED})


class Implied(NamedTuple):
    """A status event that follows from something else than what was said of the order."""

    step_id: int
    kind: str
    stamp: str
    occurred_at: datetime
    source: str
    reason: str = ""


def _columns(one: Implied) -> tuple[int, str, str, datetime, str, str, str]:
    return one.step_id, str(one.kind), one.stamp, one.occurred_at, one.reason[:500], "", one.source


class OrderBook:
    """Orders in memory, those that are merged away among them; `entries` is what is to be recorded."""

    def __init__(self, aggregates: Iterable[OrderAggregate], catalogue: Catalogue) -> None:
        self.aggregates = {one.order.id: one for one in aggregates}
        self.entries: list[Entry] = []
        self._by_number = {number.key: one for one in self.aggregates.values() for number in one.numbers}
        self._catalogue = catalogue
        self._new_keys = itertools.count(-1, -1)

    def named(self, update: OrderUpdate) -> list[OrderAggregate]:
        """The orders that are there of those that an update's numbers name."""
        known = {one.order.id: one for key in sought_by(update) if (one := self._by_number.get(key))}
        return sorted(known.values(), key=lambda one: age(one.order))

    def apply(self, update: OrderUpdate, content: OrderContent, provenance: Provenance) -> OrderAggregate:
        """Apply what is said of an order, which was checked before; the order.

        `content` is the update's own, with the keys of its patient and visit.
        """
        aggregate = self._taken(update, provenance)
        if update.act is not None:
            self.add_event(aggregate, update.act, provenance, reason=update.reason)
        if update.procedures:
            self._write(aggregate, update, content, provenance)
        self.entries += derivation.derive(aggregate, self._catalogue, provenance)
        self._tell(aggregate, update, provenance)
        return aggregate

    def _tell(self, aggregate: OrderAggregate, update: OrderUpdate, provenance: Provenance) -> None:
        """What was said of an order, and what it is where that is another end than was said."""
        done = worklist_events.ORDER_CHANGED[update.act] if update.act else worklist_events.ORDER_STATED
        now = aggregate.order.status
        is_other = update.act and now in _ENDS and now != step_status.ENDS.get(update.act)
        details = {"reason": update.reason, **({"now": now} if is_other else {})}
        self.entries.append(provenance.entry(done, [("order", aggregate.order.public_id)], **details))

    def add_event(
        self,
        aggregate: OrderAggregate,
        kind: StatusEvent.Kind,
        provenance: Provenance,
        *,
        step: StepRecord | None = None,
        reason: str = "",
    ) -> StatusEventRecord | None:
        """Add a status event to the set; None where the same one of the same message is there already."""
        stamp, step_id = provenance.stamp.key(), step.id if step else None
        named = (step_id, str(kind), stamp)
        if any((one.step_id, one.kind, one.stamp) == named for one in aggregate.events):
            return None
        event = StatusEventRecord(
            id=next(self._new_keys),
            order_id=aggregate.order.id,
            step_id=step_id,
            kind=str(kind),
            stamp=stamp,
            occurred_at=provenance.stamp.made_at,
            reason=reason[:500],
            actor=str(provenance.actor),
            source=provenance.source,
        )
        aggregate.events.append(event)
        return event

    def imply(self, aggregate: OrderAggregate, wanted: Iterable[Implied], prefixes: tuple[str, ...]) -> bool:
        """Let exactly these events stand of those whose source has such a prefix; whether any differ.

        One that a person has taken back stays taken back.
        """
        keys = {one[:3]: one for one in wanted}
        own = {
            (one.step_id, one.kind, one.stamp): one
            for one in aggregate.events
            if one.source.startswith(prefixes)
        }
        gone = [event for key, event in own.items() if key not in keys]
        there = {(one.step_id, one.kind, one.stamp) for one in aggregate.events}
        new = [one for key, one in keys.items() if key not in there]
        aggregate.events = [one for one in aggregate.events if one not in gone]
        aggregate.removed += gone
        for one in new:
            aggregate.events.append(
                StatusEventRecord(next(self._new_keys), aggregate.order.id, *_columns(one))
            )
        return bool(new or gone)

    def derive(self, aggregate: OrderAggregate, provenance: Provenance) -> None:
        """Derive anew what follows, after a status event was added or undone."""
        self.entries += derivation.derive(aggregate, self._catalogue, provenance)

    def take_derived_accession(self, aggregate: OrderAggregate, provenance: Provenance) -> None:
        """Have an order go by a number of our own: the one of its numbers that would serve is another's."""
        aggregate.order.accession_of_number = ""
        self.derive(aggregate, provenance)

    def note(
        self, event_type: EventType, about: Sequence[Thing], provenance: Provenance, reason: str = ""
    ) -> None:
        """Have an act recorded on the timeline."""
        self.entries.append(provenance.entry(event_type, about, reason=reason))

    def _taken(self, update: OrderUpdate, provenance: Provenance) -> OrderAggregate:
        """The order that the update's numbers name: found, new, or merged from two."""
        named = numbers_of(update)
        missing = [key for key in named if key not in self._by_number]
        if known := self.named(update):
            ours, *others = known
        else:
            ours, others = self._new_order(provenance), []
            self.aggregates[ours.order.id] = ours
        for theirs in others:
            self._merge(ours, theirs)
        if missing:
            self._give_numbers(ours, missing)
            order_numbering.renumber(ours)
        for record in ours.numbers:
            if (said := named.get(record.key)) is not None:
                record.say(said)
        ours.order.first_received_at = min(ours.order.first_received_at, provenance.received_at)
        return ours

    def _new_order(self, provenance: Provenance) -> OrderAggregate:
        key = next(self._new_keys)
        order = OrderRecord(key, provenance.facility.pk, provenance.received_at)
        return OrderAggregate(order, is_new=True)

    def _merge(self, ours: OrderAggregate, theirs: OrderAggregate) -> None:
        order_merge.merge(ours, theirs, self._new_keys)
        del self.aggregates[theirs.order.id]
        for number in theirs.numbers:
            self._by_number[number.key] = ours

    def _give_numbers(self, aggregate: OrderAggregate, keys: Sequence[NumberKey]) -> None:
        for key in keys:
            aggregate.numbers.append(
                NumberRecord(next(self._new_keys), aggregate.order.id, *key, is_bare=True)
            )
            self._by_number[key] = aggregate

    def _write(
        self, aggregate: OrderAggregate, update: OrderUpdate, content: OrderContent, provenance: Provenance
    ) -> None:
        order, stamp, source = aggregate.order, provenance.stamp, provenance.source
        stamps.write(order, content.said(), stamp, source)
        first = order.content_received_at
        order.content_received_at = min(first, provenance.received_at) if first else provenance.received_at
        if contributions.is_mixed(aggregate, update.procedures):
            said = contributions.of_rows(aggregate)
            for name, one in contributions.of_update(update.procedures, stamp, source).items():
                said.setdefault(name, SaidProcedure()).take(one)
            arrangement.arrange(aggregate, said, self._new_keys, provenance.received_at)
            return
        for procedure_said in update.procedures:
            procedure = self._procedure(aggregate, procedure_said)
            stamps.write(procedure, procedure_said.content.said(), stamp, source)
            for step_said, of_step in procedure_said.contents():
                step = self._step(aggregate, procedure, step_said, provenance)
                stamps.write(step, of_step.said(), stamp, source)

    def _procedure(self, aggregate: OrderAggregate, said: ProcedureUpdate) -> ProcedureRecord:
        name = ProcedureName(said.id, 0 if said.id else said.place)
        for known in aggregate.procedures:
            if contributions.name_of(known) == name:
                return known
        procedure = ProcedureRecord(next(self._new_keys), aggregate.order.id, said.id, name.place or None)
        order_numbering.number_procedure(procedure, aggregate.canonical_number)
        aggregate.procedures.append(procedure)
        return procedure

    def _step(
        self,
        aggregate: OrderAggregate,
        procedure: ProcedureRecord,
        said: StepUpdate,
        provenance: Provenance,
    ) -> StepRecord:
        for known in aggregate.steps_of(procedure):
            if contributions.step_name(known) == said.id:
                return known
        step = StepRecord(
            next(self._new_keys), procedure.id, provenance.received_at, said.id, id_is_generated=not said.id
        )
        order_numbering.number_step(step, procedure)
        aggregate.steps.append(step)
        return step
