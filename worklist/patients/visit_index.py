"""The visits that a batch of messages names, in memory: registered, merged, and moved to another patient.

An account (PID-18) is kept like a visit once something is said of it. Of a visit each thing is kept with its
stamp: of which account it is, into which other it was merged, to which patient it was moved. What follows of
these for a visit and for its orders is the same in any order of arrival.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ledger import stamps
from ledger.errors import Unknown
from worklist.catalogue import Catalogue
from worklist.change_set import VisitChange, VisitMerge, VisitName, VisitUpdate
from worklist.models import AssigningAuthority
from worklist.patients.identifiers import Authority
from worklist.patients.patient_records import PatientRecord, VisitRecord
from worklist.provenance import Provenance

Move = tuple[list[str], int]
"""The stamp of a move with its event, and the key of the patient."""
VisitKey = tuple[int, str, str]
"""The authority, the number, and whose number it is where each patient has own ones."""


class VisitChanged(NamedTuple):
    """A visit of which fields are others now, or that is new, and who says so."""

    row: VisitRecord
    fields: Sequence[str]
    provenance: Provenance


class VisitIndex:
    """Visits by what names them; `changes` is what was made of them, and by whom.

    `has_history` where any of them was moved between two patients.
    """

    def __init__(self, rows: Iterable[VisitRecord], catalogue: Catalogue) -> None:
        self._rows = {(row.authority_id, row.number, row.holder): row for row in rows}
        self._by_id = {row.id: row for row in self._rows.values()}
        self.changes: list[VisitChanged] = []
        self.has_history = any(row.moves for row in self._rows.values())
        self._catalogue = catalogue
        self._namespaces = {one.pk: one.namespace for one in catalogue.authorities}
        self._new_keys = itertools.count(-1, -1)

    def values(self) -> Iterable[VisitRecord]:
        """All of them."""
        return self._rows.values()

    @property
    def has_moves(self) -> bool:
        """Whether any of them was moved."""
        return any(row.moved_to_id is not None for row in self._rows.values())

    def update(self, update: VisitUpdate, patient: PatientRecord, provenance: Provenance) -> VisitRecord:
        """Register or update a visit (HL7 v2.5.1 3.4.3)."""
        found = self._row(update.name, patient, provenance)
        values = {**update.values, "patient_id": patient.id}
        if update.account is not None:
            values["account"] = account_text(update.account, self._catalogue)
        self._write(found, values, provenance)
        return found

    def find(self, name: VisitName) -> VisitRecord | None:
        """The visit or account of a name, if there is one."""
        known = self._catalogue.authority(name.authority)
        return self._rows.get((known.pk, name.number, name.holder)) if known else None

    def of_account(self, name: VisitName) -> list[VisitRecord]:
        """The visits that are of an account."""
        text = account_text(name, self._catalogue)
        return [row for row in self._rows.values() if row.account == text]

    def history(self, row: VisitRecord) -> list[list[str]]:
        """The moves of a visit, of its account, and of what it was merged into: when, from and to whom."""
        return sorted(move for one in self._above(row) for move in one.moves)

    def note_move(self, name: VisitName, ends: Sequence[PatientRecord], provenance: Provenance) -> None:
        """Keep between whom a visit was moved, and when; the same again is no other move."""
        row, move = self.find(name), [provenance.stamp.key(), *(one.public_id for one in ends)]
        assert row is not None
        before = [one for one in row.moves if one <= move]
        if not before or before[-1][1:] != move[1:]:
            row.moves = sorted([*row.moves, move])
            self.has_history = True

    def change(self, said: VisitChange, patient: PatientRecord, provenance: Provenance) -> None:
        """Merge one visit or account into another, or move one to the patient; unknown ones are made.

        Raises `Unknown` for a merge into one that is merged into the retired.
        """
        found = self._row(said.retired if isinstance(said, VisitMerge) else said.visit, patient, provenance)
        if isinstance(said, VisitMerge):
            into = self._row(said.survivor, patient, provenance)
            if found in self._above(into):
                raise Unknown("the surviving number is merged into the retired one", "retired_visit")
            self._write(into, {"patient_id": patient.id}, provenance)
            values: dict[str, object] = {"into_id": into.id, "patient_id": patient.id}
        else:
            values = {"moved_to_id": patient.id, "patient_id": patient.id}
            if said.account is not None:
                values["account"] = account_text(said.account, self._catalogue)
        self._write(found, values, provenance)

    def settle(self) -> None:
        """Have each visit be of the patient to whom it, or what it belongs to, was moved."""
        for row in self._rows.values():
            for move in self.moves_of(row.id):
                stamps.take(row, "patient_id", move[1], move[0])

    def moves_of(self, key: int) -> Iterator[Move]:
        """The moves of a visit, of its account, and of what it was merged into."""
        if key in self._by_id:
            for row in self._above(self._by_id[key]):
                if row.moved_to_id is not None:
                    yield row.stamps["moved_to_id"], row.moved_to_id

    def _write(self, row: VisitRecord, values: Mapping[str, object], provenance: Provenance) -> None:
        changed = stamps.write(row, values, provenance.stamp, provenance.source)
        if changed or row.id < 0:
            self.changes.append(VisitChanged(row, sorted(changed), provenance))

    def _above(self, row: VisitRecord) -> list[VisitRecord]:
        rows = self._rows.values() if row.account else ()
        accounts = {self._text(one): one for one in rows if not one.holder}
        found, front = [], [row]
        while front:
            one = front.pop()
            if one in found:
                continue
            found.append(one)
            others = (self._by_id.get(one.into_id or 0), accounts.get(one.account))
            front += [other for other in others if other is not None]
        return found

    def _row(self, name: VisitName, patient: PatientRecord, provenance: Provenance) -> VisitRecord:
        key = visit_key(name, self._catalogue)
        found = self._rows.get(key)
        if found is None:
            authority, number, holder = key
            new = VisitRecord(
                next(self._new_keys),
                provenance.facility.pk,
                authority,
                number,
                patient_id=patient.id,
                holder=holder,
            )
            found = self._rows[key] = self._by_id[new.id] = new
        return found

    def _text(self, row: VisitRecord) -> str:
        return f"{row.number}^^^{self._namespaces[row.authority_id]}"


def visit_key(name: VisitName, catalogue: Catalogue) -> VisitKey:
    """By what a visit is found."""
    return _authority(name.authority, catalogue).pk, name.number, name.holder


def account_text(name: VisitName, catalogue: Catalogue) -> str:
    """An account as it stands in the visits that are of it."""
    known = catalogue.authority(name.authority)
    namespace = known.namespace if known else name.authority.namespace or name.authority.universal_id
    return f"{name.number}^^^{namespace}"


def _authority(named: Authority, catalogue: Catalogue) -> AssigningAuthority:
    found = catalogue.authority(named)
    assert found is not None
    return found
