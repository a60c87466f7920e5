"""Quarantined objects, as the API shows them."""

from datetime import datetime

from ninja import Schema
from pydantic import Field

from archive.models import QuarantineState
from archive.storage.quarantine_release import MOST
from web.rest.schemas import Text, example_of, listing, with_example


class Quarantined(Schema):
    """An object that was refused and kept."""

    model_config = with_example(
        {
            "id": "a1b2c3d4e5f64a7b8c9d0e1f2a3b4c5d",
            "reason": "conflict",
            "text": "SOP Instance UID is here already, with other content",
            "sop_instance_uid": "2.25.182113406041958203923184752314786233061",
            "study_instance_uid": "2.25.302113406041958203923184752314786233061",
            "calling_ae_title": "CT1",
            "address": "192.0.2.17",
            "size": 526336,
            "received_at": "2026-03-02T09:52:11+00:00",
            "state": "kept",
            "released_as": "",
            "ended_at": None,
            "ended_by": "",
            "end_reason": "",
        }
    )

    id: str
    reason: str
    text: str
    sop_instance_uid: str = Field(description="as announced")
    study_instance_uid: str
    calling_ae_title: str
    address: str
    size: int
    received_at: datetime
    state: QuarantineState
    released_as: str = Field(description="the SOP Instance UID under which it is stored")
    ended_at: datetime | None
    ended_by: str
    end_reason: str


class QuarantinedObjects(Schema):
    """A part of the list."""

    model_config = with_example(listing(Quarantined))

    count: int
    results: list[Quarantined]


class QuarantineFilters(Schema):
    """Which objects are wanted."""

    state: QuarantineState = QuarantineState.KEPT
    reason: Text = Field("", max_length=12)
    text: Text = Field("", max_length=200, description="a whole UID, an AE title or an address")


class QuarantineAct(Schema):
    """On which objects it is decided, and why."""

    model_config = with_example(
        {"ids": ["a1b2c3d4e5f64a7b8c9d0e1f2a3b4c5d"], "reason": "sent twice by the service"}, extra="forbid"
    )

    ids: list[Text] = Field(min_length=1, max_length=MOST)
    reason: Text


class QuarantineRelease(QuarantineAct):
    """Into which study objects are released."""

    model_config = with_example(
        {
            "ids": ["a1b2c3d4e5f64a7b8c9d0e1f2a3b4c5d"],
            "reason": "the device numbers its images twice",
            "study_instance_uid": "2.25.302113406041958203923184752314786233061",
        },
        extra="forbid",
    )

    study_instance_uid: Text = Field(
        "", max_length=64, description="a study that is here; without it the one that each object names"
    )


class QuarantineOutcome(Schema):
    """What became of one object."""

    model_config = with_example({"object": example_of(Quarantined), "refused": "its file is not there"})

    object: Quarantined
    refused: str = Field(description="why nothing was done with it; empty where it was")


class QuarantineOutcomes(Schema):
    """What became of each object, in the order in which they were named."""

    model_config = with_example({"results": [example_of(QuarantineOutcome)]})

    results: list[QuarantineOutcome]
