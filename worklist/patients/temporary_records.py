"""Records of patients whom no HIS has named yet, under an authority of our own, until they are.

Such a record is one like any other. A merge (ADT^A40) names it, by what stands on the label, or a person who
links it to the record that the HIS knows; that can be taken back.
"""

import secrets
from dataclasses import replace
from typing import Final

from accounts.actor import Actor
from ledger import audit
from ledger.errors import Conflict, Invalid, Missing
from worklist.models import LinkKind, Patient, PatientLink
from worklist.orders import generated_ids
from worklist.patients import identity
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance
from worklist.worklist_policy import WorklistPolicy

_LENGTH: Final = 8
ALTHOUGH: Final = "although"
"""The field of the refusal that only somebody's saying yes to what differs gets past."""


def new_identifier() -> Identifier:
    """An identifier that nobody has."""
    authority = Authority(WorklistPolicy.current().temporary_authority)
    while True:
        value = "T" + "".join(secrets.choice(generated_ids.LETTERS) for _ in range(_LENGTH))
        if not Patient.objects.filter(value=value, authority__namespace=authority.namespace).exists():
            return Identifier(value, authority, "PI")


def accepted(provenance: Provenance) -> Provenance:
    """A provenance for which our own authority is known without the site file's saying so."""
    policy = provenance.policy.model_copy(update={"unknown_authorities": "accept"})
    return replace(provenance, policy=policy)


def of_label(said: Identifier) -> Identifier:
    """The identifier that a label of ours names, whichever authority a sender says with it, or none.

    What names a record of that authority is that.
    """
    records = Patient.objects.filter(value=said.value)
    namespace = WorklistPolicy.current().temporary_authority
    if records.filter(authority__namespace=said.authority.namespace).exists():
        return said
    found = records.filter(authority__namespace=namespace).first()
    return Identifier(found.value, Authority(namespace), found.type) if found else said


def is_ours(identifier: Identifier) -> bool:
    """Whether an identifier is a temporary one."""
    return identifier.authority.namespace == WorklistPolicy.current().temporary_authority


def is_temporary(record: Patient) -> bool:
    """Whether a record is under our own authority and shows by itself."""
    return record.survivor_id is None and was_temporary(record)


def was_temporary(record: Patient) -> bool:
    """Whether a record is under our own authority, whoever shows for it."""
    return record.authority.namespace == WorklistPolicy.current().temporary_authority


def link(record: Patient, *, to: Patient, reason: str, by: Actor, although: bool = False) -> None:
    """Have a temporary record show under the one that the HIS knows, with its orders and studies.

    Raises `Invalid` for records that can't be linked, `Missing` without a reason, `Conflict` where name,
    birth date or sex differ and nobody said that it is so `although` they do.
    """
    by.require("patient.link", record.facility)
    if not is_temporary(record):
        raise Invalid(f"{record} is no temporary record", "patient")
    to = to.current
    if to.authority.namespace == record.authority.namespace:
        raise Invalid(f"{to} is a temporary record itself", "patient")
    if to.facility_id != record.facility_id:
        raise Invalid("the two records are of different facilities", "patient")
    if not reason.strip():
        raise Missing("give a reason", "reason")
    if (differing := differences(record, to)) and not although:
        raise Conflict(f"{' and '.join(differing)} differ", ALTHOUGH)
    survivor, retired = _identifier(to), _identifier(record)
    provenance = accepted(Provenance.of_person(by, record.facility))
    identity.merge(provenance=provenance, survivor=survivor, retired=retired, reason=reason.strip())
    _note(by, "Temporary record linked to the patient", record, to)


def links_by_hand(record: Patient) -> list[PatientLink]:
    """The links by which temporary records show under this one and that a person has made here."""
    rows = PatientLink.objects.filter(
        survivor__in=identity.same_person([record]).values("pk"),
        retired__authority__namespace=WorklistPolicy.current().temporary_authority,
        source__startswith="user:",
        closed_by="",
        conflict="",
    )
    rows = rows.exclude(kind=LinkKind.UNLINK)
    related = ("retired__authority", "retired__facility", "survivor")
    return list(rows.select_related(*related).order_by("-pk")[:20])


def unlink(found: PatientLink, *, reason: str, by: Actor) -> None:
    """Take a link back: the temporary record shows by itself again, with all that it came with.

    Raises `Missing` without a reason, `Conflict` for a link that does not hold any more or that the HIS made.
    """
    by.require("patient.link", found.retired.facility)
    if not reason.strip():
        raise Missing("give a reason", "reason")
    if found.closed_by or found.conflict:
        raise Conflict("the link does not hold any more", "link")
    if found not in links_by_hand(found.survivor):
        raise Conflict("the HIS has merged the records; only it takes that back", "link")
    provenance = Provenance.of_person(by, found.retired.facility)
    identity.unmerge(provenance=provenance, link=found, reason=reason.strip())
    _note(by, "Link of the temporary record undone", found.retired, found.survivor)


def differences(record: Patient, to: Patient) -> list[str]:
    """What two records, as far as both know it, say otherwise of who it is; a name that we gave is none."""
    name = "" if record.value in record.name else record.name_key
    compared = (
        ("the names", name, to.name_key),
        ("the birth dates", record.birth_date, to.birth_date),
        ("the sexes", record.sex, to.sex),
    )
    return [name for name, one, other in compared if one and other and one != other]


def _identifier(record: Patient) -> Identifier:
    return Identifier(record.value, Authority(record.authority.namespace), record.type)


def _note(by: Actor, act: str, *records: Patient) -> None:
    things = [("patient", record.public_id) for record in records]
    audit.note(by, audit.PATIENT_RECORD, audit.UPDATE, *things, act=act)
