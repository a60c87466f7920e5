"""The patient records that a batch of messages names: registered, updated, merged and unmerged in memory.

A merge is a link, never a move: each trusted identifier keeps its own record for ever, and which record it is
shown under follows from the set of links alone. Nothing here knows a database.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from ledger import stamps
from ledger.events import Entry
from worklist import worklist_events
from worklist.catalogue import Catalogue
from worklist.change_set import Merge, Registration, VisitUpdate
from worklist.models import AssigningAuthority, LinkKind
from worklist.patients import allergies, person_names, record_links
from worklist.patients.allergies import AllergyChange
from worklist.patients.identifiers import NAMING_TYPES, Authority, Identifier
from worklist.patients.identity_doubt import IdentityDoubt
from worklist.patients.patient_records import LinkRecord, PatientRecord, VisitRecord
from worklist.provenance import Provenance

_LONGEST_KEY: Final = 320
RecordKey = tuple[int, str]
"""What names a record: the key of its authority, and the value."""


def naming(
    identifiers: Iterable[Identifier], catalogue: Catalogue
) -> tuple[list[tuple[AssigningAuthority, Identifier]], list[dict[str, str]]]:
    """Part the identifiers that name records, each once, from those that are only attributes."""
    found: dict[RecordKey, tuple[AssigningAuthority, Identifier]] = {}
    others = []
    for identifier in identifiers:
        if not identifier.value:
            continue
        authority = authority_of(identifier.authority, catalogue)
        if authority.trusted and identifier.type in NAMING_TYPES:
            found.setdefault((authority.pk, identifier.value), (authority, identifier))
        else:
            others.append(
                {"value": identifier.value, "authority": authority.namespace, "type": identifier.type}
            )
    return list(found.values()), others


def authority_of(named: Authority, catalogue: Catalogue) -> AssigningAuthority:
    """The authority that is named; one that nobody knew was made when the batch was loaded."""
    found = catalogue.authority(named)
    assert found is not None
    return found


class PatientIndex:
    """Records, links and visits in memory.

    `updated` are those whose demographics changed, `moved` those that were linked, parted or show under
    another record now, `entries` is what is to be recorded, `doubts` what a person should look at: each is
    asked for when new records have their keys.
    """

    def __init__(
        self,
        patients: Iterable[PatientRecord],
        links: Iterable[LinkRecord],
        visits: Iterable[VisitRecord],
        catalogue: Catalogue,
    ) -> None:
        self.patients = {row.id: row for row in patients}
        self.links = {(row.retired_id, row.survivor_id, row.kind, row.stamp): row for row in links}
        self.visits = {(row.authority_id, row.number): row for row in visits}
        self.updated: dict[int, PatientRecord] = {}
        self.moved: dict[int, PatientRecord] = {}
        self.entries: list[Entry] = []
        self.doubts: list[tuple[Provenance, Callable[[], IdentityDoubt]]] = []
        self._by_name: dict[RecordKey, PatientRecord] = {
            (row.authority_id, row.value): row for row in self.patients.values()
        }
        self._same_message = {
            (row.retired_id, row.survivor_id): row
            for row in self.links.values()
            if row.kind == LinkKind.SAME_MESSAGE
        }
        self._catalogue = catalogue
        self._namespaces = {one.pk: one.namespace for one in catalogue.authorities}
        self._touched: set[int] = set()
        self._new_keys = itertools.count(-1, -1)

    def register(self, registration: Registration, provenance: Provenance) -> PatientRecord:
        """Register or update the patient that trusted identifiers name; the first record.

        Several trusted identifiers in one message say that their records are one person.
        """
        named, others = naming(registration.identifiers, self._catalogue)
        values = {**registration.demographics, **({"other_identifiers": others} if others else {})}
        records = [self._record(authority, identifier, provenance) for authority, identifier in named]
        for record in records:
            self._update(record, values, registration.allergy_changes, provenance)
        for other in records[1:]:
            self._link(other, records[0], LinkKind.SAME_MESSAGE, provenance)
        return records[0]

    def merge(self, merge: Merge, provenance: Provenance) -> PatientRecord:
        """Merge one record into another (HL7 v2.5.1 3.3.40); an unknown one is made."""
        named, _ = naming([merge.survivor, merge.retired], self._catalogue)
        keep, gone = (self._record(authority, identifier, provenance) for authority, identifier in named)
        if self._link(gone, keep, LinkKind.MERGE, provenance):
            self.entries.append(
                provenance.entry(
                    worklist_events.PATIENT_MERGED,
                    [("patient", gone.public_id), ("patient", keep.public_id)],
                    retired=self._text(gone),
                    survivor=self._text(keep),
                    **({"reason": merge.reason} if merge.reason else {}),
                )
            )
        self.moved |= {gone.id: gone, keep.id: keep}
        return keep

    def unmerge(self, key: int, provenance: Provenance, reason: str = "") -> None:
        """Close a link: each record shows by itself again, with everything that it came with."""
        link = next(link for link in self.links.values() if link.id == key)
        retired, survivor = self.patients[link.retired_id], self.patients[link.survivor_id]
        link.closed_by = link.closed_by or provenance.source
        about = [("patient", retired.public_id), ("patient", survivor.public_id)]
        details = {"reason": reason} if reason else {}
        self.entries.append(
            Entry(worklist_events.PATIENT_UNMERGED, about, None, provenance.actor, provenance.source, details)
        )
        self._touched |= {retired.id, survivor.id}
        self.moved |= {retired.id: retired, survivor.id: survivor}
        self.resolve(provenance)

    def shown_under(self, key: int) -> int:
        """The key of the record under which one of these shows, as it was resolved last."""
        return self.patients[key].survivor_id or key

    def visit(self, update: VisitUpdate, patient: PatientRecord, provenance: Provenance) -> VisitRecord:
        """Register or update a visit (HL7 v2.5.1 3.4.3), named by its number."""
        authority = authority_of(update.authority, self._catalogue)
        key = authority.pk, update.number
        found = self.visits.get(key)
        if found is None:
            new = VisitRecord(next(self._new_keys), provenance.facility.pk, *key, patient_id=patient.id)
            found = self.visits[key] = new
        values = {**update.values, "patient_id": patient.id}
        stamps.write(found, values, provenance.stamp, provenance.source)
        return found

    def resolve(self, provenance: Provenance) -> None:
        """Derive which record each one shows under, where links were added or closed since the last time."""
        if not self._touched:
            return
        links = [link for link in self.links.values() if not link.closed_by]
        members = record_links.component(self._touched, links)
        links = sorted((link for link in links if link.retired_id in members), key=self._age)
        parents, conflicts = record_links.survivors(links)
        for key in sorted(members):
            self._show_under(self.patients[key], record_links.root(key, parents))
        for link in links:
            self._note_conflict(link, conflicts.get(link.id, ""), provenance)
        self._touched = set()

    def _record(
        self, authority: AssigningAuthority, identifier: Identifier, provenance: Provenance
    ) -> PatientRecord:
        key = authority.pk, identifier.value
        found = self._by_name.get(key)
        if found is None:
            found = PatientRecord(
                next(self._new_keys), provenance.facility.pk, *key, identifier.type, provenance.received_at
            )
            self._by_name[key] = self.patients[found.id] = found
        return found

    def _update(
        self,
        record: PatientRecord,
        values: Mapping[str, Any],
        reactions: Sequence[AllergyChange],
        provenance: Provenance,
    ) -> None:
        before = record.allergies, record.stamps.get("allergies")
        changed = stamps.write(record, values, provenance.stamp, provenance.source)
        if record.stamps.get("allergies") != before[1]:
            allergies.take_list(record)
        if reactions:
            allergies.change(record, reactions, provenance.stamp.key())
        if record.allergies != before[0]:
            changed.add("allergies")
        if "name" in changed:
            keys = person_names.keys(record.name)
            record.name_key, record.ideographic_key, record.phonetic_key = keys
            record.bare_key = person_names.bare(record.name_key)[:_LONGEST_KEY]
        if changed:
            about = [("patient", record.public_id)]
            self.entries.append(
                provenance.entry(worklist_events.PATIENT_UPDATED, about, fields=sorted(changed))
            )
            self.updated[record.id] = record

    def _link(
        self, retired: PatientRecord, survivor: PatientRecord, kind: LinkKind, provenance: Provenance
    ) -> bool:
        """Add an edge; False if it is there. "Same message" is one edge, dated by its oldest message."""
        stamp, ends = provenance.stamp.key(), (retired.id, survivor.id)
        self._touched |= {*ends}
        if kind == LinkKind.SAME_MESSAGE and (known := self._same_message.get(ends)):
            if known.stamp <= stamp:
                return False
            del self.links[*ends, kind.value, known.stamp]
            known.stamp, known.source = stamp, provenance.source
            self.links[*ends, kind.value, stamp] = known
            return True
        key = (*ends, kind.value, stamp)
        if key in self.links:
            return False
        self.links[key] = LinkRecord(next(self._new_keys), *key, source=provenance.source)
        if kind == LinkKind.SAME_MESSAGE:
            self._same_message[ends] = self.links[key]
        return True

    def _show_under(self, patient: PatientRecord, root: int) -> None:
        survivor = None if root == patient.id else root
        if patient.survivor_id != survivor:
            patient.survivor_id = survivor
            self.moved[patient.id] = patient

    def _note_conflict(self, link: LinkRecord, conflict: str, provenance: Provenance) -> None:
        if link.conflict == conflict:
            return
        link.conflict = conflict
        if conflict:
            ends = (self.patients[link.retired_id], self.patients[link.survivor_id])
            about = [("patient", one.public_id) for one in ends]
            details = {"text": conflict}
            entry = Entry(
                worklist_events.IDENTITY_CONFLICT, about, None, provenance.actor, provenance.source, details
            )
            self.entries.append(entry)

    def _age(self, link: LinkRecord) -> tuple[str, str, str, str]:
        ends = (self.patients[link.retired_id], self.patients[link.survivor_id])
        return (link.stamp, link.kind, *(self._text(one) for one in ends))  # type: ignore[return-value]

    def _text(self, record: PatientRecord) -> str:
        return f"{record.value}^^^{self._namespaces[record.authority_id]}"
