"""Patients, as the API shows them."""

from typing import Literal

from ninja import Schema
from pydantic import Field

from web.rest.schemas import Text, example_of, listing, with_example


class Identifier(Schema):
    """An identifier of a patient (HL7 CX)."""

    value: str
    authority: str = Field(description="namespace of the assigning authority")
    type: str = Field("", description="HL7 Table 0203, such as MR")


class Patient(Schema):
    """A patient record, with the identifiers of all records of the same person."""

    model_config = with_example(
        {
            "id": "5b0f4c1de6c64a8e8f5a3d0c9b7e2a11",
            "name": "BARS^ANNA",
            "birth_date": "1970-01-02",
            "sex": "F",
            "identifiers": [{"value": "4711", "authority": "GENHOSP", "type": "MR"}],
            "merged_into": None,
        }
    )

    id: str | None = Field(description="null for an identity that only images tell of")
    name: str = Field(description="DICOM PN: components by ^, component groups by =")
    birth_date: str = Field(description="YYYY-MM-DD, or YYYY-MM or YYYY where no more is known, or empty")
    sex: str = Field(description="M, F, O, or empty where it is not known")
    identifiers: list[Identifier]
    merged_into: str | None = Field(description="the record under which this one shows now")


class NewLink(Schema):
    """Of whom a temporary record is."""

    model_config = with_example(
        {"patient": "5b0f4c1de6c64a8e8f5a3d0c9b7e2a11", "reason": "identity card seen", "although": False},
        extra="forbid",
    )

    patient: Text = Field(description="the id of the record that the HIS knows")
    reason: Text
    although: bool = Field(False, description="it is the same person although name, birth date or sex differ")


class NewMerge(Schema):
    """Which record another one is."""

    model_config = with_example(
        {
            "into": "5b0f4c1de6c64a8e8f5a3d0c9b7e2a11",
            "kind": "merge",
            "reason": "registered twice",
            "although": False,
        },
        extra="forbid",
    )

    into: Text = Field(description="the id of the record under which it shows then")
    kind: Literal["merge", "link"] = Field(
        "merge", description="merged, its identifier is retired; linked, both stay in use"
    )
    reason: Text = ""
    although: bool = Field(False, description="it is the same person although name, birth date or sex differ")


class PersonOfRecords(Schema):
    """A record that would show, and what it and those under it have."""

    patient: str = Field(description="id of the record that shows")
    records: list[str] = Field(description="ids of all records that show under it, itself among them")
    orders: int
    studies: int
    reports: int


class RecordEffects(Schema):
    """What it would change to merge, link or part two records."""

    model_config = with_example(
        {
            "before": [
                {"patient": "5b0f", "records": ["5b0f"], "orders": 2, "studies": 1, "reports": 1},
                {"patient": "9a1c", "records": ["9a1c"], "orders": 1, "studies": 0, "reports": 0},
            ],
            "after": [
                {"patient": "9a1c", "records": ["5b0f", "9a1c"], "orders": 3, "studies": 1, "reports": 1}
            ],
            "words": ["4711 will show under Anna Bars (4712), with 2 orders, 1 study, 1 report."],
        }
    )

    before: list[PersonOfRecords]
    after: list[PersonOfRecords]
    words: list[str] = Field(description="the same for people; programs go by the others")


class RecordLink(Schema):
    """What was said of two records, by a message or a person."""

    model_config = with_example(
        {
            "id": "0c9b7e2a115b0f4c1de6c64a8e8f5a3d",
            "kind": "merge",
            "retired": "5b0f4c1de6c64a8e8f5a3d0c9b7e2a11",
            "survivor": "9a1c4c1de6c64a8e8f5a3d0c9b7e2a11",
            "by_hand": True,
            "conflict": "",
        }
    )

    id: str
    kind: str = Field(description="merge, link, same message, or unlink")
    retired: str
    survivor: str
    by_hand: bool = Field(description="done by a person here, who can take it back")
    conflict: str = Field(description="why it is not in effect")


class RecordLinks(Schema):
    """Why records are one patient."""

    model_config = with_example(listing(RecordLink))

    count: int
    results: list[RecordLink]


class Patients(Schema):
    """A part of a list of patients."""

    model_config = with_example(listing(Patient))

    count: int
    results: list[Patient]


class PatientFilters(Schema):
    """Which patients are wanted."""

    identifier: Text = Field(
        "", max_length=320, description="exact, `4711` or `4711^^^GENHOSP`; retired ones are found too"
    )
    name: Text = Field("", max_length=320, description="its beginning, in any script; `*` and `?` are wild")


EXAMPLE = example_of(Patient)
