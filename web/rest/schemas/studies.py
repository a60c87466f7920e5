"""Studies, as the API shows them."""

from datetime import datetime
from typing import Literal

from ninja import Schema
from pydantic import Field

from archive.models import Outcome, ReadingStatus, RejectionState, VersionState
from web.rest.schemas import Text, example_of, listing, with_example
from web.rest.schemas.exceptions import Difference, ExceptionWithHistory, Happening
from web.rest.schemas.patients import EXAMPLE as PATIENT
from web.rest.schemas.patients import Patient


class OrderOfStudy(Schema):
    """An order that a study was matched to."""

    id: str
    accession_number: str
    status: str


class Study(Schema):
    """A study with its verdict: do these images belong to that schedule?"""

    model_config = with_example(
        {
            "id": "c1d2e3f4a5b64c7d8e9fa0b1c2d3e4f5",
            "study_instance_uid": "2.25.302113406041958203923184752314786233061",
            "accession_number": "A1001",
            "patient": PATIENT,
            "patient_source": "record",
            "modalities": ["CT"],
            "series_count": 2,
            "instance_count": 240,
            "verdict": "matched",
            "reading_status": "ready",
            "orders": [
                {
                    "id": "9c2f5a8be1d34f7a8b6c5d4e3f2a1b0c",
                    "accession_number": "A1001",
                    "status": "completed",
                }
            ],
            "availability": "ONLINE",
        }
    )

    id: str
    study_instance_uid: str
    accession_number: str = Field(description="as in the images")
    patient: Patient
    patient_source: Literal["record", "header"] = Field(
        description="`header`: not matched to a patient yet, this is what the images say"
    )
    modalities: list[str]
    series_count: int
    instance_count: int = Field(
        description="of all that is served, as QIDO-RS counts: reports and rejection notes made here included"
    )
    verdict: str
    reading_status: str
    orders: list[OrderOfStudy]
    availability: Literal["ONLINE"]


class RejectionOfStudy(Schema):
    """What a note or a decision rejects of a study, and by which id that is taken back."""

    note: str | None = Field(description="of a note that came: what `restore_images` names as `note`")
    decision: str | None = Field(description="of a decision made here: `/decisions/{id}/undo`")
    code: str
    meaning: str
    cause: str
    source: str = Field(description="the AE title that sent the note")
    state: RejectionState
    why_held: str
    made_at: datetime
    count: int = Field(description="of the study's objects that it hides")
    images: list[str] = Field(description="their SOP Instance UIDs, the first thousand")


class StudyWithHistory(Study):
    """A study with what was thought and decided of it, oldest first."""

    model_config = with_example(
        {
            **example_of(Study),
            "hidden": "",
            "revision": 1,
            "rejections": [
                {
                    "note": "7c1f0a9be1234b6a9d1c2e3f4a5b6c7d",
                    "decision": None,
                    "code": "113001",
                    "meaning": "Rejected for Quality Reasons",
                    "cause": "",
                    "source": "CT1",
                    "state": "in_force",
                    "why_held": "",
                    "made_at": "2026-03-02T09:58:40+00:00",
                    "count": 1,
                    "images": ["2.25.182113406041958203923184752314786233061"],
                }
            ],
            "history": example_of(ExceptionWithHistory)["history"],
        }
    )

    hidden: str = Field(
        "",
        description="why it is in no list: `rejected`, or `joined` with what it was split from",
    )
    revision: int = Field(description="how often it was decided on; name it to decide once more")
    rejections: list[RejectionOfStudy] = Field(
        [], description="what is rejected of it, oldest first; for those who see exceptions"
    )
    history: list[Happening]


class Studies(Schema):
    """A part of a list of studies."""

    model_config = with_example(listing(Study))

    count: int
    results: list[Study]


class VersionOfObject(Schema):
    """A version of an object: it was sent again under its SOP Instance UID with another header."""

    model_config = with_example(
        {
            "id": "b1c2d3e4f5a64b7c8d9e0f1a2b3c4d5e",
            "sop_instance_uid": "2.25.182113406041958203923184752314786233061",
            "number": 2,
            "state": "taken",
            "held_because": "",
            "is_current": True,
            "received_at": "2026-03-02T09:52:11+00:00",
            "calling_ae_title": "CT1",
            "address": "192.0.2.17",
            "differences": [
                {
                    "where": "00100020",
                    "name": "Patient ID",
                    "keyword": "PatientID",
                    "before": "P100",
                    "after": "P1001",
                }
            ],
        }
    )

    id: str
    sop_instance_uid: str
    number: int = Field(description="from 2 on, in the order in which they came")
    state: VersionState
    held_because: str = Field(
        description="`policy`, `content`, `study`, `signed`, `rejected`, `person`, `old`:"
        " why a person decides on it"
    )
    is_current: bool = Field(description="whether the object is read from it now")
    received_at: datetime
    calling_ae_title: str
    address: str
    differences: list[Difference] = Field(description="at most 100")


class VersionsOfObjects(Schema):
    """A part of a list of versions."""

    model_config = with_example(listing(VersionOfObject))

    count: int
    results: list[VersionOfObject]


class StudyFilters(Schema):
    """Which studies are wanted; in texts `*` and `?` are wild."""

    study_instance_uid: Text = Field("", max_length=64)
    accession_number: Text = Field("", max_length=64, description="in the images, or of a matched order")
    patient_identifier: Text = Field(
        "", max_length=320, description="`4711` or `4711^^^GENHOSP`: in the images, or of a matched patient"
    )
    verdict: Outcome | None = None
    reading_status: ReadingStatus | None = None
