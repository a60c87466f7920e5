"""The patient records that a batch of messages names: registered, updated, merged and unmerged in memory.

A merge is a link, never a move: each trusted identifier keeps its own record for ever, and which record it is
shown under follows from the set of links alone. Nothing here knows a database.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NoReturn

from ledger import stamps
from ledger.event_types import EventType
from ledger.events import Entry
from worklist import worklist_events
from worklist.catalogue import Catalogue
from worklist.change_set import Merge, Registration, Tie, Unlink, VisitUpdate
from worklist.models import AssigningAuthority, IdentityExceptionKind, LinkKind
from worklist.patients import allergies, person_names, record_links
from worklist.patients.allergies import AllergyChange
from worklist.patients.identifiers import NAMING_TYPES, Authority, Identifier
from worklist.patients.identity_doubt import IdentityDoubt, MergeRefused, said_of, said_of_record
from worklist.patients.patient_records import LinkRecord, PatientRecord, VisitRecord
from worklist.patients.visit_index import VisitIndex
from worklist.provenance import Provenance

_LONGEST_KEY: Final = 320
_BOTH: Final = "one message has both numbers of one authority"
_CONTRADICTS: Final = "the retired record is merged elsewhere, or the surviving one into it"
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


def _entry(kind: EventType, ends: Sequence[tuple[str, str]], reason: str, provenance: Provenance) -> Entry:
    """What was done to two records, the retired one first, each with its public id and its text."""
    about = [("patient", public_id) for public_id, _ in ends]
    why = {"reason": reason} if reason else {}
    return provenance.entry(kind, about, retired=ends[0][1], survivor=ends[1][1], **why)


def _key(one: PatientRecord, other: PatientRecord) -> str:
    return f"{one.public_id} {other.public_id}"


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
        self.visits = VisitIndex(visits, catalogue)
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
        self._standing: record_links.Standing | None = None
        self._newest = ""
        self._new_keys = itertools.count(-1, -1)

    def register(self, registration: Registration, provenance: Provenance) -> PatientRecord:
        """Register or update the patient that trusted identifiers name; the first record.

        Several trusted identifiers in one message say that their records are one person. What is said is said
        of the first; of another it counts only as long as nothing is said of that by itself.
        """
        named, others = naming(registration.identifiers, self._catalogue)
        values = {**registration.demographics, **({"other_identifiers": others} if others else {})}
        first, *rest = [self._record(authority, identifier, provenance) for authority, identifier in named]
        self._update(first, values, registration.allergy_changes, provenance)
        aside = replace(provenance, stamp=provenance.stamp.aside) if rest else provenance
        for other in rest:
            self._update(other, values, registration.allergy_changes, aside)
            is_known = (other.id, first.id) in self._same_message
            is_new = self._link(other, first, LinkKind.SAME_MESSAGE, provenance)
            if is_new and not is_known and max(other.id, first.id) > 0:
                ends = self._ends(other, first)
                self.entries.append(_entry(worklist_events.PATIENT_LINKED, ends, "", provenance))
            if is_new and other.authority_id == first.authority_id:
                said = said_of(registration)
                self._doubt(IdentityExceptionKind.LINKED_BY_MESSAGE, other, first, _BOTH, provenance, said)
            elif not is_new and self._is_parted(other.id, first.id, provenance):
                text = record_links.KEPT_APART
                said = said_of(registration)
                self._doubt(IdentityExceptionKind.MERGES_CONFLICT, other, first, text, provenance, said)
        return first

    def merge(self, merge: Merge, provenance: Provenance) -> PatientRecord:
        """Merge one record into another (HL7 v2.5.1 3.3.40); an unknown one is made.

        Raises `MergeRefused` where the merge contradicts what was accepted before and may not.
        """
        keep, gone = self._pair(merge, provenance)
        standing = None if merge.may_contradict else self._all_links()
        before = standing.contradicted if standing else 0
        is_new = self._link(gone, keep, LinkKind.MERGE, provenance)
        if standing and is_new and self._all_links().contradicted > before:
            self._refuse(gone, keep)
        if is_new:
            self.entries.append(
                _entry(worklist_events.PATIENT_MERGED, self._ends(gone, keep), merge.reason, provenance)
            )
        return keep

    def join_or_part(self, said: Tie, provenance: Provenance) -> None:
        """Merge two records, link them (3.3.24), or part them (3.3.37); unknown ones are made."""
        if isinstance(said, Merge):
            self.merge(said, provenance)
            return
        keep, other = self._pair(said, provenance)
        kind = LinkKind.UNLINK if isinstance(said, Unlink) else LinkKind.LINK
        if not self._link(other, keep, kind, provenance):
            return
        if kind == LinkKind.UNLINK:
            self.entries.append(
                _entry(worklist_events.PATIENT_UNLINKED, self._ends(other, keep), said.reason, provenance)
            )
        else:
            self.entries.append(
                _entry(worklist_events.PATIENT_LINKED, self._ends(other, keep), said.reason, provenance)
            )

    def close(self, key: int, provenance: Provenance, reason: str = "") -> None:
        """Take back what a link says, as if it had never been said; nothing that it joined has moved."""
        link = next(link for link in self.links.values() if link.id == key)
        retired, survivor = self.patients[link.retired_id], self.patients[link.survivor_id]
        link.closed_by = link.closed_by or provenance.source
        if link.kind == LinkKind.UNLINK:
            self.entries.append(
                _entry(worklist_events.UNLINK_UNDONE, self._ends(retired, survivor), reason, provenance)
            )
        else:
            self.entries.append(
                _entry(worklist_events.PATIENT_UNMERGED, self._ends(retired, survivor), reason, provenance)
            )
        self._touched |= {retired.id, survivor.id}
        self.moved |= {retired.id: retired, survivor.id: survivor}
        self._standing = None
        self.resolve(provenance)

    def named(self, identifiers: Iterable[Identifier]) -> list[PatientRecord]:
        """Those records of these identifiers that are there."""
        found, _ = naming(identifiers, self._catalogue)
        rows = (self._by_name.get((authority.pk, one.value)) for authority, one in found)
        return [row for row in rows if row is not None]

    def known_or_new(self, identifiers: Iterable[Identifier], provenance: Provenance) -> PatientRecord:
        """The first record of these identifiers, made where it is not there."""
        found, _ = naming(identifiers, self._catalogue)
        return self._record(*found[0], provenance)

    def shown_under(self, key: int) -> int:
        """The key of the record under which one of these shows, as it was resolved last."""
        return self.patients[key].survivor_id or key

    def visit(self, update: VisitUpdate, patient: PatientRecord, provenance: Provenance) -> VisitRecord:
        """Register or update a visit of the patient."""
        return self.visits.update(update, patient, provenance)

    def resolve(self, provenance: Provenance) -> None:
        """Derive which record each one shows under, where links were added or closed since the last time."""
        if not self._touched:
            return
        links = [link for link in self.links.values() if not link.closed_by]
        members = record_links.component(self._touched, links)
        links = sorted((link for link in links if link.retired_id in members), key=self._age)
        standing = record_links.Standing(links)
        for key in sorted(members):
            self._show_under(self.patients[key], standing.root(key))
        for link in links:
            self._note_conflict(link, standing.conflicts.get(link.id, ""), provenance)
        self._touched = set()

    def _pair(self, said: Tie, provenance: Provenance) -> tuple[PatientRecord, PatientRecord]:
        """The surviving and the retired record, both of them told of as others now."""
        named, _ = naming([said.survivor, said.retired], self._catalogue)
        first, second = (self._record(authority, identifier, provenance) for authority, identifier in named)
        self.moved |= {first.id: first, second.id: second}
        return first, second

    def _ends(self, *records: PatientRecord) -> list[tuple[str, str]]:
        return [(one.public_id, self._text(one)) for one in records]

    def _all_links(self) -> record_links.Standing:
        """What all links come to that are known by now."""
        if self._standing is None:
            links = sorted((link for link in self.links.values() if not link.closed_by), key=self._age)
            self._standing = record_links.Standing(links)
            self._newest = links[-1].stamp if links else ""
        return self._standing

    def _told(self, link: LinkRecord) -> None:
        """Have the standing know of a new link; it is told anew where this is not the newest."""
        if self._standing is None:
            return
        if link.stamp < self._newest:
            self._standing = None
        else:
            self._standing.add(link)
            self._newest = link.stamp

    def _refuse(self, retired: PatientRecord, survivor: PatientRecord) -> NoReturn:
        """Nothing of the message is kept, so a record that it made is known to nobody."""
        ends = self._text(retired), self._text(survivor)
        known = [one.id for one in (survivor, retired) if one.id > 0]
        doubt = IdentityDoubt(
            IdentityExceptionKind.MERGE_REFUSED,
            " into ".join(ends),
            f"{ends[0]} into {ends[1]}: {_CONTRADICTS}",
            patient=next(iter(known), None),
            other=next(iter(known[1:]), None),
            said={"identifiers": list(ends)},
        )
        raise MergeRefused(f"the merge is refused: {_CONTRADICTS}", "retired", doubt)

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
            self._standing = None
            return True
        key = (*ends, kind.value, stamp)
        if key in self.links:
            return False
        self.links[key] = LinkRecord(next(self._new_keys), *key, source=provenance.source)
        if kind == LinkKind.SAME_MESSAGE:
            self._same_message[ends] = self.links[key]
        self._told(self.links[key])
        return True

    def _is_parted(self, retired: int, survivor: int, provenance: Provenance) -> bool:
        """Whether what a message says again of two records was taken back before it was made."""
        if self._same_message[retired, survivor].conflict != record_links.PARTED:
            return False
        unlinks = (one for one in self.links.values() if one.kind == LinkKind.UNLINK and not one.closed_by)
        ends, stamp = {retired, survivor}, provenance.stamp.key()
        return any({one.retired_id, one.survivor_id} == ends and one.stamp < stamp for one in unlinks)

    def _show_under(self, patient: PatientRecord, root: int) -> None:
        survivor = None if root == patient.id else root
        if patient.survivor_id != survivor:
            patient.survivor_id = survivor
            self.moved[patient.id] = patient

    def _note_conflict(self, link: LinkRecord, conflict: str, provenance: Provenance) -> None:
        if link.conflict == conflict:
            return
        link.conflict = conflict
        if record_links.is_contradiction(conflict):
            ends = (self.patients[link.retired_id], self.patients[link.survivor_id])
            self._doubt(IdentityExceptionKind.MERGES_CONFLICT, *ends, conflict, provenance)

    def _doubt(
        self,
        kind: IdentityExceptionKind,
        one: PatientRecord,
        other: PatientRecord,
        text: str,
        provenance: Provenance,
        said: Mapping[str, Any] | None = None,
    ) -> None:
        """Have a person look at whether two records are one person, once new ones have their keys."""
        ends = self._text(one), self._text(other)
        text = f"{ends[0]} and {ends[1]}: {text}"
        said = said or said_of_record(other, ends[1])
        self.doubts.append(
            (provenance, lambda: IdentityDoubt(kind, _key(one, other), text, one.id, other.id, said=said))
        )

    def _age(self, link: LinkRecord) -> tuple[str, int, str, str]:
        ends = (self.patients[link.retired_id], self.patients[link.survivor_id])
        return (*record_links.age(link), self._text(ends[0]), self._text(ends[1]))

    def _text(self, record: PatientRecord) -> str:
        return f"{record.value}^^^{self._namespaces[record.authority_id]}"
