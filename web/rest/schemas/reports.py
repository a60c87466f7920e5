"""Reports, reading items and dictations, as the API shows and takes them."""

from datetime import datetime
from typing import Literal

from ninja import Schema
from pydantic import Field

from web.rest.schemas import Text, example_of, listing, with_example
from web.rest.schemas.patients import EXAMPLE as PATIENT
from web.rest.schemas.patients import Patient

_SECTIONS = {
    "indication": "Cough for three weeks.",
    "technique": "Helical CT of the chest.",
    "comparison": "None.",
    "findings": "The lungs are clear.",
    "impression": "No acute abnormality.",
}
_ITEM = "6f5e4d3c2b1a4f0e9d8c7b6a59483726"
_REPORT = "3d0c1b2a9f8e4d7c8b6a594837261504"


class Dictation(Schema):
    """A dictation; its sound is at `/dictations/{id}/audio`, as WAV."""

    model_config = with_example(
        {
            "id": "8f14e45f-ceea-467f-ab16-2b1d3c4e5f60",
            "state": "queued",
            "author": "Rada Reader",
            "seconds": 12.5,
            "sample_rate": 16000,
            "segments": 4,
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "created_at": "2026-03-02T10:15:00+01:00",
            "reading_item": _ITEM,
            "typist": "",
            "fence": 0,
            "sections": {},
            "revision": 1,
            "return_reason": "",
            "note": "",
        }
    )

    id: str = Field(description="the client's own UUID")
    state: str = Field(description="recording, queued, in_typing, typed, closed, returned, discarded")
    author: str
    seconds: float
    sample_rate: int
    segments: int
    sha256: str = Field(description="over all samples, once it is complete")
    created_at: datetime
    reading_item: str
    typist: str
    fence: int = Field(description="names the typist's lease when it is renewed")
    sections: dict[str, str] = Field(description="what was typed from it")
    revision: int
    return_reason: str
    note: str


class Addendum(Schema):
    """What one author is about to add to, correct in or retract from a signed report."""

    model_config = with_example(
        {
            "author": "Rada Reader",
            "kind": "addendum",
            "text": "The prior study of 2024 was compared.",
            "sections": {},
            "class_of_change": "new information",
            "changes_care": False,
            "revision": 1,
        }
    )

    author: str
    kind: str
    text: str
    sections: dict[str, str]
    class_of_change: str
    changes_care: bool
    revision: int


class Report(Schema):
    """The report of a reading item: its text as it stands, and who signed it last."""

    model_config = with_example(
        {
            "id": _REPORT,
            "reading_item": _ITEM,
            "status": "final",
            "version": 1,
            "revision": 3,
            "sections": _SECTIONS,
            "author": "Rada Reader",
            "changed_by": "Rada Reader",
            "changed_at": "2026-03-02T10:20:00+01:00",
            "template": "CT chest (version 1)",
            "signed_by": "Rada Reader",
            "signed_at": "2026-03-02T10:20:00+01:00",
            "undo_until": None,
            "hash": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            "dictations": [example_of(Dictation)],
            "addenda": [],
        }
    )

    id: str
    reading_item: str
    status: str = Field(description="draft, preliminary, final, amended, retracted")
    version: int = Field(description="the number of the newest signed version; 0 before the first")
    revision: int = Field(description="what a change or a signature has to name")
    sections: dict[str, str]
    author: str
    changed_by: str
    changed_at: datetime
    template: str
    signed_by: str
    signed_at: datetime | None
    undo_until: datetime | None = Field(description="until then the newest signature can be taken back")
    hash: str = Field(description="SHA-256 of the newest version and the chain before it")
    dictations: list[Dictation]
    addenda: list[Addendum] = Field(description="open drafts")


class Reports(Schema):
    """All reports of a study."""

    model_config = with_example(listing(Report))

    count: int
    results: list[Report]


class NewReport(Schema):
    """A report to begin; without `reading_item` it is that of the study's first item without one."""

    model_config = with_example(
        {"sections": {"findings": "The lungs are clear.", "impression": "Normal."}}, extra="forbid"
    )

    sections: dict[str, Text] = {}
    template: Text = Field("", description="name of a template; empty: none", max_length=100)
    reading_item: Text = Field("", max_length=32)


class ChangedSections(Schema):
    """Sections to save over a revision; those that are not named stay as they are."""

    model_config = with_example(
        {"sections": {"impression": "No acute abnormality."}, "revision": 2}, extra="forbid"
    )

    sections: dict[str, Text]
    revision: int = Field(ge=0, le=2**31 - 1)


class KeptSections(ChangedSections):
    """Text that could not be saved and is to be kept beside the report."""

    model_config = with_example(
        {"sections": {"impression": "Normal."}, "revision": 2, "reason": "taken over"}, extra="forbid"
    )

    reason: Text = Field("", max_length=200)


class Kept(Schema):
    """Text that somebody had typed when another person's act came between."""

    model_config = with_example(
        {
            "id": "0a1b2c3d4e5f40718293a4b5c6d7e8f9",
            "author": "Ruben Reader",
            "sections": _SECTIONS,
            "revision": 2,
            "reason": "taken over",
            "kept_at": "2026-03-02T10:18:00+01:00",
        }
    )

    id: str
    author: str
    sections: dict[str, str]
    revision: int
    reason: str
    kept_at: datetime


class KeptTexts(Schema):
    """All kept texts of a report, the newest first."""

    model_config = with_example(listing(Kept))

    count: int
    results: list[Kept]


class ShownToSigner(Schema):
    """What was on the screen; what is named is compared with what is so now."""

    patient: Text | None = Field(None, max_length=32, description="public id of the patient")
    studies: list[Text] | None = Field(None, max_length=100, description="Study Instance UIDs of the item")
    images: int | None = Field(None, ge=0)
    viewer_studies: list[Text] | None = Field(None, max_length=100, description="what the viewer shows")
    text_sha256: Text | None = Field(
        None, max_length=64, description="over the sections in their order, parted by U+001E"
    )


class Signature(Schema):
    """A signature: the signer's own password, and the revision on the screen."""

    model_config = with_example(
        {"password": "correct horse battery", "revision": 3, "kind": "final"}, extra="forbid"
    )

    password: Text = Field(max_length=4096)
    revision: int = Field(ge=0, le=2**31 - 1)
    kind: Literal["preliminary", "final"] = "final"
    overrides: dict[str, Text] = Field({}, description="by code of a block, the reason to sign all the same")
    shown: ShownToSigner = Field(default_factory=lambda: ShownToSigner.model_validate({}))


class NewAddendum(Schema):
    """A draft on a signed report; signed by the same `/sign`."""

    model_config = with_example({"text": "The prior study of 2024 was compared."}, extra="forbid")

    text: Text = ""
    kind: Literal["addendum", "correction", "retraction"] = "addendum"
    sections: dict[str, Text] = Field({}, description="of a correction: what replaces the signed text")
    class_of_change: Text = ""
    changes_care: bool = False


class Version(Schema):
    """A signed version, for ever as it was signed."""

    model_config = with_example(
        {
            "number": 1,
            "kind": "final",
            "sections": _SECTIONS,
            "text": "",
            "signed_by": "Rada Reader",
            "signed_at": "2026-03-02T10:20:00+01:00",
            "hash": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            "released_at": "2026-03-02T10:21:00+01:00",
            "undone_at": None,
            "stored_at": "2026-03-02T10:21:01+01:00",
            "delivered_at": "2026-03-02T10:21:01+01:00",
        }
    )

    number: int
    kind: str
    sections: dict[str, str]
    text: str
    signed_by: str
    signed_at: datetime
    hash: str
    released_at: datetime | None
    undone_at: datetime | None
    stored_at: datetime | None = Field(description="when PDF and SR lay in the study")
    delivered_at: datetime | None = Field(description="when all destinations had accepted it")


class Versions(Schema):
    """All versions of a report, oldest first, and what is wrong with their chain."""

    model_config = with_example({**listing(Version), "problems": []})

    count: int
    results: list[Version]
    problems: list[str]


class NewDictation(Schema):
    """A dictation to begin; with `pcm` a whole one at once (16 bit, mono, little endian, base64)."""

    model_config = with_example(
        {"id": "8f14e45f-ceea-467f-ab16-2b1d3c4e5f60", "sample_rate": 16000}, extra="forbid"
    )

    id: Text = Field(max_length=36)
    sample_rate: int = 16000
    patient: Text = Field("", max_length=32, description="public id of the patient on the screen")
    pcm: str | None = None


class Finished(Schema):
    """All segments of a dictation are sent."""

    model_config = with_example({"segments": 4, "sha256": "9f86d081884c7d65"}, extra="forbid")

    segments: int = Field(ge=0, le=100_000)
    sha256: Text = Field("", max_length=64, description="over all samples; empty: not compared")


class Returned(Schema):
    """Why a dictation goes back to its author."""

    model_config = with_example({"reason": "poor audio", "note": "from 0:40 on"}, extra="forbid")

    reason: Text
    note: Text = Field("", max_length=500)


class Dictations(Schema):
    """A part of a list of dictations."""

    model_config = with_example(listing(Dictation))

    count: int
    results: list[Dictation]


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


class ReadingItem(Schema):
    """One report to be made."""

    model_config = with_example(
        {
            "id": _ITEM,
            "status": "reading",
            "revision": 2,
            "priority": "STAT",
            "modality": "CT",
            "description": "CT chest with contrast",
            "ready_at": "2026-03-02T10:00:00+01:00",
            "due_at": "2026-03-02T11:00:00+01:00",
            "patient": PATIENT,
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
            "lease": example_of(LeaseOf),
            "presences": [],
            "patient_question": "",
            "hold_reason": "",
            "report": _REPORT,
            "dictations": [],
            "under_investigation": False,
            "has_mismatch": False,
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
    studies: list[str]
    procedures: list[ProcedureOfItem]
    images: int | None = Field(description="null in lists")
    lease: LeaseOf | None
    presences: list[str] = Field(description="who else looks at it")
    patient_question: str
    hold_reason: str
    report: str | None
    dictations: list[Dictation]
    under_investigation: bool
    has_mismatch: bool


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


class NextFilters(Schema):
    """What the next item may be."""

    model_config = with_example({"modality": "CT"}, extra="forbid")

    modality: Text = Field("", max_length=16)
    priority: Text = Field("", max_length=8)


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


class Note(Schema):
    """A remark."""

    model_config = with_example({"note": "the late series adds nothing"}, extra="forbid")

    note: Text = Field("", max_length=500)
