"""Reading items, as the API shows them, and what is done with them."""

from datetime import datetime

from ninja import Schema
from pydantic import Field

from web.rest.schemas import EXAMPLE_ITEM, EXAMPLE_REPORT, Text, example_of, listing, with_example
from web.rest.schemas.dictations import Dictation
from web.rest.schemas.patients import EXAMPLE as PATIENT
from web.rest.schemas.patients import Patient


class LeaseOf(Schema):
    """Who writes on an item."""

    model_config = with_example(
        {
            "holder": "Rada Reader",
            "mine": True,
            "since": "2026-03-02T10:10:00+01:00",
            "until": "2026-03-02T10:22:00+01:00",
            "idle_seconds": 4,
            "fence": 1,
            "parked": False,
        }
    )

    holder: str
    mine: bool
    since: datetime
    until: datetime
    idle_seconds: int | None
    fence: int
    parked: bool


class ProcedureOfItem(Schema):
    """A requested procedure that the report is for."""

    id: str
    order: str
    accession_number: str
    code: str
    description: str


class OutsideReportOfItem(Schema):
    """The newest version of a report that another system made of the item's studies."""

    model_config = with_example(
        {
            "id": "5f1d2c3b4a5948372615a4b3c2d1e0f9",
            "sender": "OUT / GENHOSP",
            "title": "CT chest",
            "status": "corrected",
        }
    )

    id: str = Field(description="of the version: another one when the report is changed")
    sender: str
    title: str
    status: str = Field(description="preliminary, final, corrected or withdrawn")


class ReadingItem(Schema):
    """One report to be made."""

    model_config = with_example(
        {
            "id": EXAMPLE_ITEM,
            "status": "reading",
            "revision": 2,
            "priority": "STAT",
            "modality": "CT",
            "description": "CT chest with contrast",
            "ready_at": "2026-03-02T10:00:00+01:00",
            "due_at": "2026-03-02T11:00:00+01:00",
            "patient": PATIENT,
            "whose": "Bars, Anna, A1001",
            "studies": ["2.25.302113406041958203923184752314786233061"],
            "procedures": [
                {
                    "id": "77e1a2b3c4d54e6f8a9b0c1d2e3f4a5b",
                    "order": "9c2f5a8be1d34f7a8b6c5d4e3f2a1b0c",
                    "accession_number": "A1001",
                    "code": "71260",
                    "description": "CT chest with contrast",
                }
            ],
            "images": 240,
            "outside_reports": [example_of(OutsideReportOfItem)],
            "lease": example_of(LeaseOf),
            "presences": [],
            "patient_question": "",
            "hold_reason": "",
            "report": EXAMPLE_REPORT,
            "dictations": [],
            "under_investigation": False,
            "has_mismatch": False,
            "order_cancelled": False,
        }
    )

    id: str
    status: str
    revision: int
    priority: str
    modality: str
    description: str
    ready_at: datetime
    due_at: datetime
    patient: Patient
    whose: str = Field(description="the patient's name as people read it, with the accession numbers")
    studies: list[str]
    procedures: list[ProcedureOfItem]
    images: int | None = Field(description="null in lists")
    outside_reports: list[OutsideReportOfItem] | None = Field(
        description="what others report of its studies, in its newest versions; null in lists"
    )
    lease: LeaseOf | None
    presences: list[str] = Field(description="who else looks at it")
    patient_question: str
    hold_reason: str
    report: str | None
    dictations: list[Dictation]
    under_investigation: bool
    has_mismatch: bool
    order_cancelled: bool = Field(False, description="after the images came; a person decides on it")


class ReadingItems(Schema):
    """A part of the reading worklist, the neediest first; `overdue` counts all that are past due."""

    model_config = with_example({**listing(ReadingItem), "overdue": 0})

    count: int
    results: list[ReadingItem]
    overdue: int


class ItemFilters(Schema):
    """Which items are wanted."""

    modality: Text = Field("", max_length=16)
    priority: Text = Field("", max_length=8)
    status: Text = Field("", max_length=12)
    text: Text = Field("", max_length=100, description="of a name, identifier, accession or procedure")
    mine: bool = False
    overdue: bool = False
    investigated: bool = Field(False, description="only those whose images are under investigation")
    offered: bool = Field(False, description="only those that `/reading/next` would hand out")


class NextFilters(Schema):
    """What the next item may be."""

    model_config = with_example({"modality": "CT"}, extra="forbid")

    modality: Text = Field("", max_length=16)
    priority: Text = Field("", max_length=8)
    investigated: bool = Field(False, description="those under investigation, which are left out otherwise")


class Optionally(Schema):
    """A reason, where one is needed."""

    model_config = with_example({"reason": "she is on leave"}, extra="forbid")

    reason: Text = Field("", max_length=500)


class Skip(Schema):
    """Why a reader passes an item over: one of the reasons that the list offers, or other words."""

    model_config = with_example({"reason": "need information", "note": "asked the ward"}, extra="forbid")

    reason: Text = Field("", max_length=500)
    note: Text = Field("", max_length=500)


class Hold(Schema):
    """Why an item waits for somebody outside."""

    model_config = with_example({"reason": "need information", "note": "asked the ward"}, extra="forbid")

    reason: Text
    note: Text = Field("", max_length=500)


class Fence(Schema):
    """Which lease is meant."""

    model_config = with_example({"fence": 1, "idle_seconds": 4}, extra="forbid")

    fence: int = Field(ge=0, le=2**31 - 1)
    idle_seconds: float = Field(0, ge=0, le=10**6)


class Revision(Schema):
    """Which revision was seen."""

    model_config = with_example({"revision": 2}, extra="forbid")

    revision: int = Field(ge=0, le=2**31 - 1)
