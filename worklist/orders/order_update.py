"""What a message or a person says of an order, in the worklist's own words.

In `values`, a name that is missing or None says nothing; `ledger.stamps.NONE` says "none".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worklist.models import StatusEvent


@dataclass(frozen=True)
class Number:
    """A placer or filler order number with its namespace (EI)."""

    value: str
    namespace: str = ""


@dataclass(frozen=True)
class StepUpdate:
    """A scheduled procedure step; without an ID it is the one step of its procedure.

    `values`: modality, station_ae_title, station_name, location, description, protocol_codes
    (`[{code, scheme, meaning}]`), performing_physician (PN), start (aware datetime).
    """

    id: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ProcedureUpdate:
    """A requested procedure: its ID, or its place in the order (from 1) where it has none.

    `values`: study_instance_uid, accession_number, code, scheme, description, body_part, laterality.
    """

    id: str = ""
    place: int = 1
    values: Mapping[str, Any] = field(default_factory=dict)
    steps: Sequence[StepUpdate] = (StepUpdate(),)


@dataclass(frozen=True)
class OrderUpdate:
    """An order: at least one number, what was done to it, and its content.

    `values`: patient_id, visit_id (keys of rows), accession_number, priority, reason, clinical_information,
    danger, transport, confidentiality, requesting_physician, referring_physician, requesting_service.
    """

    placer: Number | None = None
    filler: Number | None = None
    act: StatusEvent.Kind | None = None
    reason: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    procedures: Sequence[ProcedureUpdate] = ()
