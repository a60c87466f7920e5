"""Reports, as the API shows and takes them."""

from datetime import datetime
from typing import Literal

from ninja import Schema
from pydantic import Field

from web.rest.schemas import EXAMPLE_ITEM, EXAMPLE_REPORT, Text, example_of, listing, with_example
from web.rest.schemas.dictations import Dictation

_SECTIONS = {
    "indication": "Cough for three weeks.",
    "technique": "Helical CT of the chest.",
    "comparison": "None.",
    "findings": "The lungs are clear.",
    "impression": "No acute abnormality.",
}


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
            "id": EXAMPLE_REPORT,
            "reading_item": EXAMPLE_ITEM,
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
    outside_reports: list[Text] | None = Field(
        None, max_length=1000, description="ids of the versions of others' reports, as the item has them"
    )


class ToBeSigned(Schema):
    """What is about to be signed."""

    model_config = with_example({"kind": "final"}, extra="forbid")

    kind: Literal["preliminary", "final"] = "final"
    shown: ShownToSigner = Field(default_factory=lambda: ShownToSigner.model_validate({}))


class Obstacle(Schema):
    """One thing that stands in the way of a signature."""

    model_config = with_example(
        {
            "code": "comparison_none",
            "text": "the comparison says “None”, but there are 3 prior studies",
            "overridable": False,
            "asks": True,
            "section": "comparison",
        }
    )

    code: str = Field(description="the key of `overrides` when it is signed all the same")
    text: str
    overridable: bool = Field(description="whether a written reason lets it be signed")
    asks: bool = Field(description="whether a mere yes does, such as `confirmed`")
    section: str = Field(description="where it stands in the text; empty where it is not about the text")


class Recipient(Schema):
    """Who will be sent the report, and as the answer to which order."""

    model_config = with_example({"destination": "HIS", "accession_number": "B3A001"})

    destination: str
    accession_number: str


class SigningChecks(Schema):
    """What a signature would meet."""

    model_config = with_example(
        {
            "kind": "final",
            "blocks": [example_of(Obstacle)],
            "recipients": [example_of(Recipient)],
            "obstacle": "",
        }
    )

    kind: str = Field(description="preliminary, final, or what the signer has drafted on a signed report")
    blocks: list[Obstacle]
    recipients: list[Recipient]
    obstacle: str = Field(description="why nobody will be sent it; empty where somebody is")


class Signature(Schema):
    """A signature: the signer's own password or the session's PIN, and the revision on the screen."""

    model_config = with_example(
        {"password": "correct horse battery", "revision": 3, "kind": "final"}, extra="forbid"
    )

    password: Text = Field("", max_length=4096)
    pin: Text = Field("", max_length=64, description="of this session and tab, instead of the password")
    new_pin: Text = Field(
        "", max_length=64, description="with the password: what signs from now on, six digits"
    )
    tab: Text = Field(
        "", max_length=64, description="the tab that the PIN belongs to, by a random text of its own"
    )
    revision: int = Field(ge=0, le=2**31 - 1)
    kind: Literal["preliminary", "final"] = "final"
    overrides: dict[str, Text] = Field({}, description="by code of a block, the reason to sign all the same")
    shown: ShownToSigner = Field(default_factory=lambda: ShownToSigner.model_validate({}))


class SigningPin(Schema):
    """Whether this session may sign with a PIN; 0 tries: only the password signs."""

    model_config = with_example({"tries_left": 5, "may_be_set": True})

    tries_left: int
    may_be_set: bool


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


class Note(Schema):
    """A remark."""

    model_config = with_example({"note": "the late series adds nothing"}, extra="forbid")

    note: Text = Field("", max_length=500)
