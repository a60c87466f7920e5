"""Read and lock what change sets name: one statement a table."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db import transaction
from django.db.models import Q

from accounts import site_version
from worklist.batches import number_holders
from worklist.batches.changed_rows import Snapshot
from worklist.batches.number_holders import Holder, NumberName
from worklist.batches.row_tables import EVENTS, LINKS, NUMBERS, ORDERS, PATIENTS, PROCEDURES, STEPS, VISITS
from worklist.catalogue import Catalogue
from worklist.change_check import namespace_of
from worklist.change_set import ChangeSet, Group, VisitChange, VisitMerge, VisitName
from worklist.models import AssigningAuthority, Patient
from worklist.orders.order_aggregate import NumberKey, OrderAggregate, OrderRecord
from worklist.orders.order_book import OrderBook, sought_by
from worklist.patients.identifiers import Authority, Identifier
from worklist.patients.patient_index import PatientIndex, RecordKey, naming
from worklist.patients.patient_records import LinkRecord, PatientRecord, VisitRecord
from worklist.patients.visit_index import VisitKey, visit_key

_CONNECTED: Final = f"""{LINKS.name}.retired_id IN (
    WITH RECURSIVE member(id) AS (
        SELECT id FROM {PATIENTS.name} WHERE {{wanted}}
        UNION
        SELECT CASE WHEN l.retired_id = member.id THEN l.survivor_id ELSE l.retired_id END
        FROM member JOIN {LINKS.name} l ON l.retired_id = member.id OR l.survivor_id = member.id
        WHERE l.closed_by = ''
    )
    SELECT id FROM member
)"""
"""The links, closed ones too, of all records that open links connect to those wanted."""

_KEY: Final = ("authority_id", "number", "holder")


@dataclass
class Names:
    """What change sets name: records by authority and value, those that may be linked, visits, orders."""

    records: set[RecordKey] = field(default_factory=set)
    linked: set[RecordKey] = field(default_factory=set)
    visits: set[VisitKey] = field(default_factory=set)
    changed_visits: set[VisitKey] = field(default_factory=set)
    orders: set[NumberKey] = field(default_factory=set)

    @classmethod
    def of(cls, groups: Iterable[Group], catalogue: Catalogue) -> "Names":
        names = cls()
        for group in groups:
            if group.registration:
                names._add(group.registration.identifiers, catalogue)
                if visit := group.registration.visit:
                    names.visits.add(visit_key(visit.name, catalogue))
                    if visit.account and catalogue.authority(visit.account.authority):
                        names.visits.add(visit_key(visit.account, catalogue))
            for change in group.visit_changes:
                names.changed_visits |= {visit_key(one, catalogue) for one in _visits_of(change)}
                names._add(change.held, catalogue, may_be_linked=False)
            for merge in group.merges:
                names._add((merge.survivor, merge.retired), catalogue)
            if group.order:
                names.orders.update(sought_by(group.order))
        return names

    def _add(
        self, identifiers: Sequence[Identifier], catalogue: Catalogue, *, may_be_linked: bool = True
    ) -> None:
        found, _ = naming(identifiers, catalogue)
        keys = {(authority.pk, identifier.value) for authority, identifier in found}
        self.records |= keys
        if may_be_linked and len(keys) > 1:
            self.linked |= keys


class Loader:
    """Reads into memory; `catalogue` is complete for what was read."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.snapshot = Snapshot()
        self.others: dict[int, int] = {}
        """Under which record the patients of orders and visits show who are not named themselves."""
        self.moved_between: dict[str, int] = {}
        """The same of those between whom visits were moved, by their public ids."""
        self.holders: Mapping[NumberName, list[Holder]] = {}

    def load(self, change_sets: Sequence[ChangeSet]) -> tuple[PatientIndex, OrderBook]:
        """All that change sets name."""
        groups = [group for changes in change_sets for group in changes.groups]
        self._add_authorities(groups)
        names = Names.of(groups, self.catalogue)
        patients = self.snapshot.select(PATIENTS, ["authority_id", "value"], names.records)
        keys = {row.id for row in patients if (row.authority_id, row.value) in names.linked}
        links = self._links(patients, keys)
        visits, moved = self._visits(names)
        orders = self._orders(names.orders) if names.orders else []
        if moved:
            known = {one.id for one in orders}
            orders += [one for one in self._of_visits(moved) if one.id not in known]
        keys = {one.patient_id for one in orders if one.patient_id} | {one.patient_id for one in visits}
        self._find_others(patients, keys, visits)
        book = self._book(orders)
        self._find_holders(groups, book)
        return self._index(patients, links, visits), book

    def _visits(self, names: Names) -> tuple[list[VisitRecord], list[int]]:
        """The visits that are named and those above them; with what is below where a move has to be followed.

        And the keys of all of these where orders follow them.
        """
        asked = names.visits | names.changed_visits
        rows = self.snapshot.select(VISITS, _KEY, sorted(asked))
        while True:
            known = {row.id for row in rows}
            wanted = {row.into_id for row in rows if row.into_id} - known
            accounts = {key for row in rows if row.account and (key := self._account_key(row))} - asked
            if not wanted and not accounts:
                break
            asked |= accounts
            rows += self._more(["id"], [[key] for key in sorted(wanted)], known)
            known = {row.id for row in rows}
            rows += self._more(_KEY, sorted(accounts), known)
        if not names.changed_visits and not any(row.moved_to_id for row in rows):
            return rows, []
        front, texts = [*rows], {self._account_text(*key[:2]) for key in names.changed_visits}
        while front or texts:
            known = {row.id for row in rows}
            below = self._more(["into_id"], [[row.id] for row in front], known)
            texts |= {self._account_text(row.authority_id, row.number) for row in front}
            below += self._more(["account"], [[text] for text in texts], known | {row.id for row in below})
            rows, front, texts = [*rows, *below], below, set()
        return rows, [row.id for row in rows]

    def _more(
        self, columns: Sequence[str], keys: Sequence[Sequence[object]], known: Collection[int]
    ) -> list[VisitRecord]:
        """Visits that are not known yet; what is read again is not what it was read as before."""
        if not keys:
            return []
        condition, parameters = VISITS.any_of(columns, keys)
        found = VISITS.select(condition, parameters, lock=True)
        return self.snapshot.remember(VISITS, [row for row in found if row.id not in known])

    def _account_key(self, row: VisitRecord) -> VisitKey | None:
        number, _, namespace = row.account.rpartition("^^^")
        found = self.catalogue.authority(Authority(namespace))
        return (found.pk, number, "") if found else None

    def _account_text(self, authority: int, number: str) -> str:
        namespaces = {one.pk: one.namespace for one in self.catalogue.authorities}
        return f"{number}^^^{namespaces[authority]}"

    def _of_visits(self, keys: Iterable[int]) -> list[OrderRecord]:
        """The orders of visits."""
        return self.snapshot.select(ORDERS, ["visit_id"], [[key] for key in sorted(keys)])

    def _find_holders(self, groups: Iterable[Group], book: OrderBook) -> None:
        """Who has the numbers that are given, but for what the orders have that are told of again."""
        given = {number for group in groups if group.order for number in number_holders.given(group.order)}
        for aggregate in book.aggregates.values():
            given -= number_holders.held(aggregate)
        self.holders = number_holders.find(given)

    def _find_others(
        self, patients: Iterable[PatientRecord], keys: Iterable[int], visits: Iterable[VisitRecord]
    ) -> None:
        """Not locked: patients come before orders, and nothing of theirs is changed."""
        known = {row.id: row.public_id for row in patients}
        wanted = set(keys) - known.keys()
        between = {end for row in visits for move in row.moves for end in move[1:]} - {*known.values()}
        if wanted or between:
            found = Patient.objects.filter(Q(pk__in=wanted) | Q(public_id__in=between))
            rows = list(found.values_list("pk", "public_id", "survivor_id"))
            self.others = {key: survivor or key for key, _, survivor in rows}
            self.moved_between = {name: survivor or key for key, name, survivor in rows}

    def order(self, key: int) -> OrderBook:
        """One order."""
        return self._book(self.snapshot.select(ORDERS, ["id"], [[key]]))

    def orders(self, keys: Iterable[int]) -> OrderBook:
        """Some orders."""
        return self._book(self.snapshot.select(ORDERS, ["id"], [[key] for key in sorted(keys)]))

    def people(self, keys: Iterable[int]) -> PatientIndex:
        """Patient records, all that are linked to them, and the links."""
        patients = self.snapshot.select(PATIENTS, ["id"], [[key] for key in keys])
        links = self._links(patients, {row.id for row in patients})
        return self._index(patients, links, [])

    def _index(
        self, patients: list[PatientRecord], links: list[LinkRecord], visits: list[VisitRecord]
    ) -> PatientIndex:
        missing = {row.authority_id for row in patients} - {one.pk for one in self.catalogue.authorities}
        if missing:  # which another process has made within the last second
            self._take_authorities(AssigningAuthority.objects.filter(pk__in=missing))
        return PatientIndex(patients, links, visits, self.catalogue)

    def _add_authorities(self, groups: Iterable[Group]) -> None:
        """Make the authorities that nobody knew; whether the site accepts them was checked.

        One by one, as they are named: a later one may name the same authority by its universal ID alone.
        """
        added = False
        for named in _authorities_of(groups):
            if self.catalogue.authority(named):
                continue
            row = _stored_authority(named)
            if row is None:
                made = AssigningAuthority(**{**named._asdict(), "namespace": namespace_of(named)})
                AssigningAuthority.objects.bulk_create([made], ignore_conflicts=True)
                row, added = _stored_authority(named), True
            self._take_authorities([row] if row else ())
        if added:
            # What is committed stays applied, even if the others can't be told.
            transaction.on_commit(site_version.changed, robust=True)

    def _take_authorities(self, rows: Iterable[AssigningAuthority]) -> None:
        self.catalogue = self.catalogue.with_authorities(rows)

    def _links(self, patients: list[PatientRecord], keys: set[int]) -> list[LinkRecord]:
        """All links of the people with these keys; their other records are locked and added to `patients`.

        Read again once those are locked, as somebody may have linked more to them meanwhile.
        """
        known = {row.id for row in patients}
        links: list[LinkRecord] = []
        while keys:
            wanted, parameters = PATIENTS.any_of(["id"], [[key] for key in sorted(keys)])
            links = LINKS.select(_CONNECTED.format(wanted=wanted), parameters)
            more = {end for link in links for end in (link.retired_id, link.survivor_id)} - known
            if not more:
                break
            patients += self.snapshot.select(PATIENTS, ["id"], [[key] for key in sorted(more)])
            known |= more
        return self.snapshot.remember(LINKS, links)

    def _orders(self, named: set[NumberKey]) -> list[OrderRecord]:
        condition, parameters = NUMBERS.any_of(["kind", "value", "namespace"], sorted(named))
        condition = f"{ORDERS.name}.id IN (SELECT order_id FROM {NUMBERS.name} WHERE {condition})"
        return self.snapshot.remember(ORDERS, ORDERS.select(condition, parameters, lock=True))

    def _book(self, orders: Sequence[OrderRecord]) -> OrderBook:
        keys = [[order.id] for order in orders]
        aggregates = {order.id: OrderAggregate(order) for order in orders}
        for number in self.snapshot.select(NUMBERS, ["order_id"], keys):
            aggregates[number.order_id].numbers.append(number)
        of_procedure: dict[int, OrderAggregate] = {}
        for procedure in self.snapshot.select(PROCEDURES, ["order_id"], keys):
            of_procedure[procedure.id] = aggregates[procedure.order_id]
            of_procedure[procedure.id].procedures.append(procedure)
        for step in self.snapshot.select(STEPS, ["procedure_id"], [[key] for key in of_procedure]):
            of_procedure[step.procedure_id].steps.append(step)
        for event in self.snapshot.select(EVENTS, ["order_id"], keys):
            aggregates[event.order_id].events.append(event)
        return OrderBook(aggregates.values(), self.catalogue)


def with_authorities(catalogue: Catalogue, groups: Iterable[Group]) -> Catalogue:
    """The same with the authorities that are named and nobody knows, which are made nowhere."""
    for number, named in enumerate(_authorities_of(groups), 1):
        if not catalogue.authority(named):
            made = AssigningAuthority(pk=-number, **{**named._asdict(), "namespace": namespace_of(named)})
            catalogue = catalogue.with_authorities([made])
    return catalogue


def _visits_of(change: VisitChange) -> list[VisitName]:
    if isinstance(change, VisitMerge):
        return [change.survivor, change.retired]
    return [change.visit]


def _stored_authority(named: Authority) -> AssigningAuthority | None:
    """The authority of a namespace, else that of a universal ID, as it is in the database by now."""
    rows = AssigningAuthority.objects.all()
    found = rows.filter(namespace=namespace_of(named)).first()
    if found is None and named.universal_id:
        oid = {"universal_id": named.universal_id, "universal_id_type": named.universal_id_type}
        found = rows.filter(**oid).first()
    return found


def _authorities_of(groups: Iterable[Group]) -> Iterable[Authority]:
    for group in groups:
        if group.registration:
            yield from (one.authority for one in group.registration.identifiers if one.value)
            if group.registration.visit:
                yield group.registration.visit.authority
        for change in group.visit_changes:
            yield from (one.authority for one in _visits_of(change))
        for merge in group.merges:
            yield from (merge.survivor.authority, merge.retired.authority)
