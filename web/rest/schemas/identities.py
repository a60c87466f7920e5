"""Identities in doubt, as the API shows them."""

from datetime import datetime

from ninja import Schema
from pydantic import Field

from web.rest.schemas import Text, listing, with_example
from worklist.models import IdentityException as Row
from worklist.models import IdentityExceptionKind


class NamedPatient(Schema):
    """Whom a message names: maybe nobody who is here."""

    name: str = ""
    birth_date: str = Field("", description="YYYYMMDD, or less")
    sex: str = ""
    identifiers: list[str] = []


class HandOver(Schema):
    """Who is to look after it, by user name; empty for whoever looks next. And what is to be done."""

    model_config = with_example({"to": "", "note": "ask the ward whose order it is"}, extra="forbid")

    to: Text = ""
    note: Text


class IdentityException(Schema):
    """Where messages disagree on who somebody is."""

    model_config = with_example(
        {
            "id": "a1f6a7b8c9d04e1f8a2b3c4d5e6f7a8b",
            "kind": "other_patient",
            "text": "the order is another patient's",
            "status": "open",
            "patient": "7c9d04e1f8a2b3c4d5e6f7a8ba1f6a7b",
            "other": "",
            "order": "9c2f5a8be1d34f7a8b6c5d4e3f2a1b0c",
            "named": {
                "name": "REAL^RITA",
                "birth_date": "19350517",
                "sex": "F",
                "identifiers": ["P2^^^GENHOSP"],
            },
            "message": "04e1f8a2b3c4d5e6f7a8ba1f6a7b7c9d",
            "times": 2,
            "opened_at": "2026-03-02T09:41:07+00:00",
            "last_at": "2026-03-02T09:51:07+00:00",
            "ended_at": None,
            "ended_by": "",
            "end_reason": "",
        }
    )

    id: str
    kind: IdentityExceptionKind
    text: str
    status: Row.Status
    patient: str = Field(description="the record of whose order it is")
    other: str = Field(description="the record that the message names, if it is here")
    order: str
    named: NamedPatient
    message: str = Field(description="the newest message that said so: `/hl7/messages/{id}`")
    times: int
    opened_at: datetime
    last_at: datetime
    ended_at: datetime | None
    ended_by: str
    end_reason: str


class IdentityExceptions(Schema):
    """A part of a list of them."""

    model_config = with_example(listing(IdentityException))

    count: int
    results: list[IdentityException]


class IdentityFilters(Schema):
    """Which are wanted."""

    status: Row.Status | None = Field(Row.Status.OPEN, description="`open` unless another is named")
    kind: IdentityExceptionKind | None = None
