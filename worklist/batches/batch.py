"""Apply what messages and people say, by sets: load what they name, decide in memory, save what changed.

Each table is read by one statement and written by one, however many messages there are. Rows are locked table
by table and in the order of their keys.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from django.db import connection, transaction

from ledger import stamps
from ledger.events import Entry
from worklist import catalogue as catalogues
from worklist import change_check, worklist_events
from worklist.batches import (
    changed_rows,
    lost_statements,
    number_holders,
    order_doubts,
    removed_rows,
    visit_events,
)
from worklist.batches.changed_rows import Differences, Overtaken, Snapshot
from worklist.batches.named_rows import Loader
from worklist.batches.number_holders import Holder, NumberName
from worklist.batches.order_doubts import ANOTHERS, TAKEN
from worklist.batches.row_tables import EVENTS, LINKS, NUMBERS, ORDERS, PATIENTS, PROCEDURES, STEPS, VISITS
from worklist.catalogue import Catalogue
from worklist.change_set import ChangeSet, Group, Registration, Tie, VisitChange, VisitMerge
from worklist.orders import number_clash
from worklist.orders.order_aggregate import (
    OrderAggregate,
    OrderRecord,
)
from worklist.orders.order_book import OrderBook
from worklist.orders.order_update import OrderUpdate
from worklist.patients import identity_doubt, identity_exceptions
from worklist.patients.identity_doubt import (
    MergeRefused,
    NumbersContradict,
    NumberTaken,
    OrderOfAnother,
    VisitOfAnother,
)
from worklist.patients.patient_index import PatientIndex
from worklist.patients.patient_records import PatientRecord, VisitRecord
from worklist.patients.visit_owner import VisitOwner
from worklist.provenance import Provenance
from worklist.signals import links_changed, orders_changed, patients_changed

_Result = TypeVar("_Result")
_Registered = tuple[PatientRecord, VisitRecord | None]
_TRIES: Final = 5
_NOBODY: Final[Mapping[int, int]] = {}
_NOBODY_KNOWN: Final[Mapping[str, int]] = {}
_NO_HOLDERS: Final[Mapping[NumberName, list[Holder]]] = {}


@dataclass(frozen=True)
class Applied:
    """What became of a group: its patient, and its order; `newer` is the stamp of what it all lost to."""

    patient: PatientRecord | None = None
    order: OrderAggregate | None = None
    newer: str = ""


Told = Callable[[Sequence[Sequence[Applied]]], Iterable[Entry]]
"""What else is to be recorded of what became of the groups of change sets."""


def apply(
    change_sets: Sequence[ChangeSet], catalogue: Catalogue, told: Told | None = None
) -> list[list[Applied]]:
    """Apply change sets, each of which was checked, one after the other, in the caller's transaction.

    What is `told` is recorded by the statement that records the rest.

    Raises `Overtaken` or `InDoubt`; then nothing of the transaction may be kept.
    """
    assert connection.in_atomic_block
    loader = Loader(catalogue)
    loaded = loader.load(change_sets)
    batch = Batch(loader.snapshot, *loaded, loader.others, loader.holders, loader.moved_between)
    applied = [batch.decide(changes) for changes in change_sets]
    batch.save(told(applied) if told else ())
    return applied


def apply_one(changes: ChangeSet) -> list[Applied]:
    """Check and apply what one person says, in the caller's transaction. Raises `Refused`."""
    catalogue = catalogues.current()
    if found := change_check.refusal(changes, catalogue):
        raise found.error
    return undisturbed(lambda: apply([changes], catalogue)[0])


def undisturbed(work: Callable[[], _Result]) -> _Result:
    """Do it again while somebody else is quicker, in the caller's transaction."""
    assert connection.in_atomic_block
    for _ in range(_TRIES - 1):
        with suppress(Overtaken), transaction.atomic():
            return work()
    with transaction.atomic():
        return work()


class Batch:
    """Patients and orders in memory, which decide; and what they were, so that what changed is saved."""

    def __init__(
        self,
        snapshot: Snapshot,
        patients: PatientIndex | None,
        orders: OrderBook | None,
        others: Mapping[int, int] = _NOBODY,
        holders: Mapping[NumberName, list[Holder]] = _NO_HOLDERS,
        moved_between: Mapping[str, int] = _NOBODY_KNOWN,
    ) -> None:
        self._snapshot = snapshot
        self._patients = patients
        self._orders = orders
        self._others = others
        self._holders = {number: list(found) for number, found in holders.items()}
        if patients is not None:
            self._visit_owner = VisitOwner(patients, self._shown_under, moved_between)
        self._told_by_orders: set[int] = set()
        self._newcomers: Sequence[PatientRecord] = ()

    @classmethod
    def empty(cls, catalogue: Catalogue) -> "Batch":
        """One that knows of nobody and nothing."""
        return cls(Snapshot(), PatientIndex([], [], [], catalogue), OrderBook([], catalogue))

    def decide(self, changes: ChangeSet) -> list[Applied]:
        """Apply a change set in memory."""
        assert self._patients is not None
        known: dict[int, _Registered] = {}
        applied = [self._decide(group, changes.provenance, known) for group in changes.groups]
        self._patients.resolve(changes.provenance)
        if self._orders and self._patients.visits.has_moves:
            self._patients.visits.settle()
            for aggregate in self._orders.aggregates.values():
                self._follow_visit(aggregate, changes.provenance)
        return applied

    def _follow_visit(self, aggregate: OrderAggregate, provenance: Provenance) -> None:
        """An order goes with its visit to another patient, unless it was said later whose it is."""
        assert self._patients is not None and self._orders is not None
        order = aggregate.order
        for stamp, key in self._patients.visits.moves_of(order.visit_id) if order.visit_id else ():
            if stamps.take(order, "patient_id", key, stamp):
                about = [("order", order.public_id)]
                self._orders.note(worklist_events.ORDER_MOVED, about, provenance)

    def save(self, told: Iterable[Entry] = ()) -> None:
        """Write what is new or changed, and what else is told, then tell those above of it."""
        differences = self._snapshot.differences(self.rows())
        self._newcomers = self._unlinked(differences.new[PATIENTS])
        touched = differences.touched()
        entries = [entry for part in (self._patients, self._orders) if part for entry in part.entries]
        if self._patients:
            entries += visit_events.told(self._patients, {one.order.visit_id for one in self._aggregates()})
        entries += told
        former = self._snapshot.former_descriptions(differences.changed[PATIENTS])
        removed = [row for one in self._aggregates() for row in one.removed]
        removed_rows.give_names_up(removed)
        changed_rows.write(differences, former, entries)
        removed_rows.delete(removed)
        self._tell(touched, {one.patient_id for one in former})
        _tell_links(differences)
        if self._patients:
            for provenance, doubt in self._patients.doubts:
                identity_exceptions.open_all([doubt()], provenance)
            if self._patients.moved:
                identity_exceptions.settle({row.id for row in self._patients.moved.values()})

    def _decide(self, group: Group, provenance: Provenance, known: dict[int, _Registered]) -> Applied:
        assert self._patients is not None and self._orders is not None
        patient, visit, order = None, None, None
        if said := group.registration:
            patient = known[id(said)][0] if id(said) in known else self._patients.register(said, provenance)
        for tie in group.merges:
            self._join_or_part(tie, said, provenance)
        if group.order:
            self._check_join(group, group.order, provenance)
        if said and patient is not None:
            if group.order:
                self._check_patient(group.order, said, patient, provenance)
            if id(said) not in known or group.visit_changes:
                known[id(said)] = patient, self._visit_of(group, said, patient, provenance)
            visit = known[id(said)][1]
        if update := group.order:
            content = update.content
            if update.procedures and patient is not None:
                self._told_by_orders.add(id(patient))
                content = replace(content, patient_id=patient.id, visit_id=visit.id if visit else None)
            order = self._orders.apply(update, content, provenance)
            if update.procedures and said and patient is not None:
                self._check_numbers(update, order, said, patient, provenance)
        newer = lost_statements.newer_than(group, provenance.stamp.key(), patient, visit, order)
        return Applied(patient, order, newer)

    def _check_join(self, group: Group, update: OrderUpdate, provenance: Provenance) -> None:
        """Two known orders are one where each knows one kind of number, and both are one person's."""
        assert self._patients is not None and self._orders is not None
        known = self._orders.named(update)
        people = {one.order.patient_id for one in known} - {None}
        is_of_two = len(people) > 1
        if is_of_two:
            self._patients.resolve(provenance)
            is_of_two = len({self._shown_under(key) for key in people if key}) > 1
        if is_of_two or number_clash.is_clash(known, update):
            doubt = order_doubts.of_numbers(update, known, group.registration)
            error = NumbersContradict(number_clash.CONTRADICTION, number_clash.field_of(update), doubt)
            error.group = group.index
            raise error

    def _check_patient(
        self, update: OrderUpdate, said: Registration, named: PatientRecord, provenance: Provenance
    ) -> None:
        """An order stays with its patient: only a merge or a person gives it to another record."""
        assert self._patients is not None and self._orders is not None
        for one in self._orders.named(update):
            key = one.order.patient_id
            if key is None or key == named.id:
                continue
            self._patients.resolve(provenance)
            if self._shown_under(key) != self._shown_under(named.id):
                raise OrderOfAnother(ANOTHERS, "identifiers", order_doubts.of_patient(said, one, named))

    def _check_numbers(
        self,
        update: OrderUpdate,
        aggregate: OrderAggregate,
        said: Registration,
        patient: PatientRecord,
        provenance: Provenance,
    ) -> None:
        """One number never stands for two people; one that is only derived gives way."""
        assert self._orders is not None
        own = {aggregate.order.id, *(row.id for row in aggregate.removed if isinstance(row, OrderRecord))}
        for number in sorted(number_holders.given(update)):
            others = (one for one in self._holders.get(number, ()) if one.order not in own)
            found = next((one for one in others if self._is_another(one, number, patient, provenance)), None)
            if found is None:
                continue
            if number == (number_holders.ACCESSION, update.content.accession_of_number):
                self._orders.take_derived_accession(aggregate, provenance)
            else:
                doubt = order_doubts.of_shared_number(number, found, said, patient)
                raise NumberTaken(TAKEN[number[0]], number[0], doubt)
        mine = Holder(
            aggregate.order.id, aggregate.order.public_id, provenance.facility.pk, patient.id, patient.id
        )
        for number in number_holders.held(aggregate):
            self._holders.setdefault(number, []).append(mine)

    def _is_another(
        self, holder: Holder, number: NumberName, patient: PatientRecord, provenance: Provenance
    ) -> bool:
        if number[0] == number_holders.ACCESSION and holder.facility != provenance.facility.pk:
            return False
        assert self._patients is not None
        self._patients.resolve(provenance)
        is_loaded = holder.patient in self._patients.patients
        theirs = self._patients.shown_under(holder.patient) if is_loaded else holder.person
        return theirs != self._patients.shown_under(patient.id)

    def _shown_under(self, key: int) -> int:
        assert self._patients is not None
        return self._others.get(key) or self._patients.shown_under(key)

    def _join_or_part(self, tie: Tie, said: Registration | None, provenance: Provenance) -> None:
        assert self._patients is not None
        try:
            self._patients.join_or_part(tie, provenance)
        except MergeRefused as error:
            if error.doubt is not None:
                error.doubt = identity_doubt.with_said(error.doubt, said)
            raise

    def _visit_of(
        self, group: Group, said: Registration, patient: PatientRecord, provenance: Provenance
    ) -> VisitRecord | None:
        """What a group says of visits; the one that its patient is registered with."""
        try:
            for change in group.visit_changes:
                self._change_visit(change, said, patient, provenance)
            return self._visit(said, patient, provenance)
        except VisitOfAnother as error:
            error.group = group.index
            raise

    def _visit(
        self, said: Registration, patient: PatientRecord, provenance: Provenance
    ) -> VisitRecord | None:
        """The visit that a patient is registered with."""
        assert self._patients is not None
        if said.visit is None:
            return None
        self._patients.resolve(provenance)
        self._visit_owner.check_visit(said, patient, provenance)
        return self._patients.visit(said.visit, patient, provenance)

    def _change_visit(
        self, change: VisitChange, said: Registration, patient: PatientRecord, provenance: Provenance
    ) -> None:
        assert self._patients is not None
        self._patients.resolve(provenance)
        if isinstance(change, VisitMerge):
            self._visit_owner.check_merge(change, said, patient, provenance)
            self._patients.visits.change(change, patient, provenance)
            return
        self._visit_owner.check_move(change, patient, provenance)
        self._patients.visits.change(change, patient, provenance)
        held = self._patients.known_or_new(change.held, provenance)
        self._patients.visits.note_move(change.visit, (held, patient), provenance)

    def _unlinked(self, patients: Sequence[PatientRecord]) -> list[PatientRecord]:
        linked = {end for ends in self._patients.links for end in ends[:2]} if self._patients else set()
        return [row for row in patients if row.id not in linked]

    def _aggregates(self) -> Iterable[OrderAggregate]:
        return self._orders.aggregates.values() if self._orders else ()

    def orders(self) -> list[OrderAggregate]:
        """The orders in memory."""
        return list(self._aggregates())

    def rows(self) -> dict[Any, Iterable[Any]]:
        """All that is in memory, by its table."""
        rows: dict[Any, Iterable[Any]] = {}
        if self._patients:
            rows |= {
                PATIENTS: self._patients.patients.values(),
                LINKS: self._patients.links.values(),
                VISITS: self._patients.visits.values(),
            }
        aggregates = list(self._aggregates())
        return rows | {
            ORDERS: [one.order for one in aggregates],
            NUMBERS: [row for one in aggregates for row in one.numbers],
            PROCEDURES: [row for one in aggregates for row in one.procedures],
            STEPS: [row for one in aggregates for row in one.steps],
            EVENTS: [row for one in aggregates for row in one.events],
        }

    def _tell(self, touched: set[int], renamed: set[int]) -> None:
        """Tell those above which orders and which patients are others now, and who is described anew.

        A patient that was registered with an order which is told of is not told of as well.
        """
        updated = {row.id: row for row in self._patients.updated.values()} if self._patients else {}
        orders = [
            one
            for one in self._aggregates()
            if one.removed or one.order.patient_id in updated or any(id(row) in touched for row in one.rows())
        ]
        told = {one.order.patient_id for one in orders}
        patients = {row.id: row for row in self._patients.moved.values()} if self._patients else {}
        for row in updated.values():
            if id(row) not in self._told_by_orders or row.id not in told:
                patients[row.id] = row
        if orders:
            orders_changed.send(sender=None, orders=orders, newcomers=self._newcomers, renamed=renamed)
        if patients:
            patients_changed.send(sender=None, patients=list(patients.values()), renamed=renamed)


def _tell_links(differences: Differences) -> None:
    made = differences.new[LINKS]
    closed = [row for row, names in differences.changed[LINKS] if "closed_by" in names]
    if made or closed:
        links_changed.send(sender=None, made=made, closed=closed)
