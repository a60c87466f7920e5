"""HL7 messages, as the API shows them."""

from datetime import datetime
from typing import Any, Literal

from ninja import Schema
from pydantic import Field

from interfaces.hl7.models import InboundStatus, OutboundStatus
from web.rest.schemas import Text, listing, with_example

Status = Literal[*InboundStatus.values, *OutboundStatus.values]  # type: ignore[valid-type]


class MessageError(Schema):
    """What is wrong with a message, as in the ERR segment of its acknowledgment."""

    code: int | None = Field(description="HL7 Table 0357")
    location: str = Field(description="segment, its number, field … as in ERR-2, or empty")
    text: str


class About(Schema):
    """A thing that an effect is about."""

    type: str
    id: str


class Effect(Schema):
    """Something that a message changed."""

    kind: str
    words: str = Field(description="what happened, as the pages say it")
    at: datetime
    about: list[About]
    details: dict[str, Any]


class Message(Schema):
    """A message with what was answered and what it did."""

    model_config = with_example(
        {
            "id": "3f2a1b0c9d8e4f7a8b6c5d4e3f2a1b0c",
            "direction": "in",
            "type": "ORM^O01",
            "control_id": "MSG00042",
            "status": "applied",
            "ack": "AA",
            "error": None,
            "raw": "MSH|^~\\&|HIS|GENHOSP|RIS|RAD|20260302093000||ORM^O01^ORM_O01|MSG00042|P|2.5.1\r…",
            "effects": [
                {
                    "kind": "order.stated",
                    "words": "Order received or changed",
                    "at": "2026-03-02T08:30:00+00:00",
                    "about": [{"type": "order", "id": "9c2f5a8be1d34f7a8b6c5d4e3f2a1b0c"}],
                    "details": {"reason": ""},
                }
            ],
            "at": "2026-03-02T08:30:01+00:00",
            "partner": "HIS|GENHOSP",
            "replay_of": None,
        }
    )

    id: str
    direction: Literal["in", "out"]
    type: str
    control_id: str
    status: str
    ack: str = Field(description="MSA-1 of the acknowledgment: AA, AE, AR …, or empty")
    error: MessageError | None
    raw: str | None = Field(description="as text; null while an outgoing message is not written yet")
    effects: list[Effect]
    at: datetime = Field(description="when it came, or was made")
    partner: str = Field(description="who sent it (application|facility), or the destination")
    replay_of: str | None = Field(description="the message that this one repeats, as it came or repaired")


class OutboundState(Schema):
    """Where a message that goes out stands."""

    model_config = with_example({"id": "3f2a1b0c9d8e4f7a8b6c5d4e3f2a1b0c", "status": "waiting"})

    id: str
    status: str


class Messages(Schema):
    """A part of a list of messages."""

    model_config = with_example(listing(Message))

    count: int = Field(description="of those found in messages that were read: as many as are here")
    results: list[Message]
    more: str | None = Field(None, description="`before` of the next call, where older messages may fit too")


class MessageFilters(Schema):
    """Which messages are wanted."""

    direction: Literal["in", "out"] | None = None
    status: Status | None = None
    control_id: Text = Field("", max_length=199)
    partner: Text = Field("", max_length=500, description="application|facility as sent, or a destination")
    type: Text = Field("", max_length=40, description="as in MSH-9: ADT^A08")
    since: datetime | None = None
    until: datetime | None = None
    q: Text = Field(
        "",
        max_length=199,
        description='as in the box of the page: a number or a name; `PID-5=MÜLLER`, `"text"`',
    )
    before: Text = Field("", max_length=60, description="`more` of the call before; of `PID-5=…` and text")


class Replay(Schema):
    """A repaired message; without `raw` the message is applied as it came."""

    model_config = with_example(
        {"raw": "MSH|^~\\&|HIS|GENHOSP|RIS|RAD|20260302093000||ORM^O01^ORM_O01|MSG00042|P|2.5.1\rPID|1|…"},
        extra="forbid",
    )

    raw: str | None = Field(None, max_length=16_000_000)
