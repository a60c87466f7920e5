"""What a message or a person says an order, a requested procedure and a scheduled procedure step are.

None says nothing, `ledger.stamps.NONE` says "none". The names are those of the columns that keep them.
"""

from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from ledger.stamps import Null
from worklist.models.sent_field import AsSent

Text = str | Null | None


@dataclass(frozen=True)
class _Content:
    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of all fields."""
        return tuple(one.name for one in fields(cls))

    def said(self) -> dict[str, Any]:
        """The fields of which something is said."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class OrderContent(_Content):
    """An order (ORC, OBR, PV1). `patient_id` and `visit_id` are the keys of records.

    What is `AsSent` goes back so: providers (XCN), `result_copies_to` (OBR-28), `account` (PID-18).
    `accession_of_number` is a number of the order that serves as its accession number until one is given.
    """

    patient_id: int | None = None
    visit_id: int | None = None
    accession_number: Text = None
    accession_of_number: Text = None
    accession_issuer: Text = None
    priority: Text = None
    reason: Text = None
    clinical_information: Text = None
    comments: Text = None
    danger: Text = None
    transport: Text = None
    confidentiality: Text = None
    requesting_physician: Text = None
    ordering_provider: AsSent | Null | None = None
    referring_physician: Text = None
    attending_provider: AsSent | Null | None = None
    referring_provider: AsSent | Null | None = None
    result_copies_to: AsSent | Null | None = None
    account: AsSent | Null | None = None
    requesting_service: Text = None
    patient_location: Text = None


@dataclass(frozen=True)
class ProcedureContent(_Content):
    """A requested procedure (OBR): `service` is OBR-4, `interpreter` OBR-32, `technician` OBR-34, as sent."""

    study_instance_uid: Text = None
    accession_number: Text = None
    code: Text = None
    scheme: Text = None
    description: Text = None
    body_part: Text = None
    laterality: Text = None
    service: AsSent | Null | None = None
    interpreter: AsSent | Null | None = None
    technician: AsSent | Null | None = None


@dataclass(frozen=True)
class StepContent(_Content):
    """A scheduled procedure step. `protocol_codes` are `[{code, scheme, meaning}]`, names are PN.

    `modality_for` is the modality that was said and the code it was said with; it follows from these.
    """

    modality: Text = None
    station_ae_title: Text = None
    station_name: Text = None
    station_group: Text = None
    location: Text = None
    description: Text = None
    protocol_codes: list[dict[str, str]] | Null | None = None
    performing_physician: Text = None
    start: datetime | Null | None = None
    modality_for: list[str] | None = None

    def with_code(self, code: Text) -> "StepContent":
        """The same, said of a procedure of this code."""
        if self.modality is None:
            return self
        said = [one if isinstance(one, str) else "" for one in (self.modality, code)]
        return replace(self, modality_for=said)
