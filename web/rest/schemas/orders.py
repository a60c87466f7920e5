"""Orders and scheduled steps, as the API shows and takes them."""

import re
from datetime import date, datetime
from typing import Literal

from ninja import Schema
from pydantic import AwareDatetime, Field, field_validator

from web.rest.schemas import Text, example_of, listing, with_example
from web.rest.schemas.patients import EXAMPLE as PATIENT
from web.rest.schemas.patients import Patient
from worklist.models import OrderStatus, Priority


class Step(Schema):
    """A scheduled procedure step."""

    model_config = with_example(
        {
            "id": "0d9a4f7be1234b6a9d1c2e3f4a5b6c7d",
            "scheduled_procedure_step_id": "SP1001",
            "status": "scheduled",
            "modality": "CT",
            "station_ae_title": "CT1",
            "start": "2026-03-02T09:30:00+01:00",
        }
    )

    id: str
    scheduled_procedure_step_id: str
    status: str = Field(description="scheduled, arrived, held, started, completed, discontinued, …")
    modality: str
    station_ae_title: str
    start: datetime | None = Field(description="null: due on receipt, or to be scheduled")


class ChangedStep(Step):
    """A step after something was done to it."""

    model_config = with_example(
        {
            **example_of(Step),
            "status": "arrived",
            "order": "9c2f5a8be1d34f7a8b6c5d4e3f2a1b0c",
            "act": "1b0c9c2f5a8be1d34f7a8b6c5d4e3f2a",
        }
    )

    order: str
    act: str = Field(description="what was done, for its undo")


class Why(Schema):
    """Why, where it need not be said."""

    model_config = with_example({"reason": "No transport"}, extra="forbid")

    reason: Text = Field("", max_length=500)


class Procedure(Schema):
    """A requested procedure."""

    model_config = with_example(
        {
            "id": "77e1a2b3c4d54e6f8a9b0c1d2e3f4a5b",
            "requested_procedure_id": "RP1001",
            "study_instance_uid": "2.25.302113406041958203923184752314786233061",
            "accession_number": "A1001",
            "code": "71260",
            "description": "CT chest with contrast",
            "steps": [example_of(Step)],
        }
    )

    id: str
    requested_procedure_id: str
    study_instance_uid: str
    accession_number: str = Field(description="its own, else that of its order")
    code: str
    description: str
    steps: list[Step]


class Order(Schema):
    """An order."""

    model_config = with_example(
        {
            "id": "9c2f5a8be1d34f7a8b6c5d4e3f2a1b0c",
            "accession_number": "A1001",
            "placer_order_number": "PL1001",
            "filler_order_number": "FL1001",
            "status": "scheduled",
            "priority": "ROUTINE",
            "reason": "Cough for six weeks",
            "patient": PATIENT,
            "procedures": [example_of(Procedure)],
        }
    )

    id: str
    accession_number: str
    placer_order_number: str
    filler_order_number: str
    status: str
    priority: str
    reason: str
    patient: Patient | None = Field(description="null where only a cancellation came so far")
    procedures: list[Procedure]


class Orders(Schema):
    """A part of a list of orders."""

    model_config = with_example(listing(Order))

    count: int
    results: list[Order]


class OrderFilters(Schema):
    """Which orders are wanted; all of what is given has to fit."""

    accession_number: Text = Field("", max_length=16)
    placer_order_number: Text = Field("", max_length=250)
    patient_identifier: Text = Field(
        "", max_length=320, description="`4711` or `4711^^^GENHOSP`, of any record of the patient"
    )
    status: OrderStatus | None = None


class NewIdentifier(Schema):
    """The identifier by which a patient is found, or made."""

    model_config = with_example({"value": "4711", "authority": "GENHOSP"}, extra="forbid")

    value: Text = Field(min_length=1, max_length=250)
    authority: Text = Field(min_length=1, max_length=64)
    type: Text = Field("", max_length=5)


class NewPatient(Schema):
    """Whom an order is for. What is known of the patient already has to agree."""

    model_config = with_example(
        {
            "identifier": example_of(NewIdentifier),
            "name": "BARS^ANNA",
            "birth_date": "1970-01-02",
            "sex": "F",
        },
        extra="forbid",
    )

    identifier: NewIdentifier | None = Field(None, description="without it a temporary one is given")
    name: Text = Field("", max_length=320)
    birth_date: Text = Field("", description="YYYY-MM-DD, or YYYY-MM or YYYY where no more is known")
    sex: Literal["M", "F", "O", ""] = ""

    @field_validator("birth_date")
    @classmethod
    def _is_date(cls, value: str) -> str:
        if not value:
            return value
        parts = re.fullmatch(r"(\d{4})(?:-?(\d\d)(?:-?(\d\d))?)?", value, re.ASCII)
        if parts is None:
            raise ValueError("a date is YYYY-MM-DD, YYYY-MM or YYYY")
        year, month, day = parts.groups()
        date(int(year), int(month or 1), int(day or 1))
        return "".join(part for part in (year, month, day) if part)


class NewOrder(Schema):
    """An order that is placed here."""

    model_config = with_example(
        {
            "patient": example_of(NewPatient),
            "procedure_code": "71260",
            "start": "2026-03-02T09:30:00+01:00",
            "station_ae_title": "CT1",
            "priority": "ROUTINE",
            "reason": "Cough for six weeks",
        },
        extra="forbid",
    )

    patient: NewPatient
    procedure_code: Text = Field(min_length=1, max_length=64, description="of the site's catalogue")
    start: AwareDatetime | None = Field(None, description="with its offset; without it due at once")
    station_ae_title: Text | None = Field(
        None, max_length=16, description="the room; without it the one of the catalogue"
    )
    priority: Priority | None = None
    reason: Text | None = Field(None, max_length=1000)
