"""A doubt about who somebody is, found while a message is applied, and the refusals that carry one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ledger.errors import Duplicate, IdentityConflict, OtherPatient
from worklist.change_set import Registration
from worklist.models import IdentityExceptionKind, Patient
from worklist.patients.identifiers import Identifier
from worklist.patients.patient_records import PatientRecord


@dataclass(frozen=True)
class IdentityDoubt:
    """In what messages disagree; the same `key` is the same doubt.

    `patient` is whose the thing is, `other` who is named otherwise, as keys of records that are here.
    """

    kind: IdentityExceptionKind
    key: str
    text: str
    patient: int | None = None
    other: int | None = None
    order: int | None = None
    said: Mapping[str, Any] = field(default_factory=dict)


class InDoubt(Exception):
    """What is refused because of a doubt, which a person should see; nothing else of the message is kept.

    `group` counts what it is about, as `Group.index` does.
    """

    group = 1

    def __init__(self, text: str, field: str = "", doubt: IdentityDoubt | None = None) -> None:
        super().__init__(text, field)
        self.doubt = doubt


class OrderOfAnother(InDoubt, OtherPatient):
    """A message names another patient for an order than the one whose it is."""


class NumbersContradict(InDoubt, IdentityConflict):
    """A message names two orders as one, or gives one a second number of a kind."""


class NumberTaken(InDoubt, Duplicate):
    """A Study Instance UID or an accession number is another patient's."""


class VisitOfAnother(InDoubt, OtherPatient):
    """A message names another patient for a visit or an account than the one whose it is."""


class MergeRefused(InDoubt, IdentityConflict):
    """A merge contradicts others."""


def said_of(registration: Registration) -> dict[str, Any]:
    """Whom a message names, to be shown beside the one who is here."""
    known = registration.demographics
    described = {name: known.get(name) for name in ("name", "birth_date", "sex")}
    texts = {name: value for name, value in described.items() if isinstance(value, str)}
    return {**texts, "identifiers": identifier_texts(registration.identifiers)}


def with_said(doubt: IdentityDoubt, registration: Registration | None) -> IdentityDoubt:
    """The same with whom the message names, and the identifiers that the doubt itself is about."""
    if registration is None:
        return doubt
    return replace(doubt, said={**said_of(registration), **doubt.said})


def said_of_record(record: PatientRecord | Patient, *identifiers: str) -> dict[str, Any]:
    """The same of a record, where only its number was named."""
    known = {name: getattr(record, name) for name in ("name", "birth_date", "sex")}
    return {**{name: value for name, value in known.items() if value}, "identifiers": list(identifiers)}


def identifier_texts(identifiers: Iterable[Identifier]) -> list[str]:
    """Identifiers as a person reads them."""
    return [f"{one.value}^^^{one.authority.namespace}" for one in identifiers if one.value]
