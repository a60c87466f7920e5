"""Whose a visit or an account is: what names another patient for it is refused, and a person looks at it.

What was said before a move is of the one from whom it was moved, what was said after it of the one to whom.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from worklist.change_set import Registration, VisitMerge, VisitMove, VisitName
from worklist.models import IdentityExceptionKind
from worklist.patients import identity_doubt
from worklist.patients.identity_doubt import IdentityDoubt, VisitOfAnother
from worklist.patients.patient_index import PatientIndex
from worklist.patients.patient_records import PatientRecord, VisitRecord
from worklist.provenance import Provenance

_VISIT: Final = "the visit or account is another patient's"
_MOVED: Final = "the visit or account is not the patient's from whom it is moved"
_HELD: Final = "the visit or account is not the patient's who is named as its former one"


@dataclass(frozen=True)
class VisitOwner:
    """Compares whom a message names with whose the visits are that it names.

    `person` tells under which record one shows; `between` the same of those between whom visits were moved
    and who are not in memory, by their public ids.
    """

    people: PatientIndex
    person: Callable[[int], int]
    between: Mapping[str, int]

    def check_visit(self, said: Registration, patient: PatientRecord, provenance: Provenance) -> None:
        """The visit that a patient is registered with, and its account, are of nobody else.

        Raises `VisitOfAnother`, as the others do.
        """
        update = said.visit
        assert update is not None
        named = [(update.name, "number")] + ([(update.account, "account")] if update.account else [])
        for name, field in named:
            row = self.people.visits.find(name)
            if row is not None and not self._is_of(row, patient, provenance):
                self._refuse(_VISIT, field, row, said, patient)

    def check_merge(
        self, change: VisitMerge, said: Registration, patient: PatientRecord, provenance: Provenance
    ) -> None:
        """Both the number that goes and the one that stays are the patient's."""
        for name, field in ((change.retired, "identifiers"), (change.survivor, "number")):
            rows = list(self._rows(name))
            if rows and not any(self._is_of(row, patient, provenance) for row in rows):
                self._refuse(_VISIT, field, rows[0], said, patient)
        if change.held and (rows := list(self._rows(change.retired))):
            held = self.people.named(change.held)
            if not any(self._is_of(row, one, provenance) for row in rows for one in held):
                self._refuse_held(_HELD, rows[0], change, held)

    def check_move(self, change: VisitMove, patient: PatientRecord, provenance: Provenance) -> None:
        """It is of the one from whom it is moved, with all its visits, or has been moved so already."""
        held = self.people.named(change.held)
        for row in [*self._rows(change.visit), *self.people.visits.of_account(change.visit)]:
            is_theirs = any(self._is_of(row, one, provenance) for one in held)
            if not is_theirs and not self._is_there(row, held, patient, provenance):
                self._refuse_held(_MOVED, row, change, held)

    def _rows(self, name: VisitName) -> Iterator[VisitRecord]:
        """The visit or account itself; where it is not kept, the visits that are of the account."""
        row = self.people.visits.find(name)
        yield from [row] if row is not None else self.people.visits.of_account(name)

    def _is_of(self, row: VisitRecord, patient: PatientRecord, provenance: Provenance) -> bool:
        """Whether it was this person's when the message was made."""
        if not self.people.visits.has_history:
            return row.patient_id == patient.id or self.person(row.patient_id) == self.person(patient.id)
        stamp, history = provenance.stamp.key(), self.people.visits.history(row)
        before = [move[2] for move in history if move[0] <= stamp]
        after = [move[1] for move in history if move[0] > stamp]
        whose = {self._person_of(one) for one in (*before[-1:], *after[:1])}
        if not after:
            whose.add(self.person(row.patient_id))
        return self.person(patient.id) in whose

    def _is_there(
        self, row: VisitRecord, held: Iterable[PatientRecord], patient: PatientRecord, provenance: Provenance
    ) -> bool:
        """Whether what was said later, or the same said before, has it with the one to whom it is moved."""
        stamp, history = provenance.stamp.key(), self.people.visits.history(row)
        to, since = self.person(patient.id), row.stamps.get("patient_id", [""])[0]
        before = [move[1:] for move in history if move[0] <= stamp]
        after = [move[1] for move in history if move[0] > stamp]
        if after:
            return self._person_of(after[0]) == to
        if since > stamp and self.person(row.patient_id) == to:
            return True
        ends = [self._person_of(one) for one in before[-1]] if before else []
        return any(ends == [self.person(one.id), to] for one in held)

    def _person_of(self, public_id: str) -> int:
        if (found := self.between.get(public_id)) is not None:
            return found
        key = next((row.id for row in self.people.patients.values() if row.public_id == public_id), 0)
        return self.person(key) if key else 0

    def _refuse(
        self, text: str, field: str, row: VisitRecord, said: Registration, patient: PatientRecord
    ) -> NoReturn:
        raise VisitOfAnother(text, field, _doubt(text, row, patient, identity_doubt.said_of(said)))

    def _refuse_held(
        self, text: str, row: VisitRecord, change: VisitMerge | VisitMove, held: list[PatientRecord]
    ) -> NoReturn:
        texts = identity_doubt.identifier_texts(change.held)
        said = identity_doubt.said_of_record(held[0], *texts) if held else {"identifiers": texts}
        raise VisitOfAnother(text, "held", _doubt(text, row, held[0] if held else None, said))


def _doubt(
    text: str, row: VisitRecord, other: PatientRecord | None, said: Mapping[str, object]
) -> IdentityDoubt:
    identifiers = said.get("identifiers") or [""]
    return IdentityDoubt(
        IdentityExceptionKind.VISIT_OF_ANOTHER,
        key=f"{row.public_id}|{identifiers[0]}",  # type: ignore[index]
        text=f"{text}: {row.number}",
        patient=row.patient_id if row.patient_id > 0 else None,
        other=other.id if other is not None and other.id > 0 else None,
        said=said,
    )
