"""Register, update, merge and unmerge patients.

A merge is a link, never a move: each trusted identifier keeps its own record for ever, and everything is
shown through `Patient.current`. Which record that is follows from the set of links alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet

from ledger import events, stamps
from ledger.errors import Duplicate, Missing, UnknownCode
from worklist import worklist_events
from worklist.models import AssigningAuthority, LinkKind, Patient, PatientLink, Visit
from worklist.patients import person_names
from worklist.provenance import Provenance, check_lengths
from worklist.signals import patients_changed

NAMING_TYPES = frozenset({"", "MR", "MRN", "PI", "PT", "PN", "PE"})
"""Identifier types (HL7 Table 0203) that name a patient; others (SS, DL, AN, VN …) are only attributes."""


@dataclass(frozen=True)
class Authority:
    """An assigning authority as a message names it (HD: namespace, universal ID, its type)."""

    namespace: str
    universal_id: str = ""
    universal_id_type: str = ""


@dataclass(frozen=True)
class Identifier:
    """A patient identifier as a message names it (CX: ID, assigning authority, type)."""

    value: str
    authority: Authority
    type: str = ""


def register(
    *,
    origin: Provenance,
    identifiers: Sequence[Identifier],
    demographics: Mapping[str, Any],
    tell: bool = True,
) -> Patient:
    """Register or update the patient that the trusted ones of `identifiers` name; return the first record.

    `tell` is False where an order of the patient follows in the same transaction, which tells as much.
    Several trusted identifiers in one message say that their records are one person. Raises
    `Missing` where no identifier names a record, `UnknownCode` for an authority that the site does
    not accept, `Invalid` for what is too long.
    """
    assert connection.in_atomic_block
    naming, others = _split(identifiers, origin)
    if not naming:
        raise Missing("no identifier of a known assigning authority names the patient", "identifiers")
    values = {**demographics, **({"other_identifiers": others} if others else {})}
    check_lengths(Patient, values)
    records = _records(naming, origin)
    changed = [record for record in records if _update(record, values, origin)]
    if len(records) > 1:
        for other in records[1:]:
            _link(other, records[0], LinkKind.SAME_MESSAGE, origin)
        changed += _resolve(records, origin)
    if tell:
        _tell(changed)
    return records[0]


def merge(*, origin: Provenance, survivor: Identifier, retired: Identifier) -> Patient:
    """Merge the record `retired` into `survivor` (HL7 v2.5.1 3.3.40); an unknown one is made.

    Raises `Duplicate` for a merge of a record with itself.
    """
    assert connection.in_atomic_block
    naming, _ = _split([survivor, retired], origin)
    if len({(value.value, value.authority) for value in (survivor, retired)}) < 2:
        raise Duplicate("a record can't be merged into itself", "retired")
    if len(naming) < 2:
        raise Missing("both records must be named by a known assigning authority", "retired")
    by_key = {(record.authority_id, record.value): record for record in _records(naming, origin)}
    keep, gone = (by_key[authority.pk, identifier.value] for identifier, authority in naming)
    if keep.pk == gone.pk:
        raise Duplicate("a record can't be merged into itself", "retired")
    if _link(gone, keep, LinkKind.MERGE, origin):
        events.record(
            worklist_events.PATIENT_MERGED,
            about=[("patient", gone.public_id), ("patient", keep.public_id)],
            occurred_at=origin.stamp.made_at,
            actor=origin.actor,
            source=origin.source,
            retired=str(gone),
            survivor=str(keep),
        )
    _tell([gone, keep, *_resolve([keep, gone], origin)])
    return keep


def unmerge(*, origin: Provenance, link: PatientLink) -> None:
    """Close a link: each record shows by itself again, with everything that it came with."""
    assert connection.in_atomic_block
    PatientLink.objects.filter(pk=link.pk, closed_by="").update(closed_by=origin.source)
    events.record(
        worklist_events.PATIENT_UNMERGED,
        about=[("patient", link.retired.public_id), ("patient", link.survivor.public_id)],
        actor=origin.actor,
        source=origin.source,
    )
    _tell([link.retired, link.survivor, *_resolve([link.retired, link.survivor], origin)])


def visit(
    *, origin: Provenance, authority: Authority, number: str, patient: Patient, values: Mapping[str, Any]
) -> Visit:
    """Register or update a visit (HL7 v2.5.1 3.4.3), named by its number."""
    assert connection.in_atomic_block
    check_lengths(Visit, {**values, "number": number})
    row = _authority(authority, origin)
    Visit.objects.bulk_create(
        [Visit(facility=origin.facility, authority=row, number=number, patient=patient)],
        ignore_conflicts=True,
    )
    found = Visit.objects.select_for_update().get(authority=row, number=number)
    stamps.write(found, {**values, "patient_id": patient.pk}, origin.stamp, origin.source)
    found.save()
    return found


def find(*, value: str, namespace: str = "") -> QuerySet[Patient]:
    """The records that an identifier names, of one authority or of any."""
    rows = Patient.objects.filter(value=value)
    return rows.filter(authority__namespace=namespace) if namespace else rows


def same_person(patients: Iterable[Patient]) -> QuerySet[Patient]:
    """All records that show under the same survivors as `patients`."""
    roots = {patient.survivor_id or patient.pk for patient in patients}
    return Patient.objects.filter(Q(pk__in=roots) | Q(survivor__in=roots))


def _split(
    identifiers: Iterable[Identifier], origin: Provenance
) -> tuple[list[tuple[Identifier, AssigningAuthority]], list[dict[str, str]]]:
    """Part the identifiers that name records from those that are only attributes."""
    naming: dict[tuple[str, int], tuple[Identifier, AssigningAuthority]] = {}
    others = []
    for identifier in identifiers:
        if not identifier.value:
            continue
        check_lengths(Patient, {"value": identifier.value, "type": identifier.type})
        authority = _authority(identifier.authority, origin)
        if authority.trusted and identifier.type in NAMING_TYPES:
            naming.setdefault((identifier.value, authority.pk), (identifier, authority))
        else:
            others.append(
                {"value": identifier.value, "authority": authority.namespace, "type": identifier.type}
            )
    return list(naming.values()), others


def _authority(named: Authority, origin: Provenance) -> AssigningAuthority:
    check_lengths(AssigningAuthority, vars(named))
    rows = AssigningAuthority.objects
    found = rows.filter(namespace=named.namespace).first() if named.namespace else None
    if not found and named.universal_id:
        found = rows.filter(
            universal_id=named.universal_id, universal_id_type=named.universal_id_type
        ).first()
    if found:
        return found
    if origin.policy.get("unknown_authorities") != "accept":
        raise UnknownCode(f"the assigning authority {named.namespace!r} is not known here", "identifiers")
    namespace = named.namespace or named.universal_id
    if not namespace:
        raise Missing("the identifier names no assigning authority", "identifiers")
    check_lengths(AssigningAuthority, {"namespace": namespace})
    made = AssigningAuthority(
        namespace=namespace, universal_id=named.universal_id, universal_id_type=named.universal_id_type
    )
    rows.bulk_create([made], ignore_conflicts=True)
    return rows.get(namespace=namespace)


def _records(naming: Sequence[tuple[Identifier, AssigningAuthority]], origin: Provenance) -> list[Patient]:
    """The locked records that identifiers name, made where they are new, in the message's order."""
    keys = [(authority.pk, identifier.value) for identifier, authority in naming]
    found = _locked(keys)
    new = [
        Patient(facility=origin.facility, authority=authority, value=identifier.value, type=identifier.type)
        for identifier, authority in sorted(naming, key=lambda pair: (pair[1].pk, pair[0].value))
        if (authority.pk, identifier.value) not in found
    ]
    if new:
        try:
            with transaction.atomic():
                for patient in new:
                    patient.save(force_insert=True)
        except IntegrityError:
            return _records(naming, origin)  # another process made one of them in the meantime
        found |= {(patient.authority_id, patient.value): patient for patient in new}
    return [found[key] for key in keys]


def _locked(keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], Patient]:
    named = Q()
    for authority_id, value in keys:
        named |= Q(authority=authority_id, value=value)
    rows = Patient.objects.select_for_update(of=("self",)).select_related("authority").filter(named)
    return {(row.authority_id, row.value): row for row in rows.order_by("pk")}


def _update(record: Patient, values: Mapping[str, Any], origin: Provenance) -> bool:
    changed = stamps.write(record, values, origin.stamp, origin.source)
    if "name" in changed:
        record.name_key, record.ideographic_key, record.phonetic_key = person_names.keys(record.name)
    record.save()
    if changed:
        events.record(
            worklist_events.PATIENT_UPDATED,
            about=[("patient", record.public_id)],
            occurred_at=origin.stamp.made_at,
            actor=origin.actor,
            source=origin.source,
            fields=sorted(changed),
        )
    return bool(changed)


def _link(retired: Patient, survivor: Patient, kind: LinkKind, origin: Provenance) -> bool:
    """Add an edge; False if it is there already. "Same message" is one edge, dated by its oldest message."""
    stamp = origin.stamp.key()
    rows = PatientLink.objects.filter(retired=retired, survivor=survivor, kind=kind)
    if kind == LinkKind.SAME_MESSAGE and (known := rows.first()):
        return bool(rows.filter(pk=known.pk, stamp__gt=stamp).update(stamp=stamp, source=origin.source))
    _, made = PatientLink.objects.get_or_create(
        retired=retired, survivor=survivor, kind=kind, stamp=stamp, defaults={"source": origin.source}
    )
    return made


def _resolve(records: Sequence[Patient], origin: Provenance) -> list[Patient]:
    """Derive the survivor of every record that links connect to `records`; return those that changed."""
    links = _connected(records)
    parents, conflicts = survivors(links)
    changed = []
    people = {row.pk: row for row in records}
    people |= {row.pk: row for link in links for row in (link.retired, link.survivor)}
    for patient in people.values():
        root = _root(patient.pk, parents)
        survivor_id = None if root == patient.pk else root
        if patient.survivor_id != survivor_id:
            Patient.objects.filter(pk=patient.pk).update(survivor=survivor_id)
            changed.append(patient)
    for given in records:
        root = _root(given.pk, parents)
        given.survivor_id = None if root == given.pk else root
    for link in links:
        _note_conflict(link, conflicts.get(link.pk, ""), origin)
    return changed


def _note_conflict(link: PatientLink, conflict: str, origin: Provenance) -> None:
    if link.conflict == conflict:
        return
    PatientLink.objects.filter(pk=link.pk).update(conflict=conflict)
    if conflict:
        events.record(
            worklist_events.IDENTITY_CONFLICT,
            about=[("patient", link.retired.public_id), ("patient", link.survivor.public_id)],
            actor=origin.actor,
            source=origin.source,
            text=conflict,
        )


def _connected(records: Sequence[Patient]) -> list[PatientLink]:
    """All open links of the component that `records` lie in, oldest first."""
    seen: set[int] = set()
    found: dict[int, PatientLink] = {}
    front = {record.pk for record in records}
    while front:
        seen |= front
        rows = PatientLink.objects.filter(
            Q(retired__in=front) | Q(survivor__in=front), closed_by=""
        ).select_related("retired__authority", "survivor__authority")
        found |= {link.pk: link for link in rows}
        front = {pk for link in found.values() for pk in (link.retired_id, link.survivor_id)} - seen
    return sorted(found.values(), key=_link_order)


def _link_order(link: PatientLink) -> tuple[str, str, str, str]:
    return link.stamp, link.kind, str(link.retired), str(link.survivor)


def survivors(links: Sequence[PatientLink]) -> tuple[dict[int, int], dict[int, str]]:
    """From links, oldest first: the parent of each retired record, and the links that contradict others.

    A newer edge for the same retired record replaces the older; an inverse one turns it round; no path
    ever closes a circle. An edge "same message" joins two groups and never takes one apart.
    """
    parents: dict[int, int] = {}
    standing: dict[int, PatientLink] = {}
    conflicts: dict[int, str] = {}
    for link in links:
        retired, survivor = link.retired_id, link.survivor_id
        if link.kind == LinkKind.SAME_MESSAGE:
            retired, survivor = _root(retired, parents), _root(survivor, parents)
            if retired == survivor:
                continue
        elif parents.get(retired) == survivor:
            continue
        elif _root(survivor, parents) == retired or _is_above(retired, survivor, parents):
            parents.pop(survivor)
            conflicts[standing.pop(survivor).pk] = "turned round by a later merge"
        if retired in parents:
            conflicts[standing[retired].pk] = "replaced by a later merge into another record"
        parents[retired] = survivor
        standing[retired] = link
    return parents, conflicts


def _root(pk: int, parents: Mapping[int, int]) -> int:
    while pk in parents:
        pk = parents[pk]
    return pk


def _is_above(ancestor: int, pk: int, parents: Mapping[int, int]) -> bool:
    while pk in parents:
        pk = parents[pk]
        if pk == ancestor:
            return True
    return False


def _tell(changed: Iterable[Patient]) -> None:
    patients = list({patient.pk: patient for patient in changed}.values())
    if patients:
        patients_changed.send(sender=None, patients=patients)
