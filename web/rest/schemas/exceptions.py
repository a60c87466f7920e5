"""Exceptions, as the API shows them."""

from datetime import datetime
from typing import Any

from ninja import Schema
from pydantic import Field

from archive.models import ExceptionKind, ExceptionStatus
from web.rest.schemas import example_of, listing, with_example
from web.rest.schemas.patients import EXAMPLE as PATIENT
from web.rest.schemas.patients import Patient


class Finding(Schema):
    """One field of the evidence: what the images say, what the schedule expects."""

    field: str
    seen: Any
    expected: Any
    agreement: float | None = Field(description="0 contradicts, 1 agrees; null: nothing to compare")
    weight: float
    normaliser: str = Field("", description="what had to be forgiven for it to agree")


_FINDING = {
    "field": "birth_date",
    "seen": "19700201",
    "expected": "19700102",
    "agreement": 0.6,
    "weight": 2.0,
    "normaliser": "day and month swapped",
}


class Candidate(Schema):
    """A scheduled step that the study may belong to."""

    scheduled_procedure_step_id: str
    accession_number: str
    patient: Patient
    score: float
    step: str = Field("", description="the step's public id: what `link` names")
    order: str = ""
    description: str = ""
    modality: str = ""
    due: str = ""
    findings: list[Finding] = []


_CANDIDATE = {
    "scheduled_procedure_step_id": "SP1001",
    "accession_number": "A1001",
    "patient": PATIENT,
    "score": 0.87,
    "step": "0d9a4f7be1234b6a9d1c2e3f4a5b6c7d",
    "order": "9c2f5a8be1d34f7a8b6c5d4e3f2a1b0c",
    "description": "CT chest with contrast",
    "modality": "CT",
    "due": "2026-03-02T08:30:00.000000+00:00",
    "findings": [_FINDING],
}


class StudyException(Schema):
    """A study that a person has to look at."""

    model_config = with_example(
        {
            "id": "e5f6a7b8c9d04e1f8a2b3c4d5e6f7a8b",
            "study_instance_uid": "2.25.302113406041958203923184752314786233061",
            "verdict": "probable",
            "reason": "one step of the patient can be meant",
            "findings": [_FINDING],
            "candidates": [_CANDIDATE],
            "status": "open",
            "kind": "verdict",
            "resolution": "",
            "revision": 0,
            "opened_at": "2026-03-02T09:41:07+00:00",
        }
    )

    id: str
    study_instance_uid: str
    verdict: str
    reason: str = Field("", description="of the newest verdict, in a sentence; it may change its words")
    findings: list[Finding] = Field(description="on the best candidate")
    candidates: list[Candidate] = Field(description="best first")
    status: str
    kind: ExceptionKind = Field(description="`verdict`, or what changed under a link that holds")
    resolution: str = Field(description="the kind of the decision that stands, or empty")
    revision: int = Field(description="how often it was decided on; name it to decide once more")
    opened_at: datetime


class Happening(Schema):
    """A line of a study's history: a verdict, a decision, its undoing, or what waits for a second person."""

    id: str = Field("", description="of the decision, or of what waits: `/decisions/{id}/…`")
    at: datetime
    kind: str = Field(
        description="`verdict`, `decision`, `undo`, `waiting` (for a second person) or `declined`"
    )
    what: str = Field(description="the verdict, or what was decided")
    by: str = ""
    reason: str = Field("", description="of a verdict in a sentence, of a decision as the person gave it")
    parameters: dict[str, Any] = {}


class Difference(Schema):
    """An attribute that a version says otherwise than the one before it, or than what is here."""

    where: str = Field(
        description="its tag, behind those of the sequences and the numbers of the items above it"
    )
    name: str
    keyword: str = Field(description="of PS3.6; a private attribute's tag")
    before: str
    after: str


class Change(Schema):
    """What changed: an order that was cancelled, a patient who was replaced, a header that was sent again."""

    kind: ExceptionKind
    text: str
    findings: list[Finding]
    differences: list[Difference] = Field(
        [], description="with `resent`: what the headers that wait say otherwise, each attribute once"
    )


class ExceptionWithHistory(StudyException):
    """An exception with what was thought and decided of it, oldest first."""

    model_config = with_example(
        {
            **example_of(StudyException),
            "status": "resolved",
            "resolution": "link",
            "revision": 1,
            "changes": [],
            "history": [
                {
                    "id": "",
                    "at": "2026-03-02T09:41:07+00:00",
                    "kind": "verdict",
                    "what": "probable",
                    "by": "",
                    "reason": "one step of the patient can be meant",
                    "parameters": {},
                },
                {
                    "id": "7a8b6c5d4e3f2a1b0c9c2f5a8be1d34f",
                    "at": "2026-03-02T10:02:55+00:00",
                    "kind": "decision",
                    "what": "link",
                    "by": "Anna Bars",
                    "reason": "checked with the ward",
                    "parameters": {"scheduled_procedure_step": "0d9a4f7be1234b6a9d1c2e3f4a5b6c7d"},
                },
            ],
        }
    )

    changes: list[Change] = Field(
        [], description="what changed since the images came, under its links or in them"
    )
    history: list[Happening]


class Exceptions(Schema):
    """A part of a list of exceptions."""

    model_config = with_example(listing(StudyException))

    count: int
    results: list[StudyException]


class ExceptionFilters(Schema):
    """Which exceptions are wanted."""

    status: ExceptionStatus | None = Field(
        None, description="without it those that are open or resolved, not those that went away by themselves"
    )
    kind: ExceptionKind | None = None
