"""What is refused, in HL7's terms: code, place and text for ERR (HL7 v2.5.1 2.15.5)."""

from collections.abc import Mapping
from typing import Final

from ledger import errors

CODES: Final[Mapping[type[errors.Refused], int]] = {
    errors.Missing: 101,
    errors.Invalid: 102,
    errors.UnknownCode: 103,
    errors.Unknown: 204,
    errors.Duplicate: 205,
    errors.OtherPatient: 204,
    errors.IdentityConflict: 204,
    errors.Conflict: 207,
    errors.Forbidden: 207,
}
"""HL7 Table 0357 for each kind of refusal."""

LOCATIONS: Final[Mapping[str, str]] = {
    "identifiers": "PID^1^3",
    "value": "PID^1^3",
    "namespace": "PID^1^3",
    "universal_id": "PID^1^3",
    "universal_id_type": "PID^1^3",
    "allergies": "AL1^1^3",
    "location": "PV1^1^3",
    "attending": "PV1^1^7",
    "referring": "PV1^1^8",
    "referring_physician": "PV1^1^8",
    "requesting_physician": "OBR^1^16",
    "performing_physician": "OBR^1^34",
    "requesting_service": "ORC^1^17",
    "confidentiality": "ORC^1^28",
    "protocol_codes": "OBR^1^4",
    "name": "PID^1^5",
    "birth_date": "PID^1^7",
    "address": "PID^1^11",
    "retired": "MRG^1^1",
    "number": "PV1^1^19",
    "patient_class": "PV1^1^2",
    "appointment": "SCH^1^2",
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
    "comments": "NTE^1^3",
    "danger": "OBR^1^12",
    "transport": "OBR^1^30",
    "study_instance_uid": "ZDS^1^1",
}
"""Where the worklist's fields come from, for ERR-2, but for those that a source's mapping found elsewhere."""


def explain(
    error: errors.Refused, index: int, located: Mapping[tuple[int, str], str]
) -> tuple[int, str, str]:
    """Code, location and text for what was refused.

    `index` is that of the segments it came from, `located` says where fields of orders were found.
    """
    usual = LOCATIONS.get(error.field, "").replace("^1^", f"^{index}^", 1)
    return error.answer(CODES), located.get((index, error.field), usual), error.text
