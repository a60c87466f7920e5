"""Apply what messages and people say, by sets: load what they name, decide in memory, save what changed.

Each table is read by one statement and written by one, however many messages there are. Rows are locked table
by table and in the order of their keys.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from django.db import connection, transaction

from ledger.errors import OtherPatient
from worklist import catalogue as catalogues
from worklist import change_check
from worklist.batches import changed_rows
from worklist.batches.changed_rows import Overtaken, Snapshot
from worklist.batches.named_rows import Loader
from worklist.batches.row_tables import EVENTS, LINKS, NUMBERS, ORDERS, PATIENTS, PROCEDURES, STEPS, VISITS
from worklist.catalogue import Catalogue
from worklist.change_set import ChangeSet, Group, Registration
from worklist.models import Order, RequestedProcedure, ScheduledProcedureStep, StatusEvent
from worklist.orders.order_aggregate import (
    OrderAggregate,
    OrderRecord,
    ProcedureRecord,
    Row,
    StatusEventRecord,
    StepRecord,
)
from worklist.orders.order_book import OrderBook
from worklist.orders.order_update import OrderUpdate
from worklist.patients.patient_index import PatientIndex
from worklist.patients.patient_records import PatientRecord, VisitRecord
from worklist.provenance import Provenance
from worklist.signals import orders_changed, patients_changed

_Result = TypeVar("_Result")
_Registered = tuple[PatientRecord, VisitRecord | None]
_TRIES: Final = 5
_NOBODY: Final[Mapping[int, int]] = {}


@dataclass(frozen=True)
class Applied:
    """What became of a group: its patient, and its order."""

    patient: PatientRecord | None = None
    order: OrderAggregate | None = None


def apply(change_sets: Sequence[ChangeSet], catalogue: Catalogue) -> list[list[Applied]]:
    """Apply change sets, each of which was checked, one after the other, in the caller's transaction.

    Raises `Overtaken` or `OtherPatient`; then nothing of the transaction may be kept.
    """
    assert connection.in_atomic_block
    loader = Loader(catalogue)
    batch = Batch(loader.snapshot, *loader.load(change_sets), loader.others)
    applied = [batch.decide(changes) for changes in change_sets]
    batch.save()
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
    ) -> None:
        self._snapshot = snapshot
        self._patients = patients
        self._orders = orders
        self._others = others
        self._told_by_orders: set[int] = set()
        self._newcomers: Sequence[PatientRecord] = ()

    def decide(self, changes: ChangeSet) -> list[Applied]:
        """Apply a change set in memory."""
        assert self._patients is not None
        known: dict[int, _Registered] = {}
        applied = [self._decide(group, changes.provenance, known) for group in changes.groups]
        self._patients.resolve(changes.provenance)
        return applied

    def save(self) -> None:
        """Write what is new or changed, then tell those above of it."""
        differences = self._snapshot.differences(self._rows())
        self._newcomers = self._unlinked(differences.new[PATIENTS])
        touched = differences.touched()
        entries = [entry for part in (self._patients, self._orders) if part for entry in part.entries]
        former = self._snapshot.former_descriptions(differences.changed[PATIENTS])
        changed_rows.write(differences, former, entries)
        _delete(row for one in self._aggregates() for row in one.removed)
        self._tell(touched, {one.patient_id for one in former})

    def _decide(self, group: Group, provenance: Provenance, known: dict[int, _Registered]) -> Applied:
        assert self._patients is not None and self._orders is not None
        patient, visit, order = None, None, None
        if said := group.registration:
            if id(said) not in known:
                known[id(said)] = self._register(said, provenance)
            patient, visit = known[id(said)]
        for merge in group.merges:
            self._patients.merge(merge, provenance)
        if update := group.order:
            if patient is not None:
                self._check_patient(update, patient, provenance)
            content = update.content
            if update.procedures and patient is not None:
                self._told_by_orders.add(id(patient))
                content = replace(content, patient_id=patient.id, visit_id=visit.id if visit else None)
            order = self._orders.apply(update, content, provenance)
        return Applied(patient, order)

    def _check_patient(self, update: OrderUpdate, named: PatientRecord, provenance: Provenance) -> None:
        """An order stays with its patient: only a merge or a person gives it to another record."""
        assert self._patients is not None and self._orders is not None
        for one in self._orders.named(update):
            key = one.order.patient_id
            if key is None or key == named.id:
                continue
            self._patients.resolve(provenance)
            if (self._others.get(key) or self._patients.shown_under(key)) != self._patients.shown_under(
                named.id
            ):
                about = [("order", one.order.public_id)]
                raise OtherPatient("the order is another patient's", "identifiers", about)

    def _register(self, said: Registration, provenance: Provenance) -> _Registered:
        assert self._patients is not None
        patient = self._patients.register(said, provenance)
        return patient, self._patients.visit(said.visit, patient, provenance) if said.visit else None

    def _unlinked(self, patients: Sequence[PatientRecord]) -> list[PatientRecord]:
        linked = {end for ends in self._patients.links for end in ends[:2]} if self._patients else set()
        return [row for row in patients if row.id not in linked]

    def _aggregates(self) -> Iterable[OrderAggregate]:
        return self._orders.aggregates.values() if self._orders else ()

    def _rows(self) -> dict[Any, Iterable[Any]]:
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


def _delete(rows: Iterable[Row]) -> None:
    """Delete what went into another order, with all that hangs on it."""
    keys: dict[type[Any], list[int]] = {}
    for row in rows:
        if row.id > 0:
            keys.setdefault(type(row), []).append(row.id)
    for record, model in (
        (StatusEventRecord, StatusEvent),
        (StepRecord, ScheduledProcedureStep),
        (ProcedureRecord, RequestedProcedure),
        (OrderRecord, Order),
    ):
        if record in keys:
            model.objects.filter(pk__in=keys[record]).delete()
