"""Which trigger does what, and what a message must be for us to take it at all."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from interfaces.hl7 import adt, orders
from interfaces.hl7.er7 import Er7Error, Header
from interfaces.hl7.reading import Reading
from interfaces.hl7.sources import SourcePolicy
from worklist import errors

TRIGGERS: Final[Mapping[tuple[str, str], Callable[[Reading], None]]] = {
    ("ADT", "A01"): adt.register,
    ("ADT", "A04"): adt.register,
    ("ADT", "A08"): adt.register,
    ("ADT", "A31"): adt.register,
    ("ADT", "A40"): adt.merge,
    ("ORM", "O01"): orders.apply,
}

_TYPES: Final = frozenset(
    [
        "ADT",
        "BAR",
        "DFT",
        "MDM",
        "MFN",
        "OMG",
        "OMI",
        "OML",
        "OMP",
        "ORL",
        "ORM",
        "ORU",
        "ORR",
        "OUL",
        "PPR",
        "QRY",
        "RAS",
        "RDE",
        "RDS",
        "REF",
        "SIU",
        "VXU",
    ]
)
"""Message types that we know; those with no trigger above are not built yet."""

_ONLY_TRIGGER: Final = {"ORM": "O01"}
_VERSION: Final = re.compile(r"2\.[1-8](\.\d{1,2})*")

CODES: Final[Mapping[type[errors.WorklistError], int]] = {
    errors.RequiredMissing: 101,
    errors.BadValue: 102,
    errors.NotInTable: 103,
    errors.UnknownKey: 204,
    errors.DuplicateKey: 205,
    errors.StateConflict: 207,
}
"""HL7 Table 0357 for what the worklist refuses."""

LOCATIONS: Final[Mapping[str, str]] = {
    "identifiers": "PID^1^3",
    "value": "PID^1^3",
    "name": "PID^1^5",
    "birth_date": "PID^1^7",
    "address": "PID^1^11",
    "retired": "MRG^1^1",
    "number": "PV1^1^19",
    "patient_class": "PV1^1^2",
    "placer": "ORC^1^2",
    "filler": "ORC^1^3",
    "accession_number": "OBR^1^18",
    "requested_procedure_id": "OBR^1^19",
    "scheduled_procedure_step_id": "OBR^1^20",
    "code": "OBR^1^4",
    "scheme": "OBR^1^4",
    "description": "OBR^1^4",
    "modality": "OBR^1^24",
    "station_ae_title": "OBR^1^21",
    "reason": "OBR^1^31",
    "clinical_information": "OBR^1^13",
    "danger": "OBR^1^12",
    "transport": "OBR^1^30",
    "study_instance_uid": "ZDS^1^1",
}
"""Where the worklist's fields come from, for ERR-2."""


def handler_of(header: Header, policy: SourcePolicy) -> Callable[[Reading], None]:
    """The function that applies a message. Raises `Er7Error` 101 and 200 to 203 for what is not taken."""
    if not header.message_code:
        raise Er7Error(101, "MSH^1^9", "the message type is missing")
    if header.message_code not in _TYPES:
        raise Er7Error(200, "MSH^1^9", "this message type is not taken here")
    trigger = header.trigger or _ONLY_TRIGGER.get(header.message_code, "")
    handler = TRIGGERS.get((header.message_code, trigger))
    if handler is None:
        raise Er7Error(201, "MSH^1^9^2", "this trigger event is not taken here yet; the message is kept")
    if "*" not in policy.processing_ids and header.processing_id not in policy.processing_ids:
        raise Er7Error(202, "MSH^1^11", "this processing ID is not taken from this source")
    if header.version and not _VERSION.fullmatch(header.version):
        raise Er7Error(203, "MSH^1^12", "versions 2.1 to 2.8 are taken")
    return handler


def explain(error: errors.WorklistError) -> tuple[int, str, str]:
    """Code, location and text for what the worklist refused."""
    return CODES.get(type(error), 207), LOCATIONS.get(error.field, ""), error.text
