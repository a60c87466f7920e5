"""Dictations, as the API shows and takes them."""

from datetime import datetime

from ninja import Schema
from pydantic import Field

from web.rest.schemas import EXAMPLE_ITEM, Text, listing, with_example


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
            "reading_item": EXAMPLE_ITEM,
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
