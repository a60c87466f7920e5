"""What a modality asks for, read from a worklist identifier (PS3.4 K.6.1.2, C.2.2.2)."""

import re
from typing import Final

from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue

from interfaces.dicom.message_exchange.identifier import DOES_NOT_MATCH, IdentifierError
from ledger import wildcards
from worklist.mwl.matching_keys import Period, WorklistKeys

STEP_SEQUENCE: Final = "ScheduledProcedureStepSequence"

# The keys that the database matches; the others are matched on what is returned.
SELECTED: Final = frozenset(
    {
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "AccessionNumber",
        "RequestedProcedureID",
        "StudyInstanceUID",
        "ScheduledStationAETitle",
        "ScheduledProcedureStepStartDate",
        "ScheduledProcedureStepStartTime",
        "Modality",
        "ScheduledProcedureStepID",
    }
)

_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.\d{1,6})?)?)?")


def read(identifier: Dataset) -> WorklistKeys:
    """The keys of an identifier; raises `IdentifierError` (A900H) for a date or time that is none."""
    step = step_item(identifier)
    return WorklistKeys(
        station_ae_titles=_values(step, "ScheduledStationAETitle"),
        modalities=_values(step, "Modality"),
        period=_period(
            text(step, "ScheduledProcedureStepStartDate"), text(step, "ScheduledProcedureStepStartTime")
        ),
        patient_name=text(identifier, "PatientName"),
        patient_id=text(identifier, "PatientID"),
        issuer_of_patient_id=text(identifier, "IssuerOfPatientID"),
        accession_number=text(identifier, "AccessionNumber"),
        requested_procedure_id=text(identifier, "RequestedProcedureID"),
        step_id=text(step, "ScheduledProcedureStepID"),
        study_instance_uids=_values(identifier, "StudyInstanceUID"),
    )


def step_item(identifier: Dataset) -> Dataset:
    """The one item of the step sequence; no item is the same as one empty item."""
    sequence = identifier.get(STEP_SEQUENCE, None)
    if sequence and len(sequence) > 1:
        raise IdentifierError("only one item may be in the step sequence", DOES_NOT_MATCH)
    return sequence[0] if sequence else Dataset()


def text(dataset: Dataset, keyword: str) -> str:
    """A key's value as text, empty for universal matching; several values stay joined."""
    return element_text(dataset[keyword]) if keyword in dataset else ""


def element_text(element: DataElement) -> str:
    """The value of an element as text, without the padding."""
    value = element.value
    if value is None:
        return ""
    parts = value if isinstance(value, MultiValue | list) else [value]
    return "\\".join(str(part).strip(" \0") for part in parts)


def _values(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    values = tuple(value for value in text(dataset, keyword).split("\\") if value)
    if wildcards.is_too_long(values):
        raise IdentifierError(f"{keyword} has too many values")
    return values


def _period(dates: str, times: str) -> Period:
    """Date and time ranges together are one period (PS3.4 C.2.2.2.5, K.6.1.2.2)."""
    from_date, to_date = map(_date, _ends(dates))
    from_time, to_time = _ends(times)
    return Period(
        from_date=from_date,
        from_time=_time(from_time, "000000"),
        to_date=to_date,
        to_time=_time(to_time, "235959"),
    )


def _ends(value: str) -> tuple[str, str]:
    """The two ends of a range; a single value is both."""
    first, dash, last = value.partition("-")
    return (first.strip(), last.strip()) if dash else (value, value)


def _date(value: str) -> str:
    digits = value.replace(".", "")
    if digits and not re.fullmatch(r"\d{8}", digits):
        raise IdentifierError("the start date is not a date or a range of dates", DOES_NOT_MATCH)
    return digits


def _time(value: str, fill: str) -> str:
    if not value:
        return ""
    found = _TIME.fullmatch(value)
    if not found:
        raise IdentifierError("the start time is not a time or a range of times", DOES_NOT_MATCH)
    digits = "".join(part or "" for part in found.groups())
    return digits + fill[len(digits) :]
