"""Patient records, the links between them and their visits, as plain records in memory.

The records have the columns of their tables; one that is new has a negative key until it is saved.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ledger.public_id import new_public_id
from worklist.models.sent_field import AsSent

Stamps = dict[str, list[str]]


@dataclass(slots=True, eq=False)
class PatientRecord:
    """A row of patients."""

    id: int
    facility_id: int
    authority_id: int
    value: str
    type: str
    created_at: datetime
    public_id: str = field(default_factory=new_public_id)
    survivor_id: int | None = None
    name: str = ""
    character_set: str = ""
    birth_date: str = ""
    sex: str = ""
    address: str = ""
    weight_kg: float | None = None
    height_m: float | None = None
    pregnancy: str = ""
    allergies: str = ""
    allergy_changes: dict[str, list[str]] = field(default_factory=dict)
    deleted_at_sender: bool = False
    other_identifiers: list[dict[str, Any]] = field(default_factory=list)
    name_key: str = ""
    bare_key: str = ""
    ideographic_key: str = ""
    phonetic_key: str = ""
    stamps: Stamps = field(default_factory=dict)


DESCRIPTION: Final = ("name", "birth_date", "sex")
"""The columns by which a patient is known to a person who looks at images."""


@dataclass(slots=True, eq=False)
class FormerDescriptionRecord:
    """A row of what patient records said before they were corrected."""

    patient_id: int
    name: str
    birth_date: str
    sex: str
    replaced_at: datetime


@dataclass(slots=True, eq=False)
class LinkRecord:
    """A row of links between patient records: `retired` shows under `survivor`."""

    id: int
    retired_id: int
    survivor_id: int
    kind: str
    stamp: str
    source: str = ""
    closed_by: str = ""
    conflict: str = ""
    public_id: str = field(default_factory=new_public_id)


@dataclass(slots=True, eq=False)
class VisitRecord:
    """A row of visits."""

    id: int
    facility_id: int
    authority_id: int
    number: str
    patient_id: int
    patient_stamp: str = ""
    patient_class: str = ""
    location: str = ""
    attending: str = ""
    referring: str = ""
    attending_provider: AsSent = field(default_factory=list)
    referring_provider: AsSent = field(default_factory=list)
    status: str = ""
    account: str = ""
    into_id: int | None = None
    moved_to_id: int | None = None
    holder: str = ""
    moves: list[list[str]] = field(default_factory=list)
    stamps: Stamps = field(default_factory=dict)
    public_id: str = field(default_factory=new_public_id)
