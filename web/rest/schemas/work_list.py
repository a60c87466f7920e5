"""What is to be worked off of the HL7 messages, as the API shows it."""

from datetime import datetime
from typing import Literal

from ninja import Schema
from pydantic import Field

from interfaces.hl7.inspect.work_acts import MOST
from web.rest.schemas import Text, listing, with_example


class WorkGroup(Schema):
    """Messages with one error at one place of one partner."""

    model_config = with_example(
        {
            "id": "9f2b6c0d1e3a4b5c",
            "direction": "in",
            "partner": "HIS|GENHOSP",
            "status": "failed",
            "code": "103",
            "place": "OBR-4",
            "number": 50,
            "oldest_at": "2026-03-02T08:30:01+00:00",
            "newest_at": "2026-03-02T09:12:44+00:00",
            "example": "'XYZ' is not in the catalogue",
            "assigned": 0,
        }
    )

    id: str
    direction: Literal["in", "out"]
    partner: str
    status: str = Field(description="failed, refused; of what goes out held, stopped")
    code: str = Field(description="HL7 Table 0357; of what goes out the codes of the answer")
    place: str
    number: int
    oldest_at: datetime
    newest_at: datetime
    example: str = Field(description="what one of them says")
    assigned: int = Field(description="how many are somebody's")


class WorkGroups(Schema):
    """All groups, the largest first."""

    model_config = with_example(listing(WorkGroup))

    count: int
    results: list[WorkGroup]


class Chosen(Schema):
    """Messages by id, or all of a group."""

    ids: list[str] = Field([], max_length=MOST)
    group: Text = Field("", max_length=16)


class WorkAct(Chosen):
    """What is done with messages of the work list."""

    model_config = with_example(
        {"act": "ignore", "group": "9f2b6c0d1e3a4b5c", "reason": "a test patient"}, extra="forbid"
    )

    act: Literal["done", "ignore", "put-back", "assign", "release", "skip"]
    reason: Text = Field("", max_length=500, description="needed to ignore, release and skip")
    to: Text = Field("", max_length=150, description="user name, to assign; empty for nobody")


class WorkDone(Schema):
    """How many messages changed."""

    model_config = with_example({"changed": 50})

    changed: int


class NewReplay(Chosen):
    """Messages that are to be applied again, in the order in which they were received."""

    model_config = with_example(
        {"group": "9f2b6c0d1e3a4b5c", "reason": "catalogue entry added", "stop_at_error": True},
        extra="forbid",
    )

    reason: Text = Field(max_length=500)
    stop_at_error: bool = True


class BulkReplayState(Schema):
    """A replay of many messages, which runs in the background."""

    model_config = with_example(
        {
            "id": "3f2a1b0c9d8e4f7a8b6c5d4e3f2a1b0c",
            "state": "stopped",
            "total": 50,
            "applied": 12,
            "failed": 1,
            "reason": "catalogue entry added",
            "stop_at_error": True,
            "begun_at": "2026-03-02T10:00:00+00:00",
            "ended_at": "2026-03-02T10:00:02+00:00",
            "failures": ["5d4e3f2a1b0c3f2a1b0c9d8e4f7a8b6c"],
        }
    )

    id: str
    state: Literal["running", "stopped", "ended", "done"]
    total: int
    applied: int
    failed: int
    reason: str
    stop_at_error: bool
    begun_at: datetime
    ended_at: datetime | None
    failures: list[str] = Field(description="ids of the new messages that failed, the first 500")
