"""What people do to patient records: merge or link two, part what shows together, and take any of it back.

Nothing is moved by any of it: each record keeps what it came with, and only who is shown changes.
"""

from typing import Final

from django.db.models import Q

from accounts.actor import Actor
from ledger import audit
from ledger.errors import Conflict, Invalid, Missing
from worklist.change_set import Link, Merge, Tie, Unlink
from worklist.models import LinkKind, Patient, PatientLink
from worklist.patients import identity, temporary_records
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance

_MOST: Final = 20
ALTHOUGH: Final = temporary_records.ALTHOUGH
"""The field of the refusal that only somebody's saying yes to what differs gets past."""


def join(
    record: Patient, *, into: Patient, kind: LinkKind, reason: str, by: Actor, although: bool = False
) -> None:
    """Have a record show under another with all that it has: merged, by which it is retired, or linked.

    Raises `Invalid` for records that can't be joined, `Missing` without a reason, `Conflict` for one that
    shows under another, or where name, birth date or sex differ and nobody said that it is so `although`
    they do.
    """
    by.require("patient.merge", record.facility)
    into = into.current
    if record.survivor_id is not None:
        raise Conflict(f"{record} shows under another record already", "patient")
    if record.pk == into.pk:
        raise Invalid(f"both are {record}", "patient")
    if record.facility_id != into.facility_id:
        raise Invalid("the two records are of different facilities", "patient")
    reason = _reason(reason)
    if (differing := temporary_records.differences(record, into)) and not although:
        raise Conflict(f"{' and '.join(differing)} differ", ALTHOUGH)
    tie = Merge if kind == LinkKind.MERGE else Link
    _say(tie(_identifier(into), _identifier(record), reason), record, by)
    _note(by, "Records merged" if kind == LinkKind.MERGE else "Records linked", record, into)


def part(found: PatientLink, *, reason: str, by: Actor) -> None:
    """Say that two records are two people, whoever joined them; what is said later may join them again.

    Raises `Missing` without a reason, `Conflict` for records that don't show together.
    """
    by.require("patient.merge", found.retired.facility)
    reason = _reason(reason)
    one, other = found.survivor, found.retired
    if one.current.pk != other.current.pk:
        raise Conflict("the two records don't show together any more", "link")
    _say(Unlink(_identifier(one), _identifier(other), reason), other, by)
    _note(by, "Records parted", other, one)


def take_back(found: PatientLink, *, reason: str, by: Actor) -> None:
    """Undo what a person has done here to two records, as if it had never been done.

    Raises `Missing` without a reason, `Conflict` for what was taken back already or what a message has said.
    """
    by.require("patient.merge", found.retired.facility)
    reason = _reason(reason)
    if found.closed_by:
        raise Conflict("the link does not hold any more", "link")
    if not found.source.startswith("user:"):
        text = "the HIS has merged the records, and only it takes that back; here they can be parted"
        raise Conflict(text, "link")
    provenance = Provenance.of_person(by, found.retired.facility)
    identity.unmerge(provenance=provenance, link=found, reason=reason)
    _note(by, "Merging or parting of records undone", found.retired, found.survivor)


def by_hand(record: Patient) -> list[PatientLink]:
    """What people have done to the records of this person and nobody has taken back, the newest first."""
    people = identity.same_person([record]).values("pk")
    rows = PatientLink.objects.filter(
        Q(retired__in=people) | Q(survivor__in=people), source__startswith="user:", closed_by=""
    )
    related = ("retired__authority", "retired__facility", "survivor__authority")
    return list(rows.select_related(*related).order_by("-pk")[:_MOST])


def _say(tie: Tie, record: Patient, by: Actor) -> None:
    provenance = Provenance.of_person(by, record.facility)
    identity.tie(provenance=temporary_records.accepted(provenance), tie=tie)


def _reason(text: str) -> str:
    if not text.strip():
        raise Missing("give a reason", "reason")
    return text.strip()


def _identifier(record: Patient) -> Identifier:
    return Identifier(record.value, Authority(record.authority.namespace), record.type)


def _note(by: Actor, act: str, *records: Patient) -> None:
    things = [("patient", record.public_id) for record in records]
    audit.note(by, audit.PATIENT_RECORD, audit.UPDATE, *things, act=act)
