"""HL7 interfaces, as the API shows them."""

from datetime import datetime
from typing import Literal

from ninja import Schema
from pydantic import Field

from web.rest.schemas import with_example


class Place(Schema):
    """How often something happened at a place within 24 hours."""

    place: str = Field(description="code and field of an error, or the field of a value left out")
    number: int


class Traffic(Schema):
    """Messages of this hour of the clock, against what is usual."""

    this_hour: int
    usual_by_now: float | None = Field(description="null until learnt from three such days")
    usual_in_hour: float | None


class OpenAlarm(Schema):
    """An alarm that has not ended."""

    id: str
    kind: str = Field(description="silent, errors, stalled, backlog or undecided")
    direction: Literal["in", "out"]
    partner: str
    text: str
    raised_at: datetime


class Sender(Schema):
    """A sender as it names itself."""

    name: str = Field(description="application|facility, as sent")
    source: str | None = Field(description="its entry in the site file; null for an unknown sender")
    connections: int
    connected_since: datetime | None
    last_message_at: datetime | None
    traffic: Traffic
    errors: list[Place]
    values_left_out: list[Place]


class DestinationQueue(Schema):
    """A destination and its queue."""

    name: str
    is_active: bool
    stopped_since: datetime | None
    last_delivered_at: datetime | None
    traffic: Traffic
    waiting: int
    oldest_since: datetime | None
    held: int
    stopped: int
    errors: list[Place]


class Interfaces(Schema):
    """All senders and destinations, and the alarms that are open."""

    model_config = with_example(
        {
            "senders": [
                {
                    "name": "HIS|GENHOSP",
                    "source": "HIS",
                    "connections": 1,
                    "connected_since": "2026-03-02T05:30:00+00:00",
                    "last_message_at": "2026-03-02T08:30:01+00:00",
                    "traffic": {"this_hour": 41, "usual_by_now": 38.0, "usual_in_hour": 76.0},
                    "errors": [{"place": "102 PID-7", "number": 3}],
                    "values_left_out": [],
                }
            ],
            "destinations": [],
            "alarms": [],
        }
    )

    senders: list[Sender]
    destinations: list[DestinationQueue]
    alarms: list[OpenAlarm]
