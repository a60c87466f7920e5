"""Patients, as the API shows them."""

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
