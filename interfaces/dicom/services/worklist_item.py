"""The attributes of a worklist answer (PS3.4 table K.6-1), and where each comes from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydicom.datadict import dictionary_VR, tag_for_keyword

from interfaces.dicom.services.value_fitting import fits_short
from worklist.models import Order, Patient, RequestedProcedure, ScheduledProcedureStep, StepStatus
from worklist.patients import care_notes
from worklist.patients.care_notes import CareNotes

STATUS: Final[Mapping[str, str]] = {
    StepStatus.SCHEDULED: "SCHEDULED",
    StepStatus.ARRIVED: "ARRIVED",
    StepStatus.STARTED: "STARTED",
}
"""Scheduled Procedure Step Status (0040,0020): only DICOM's own terms go out."""


@dataclass(frozen=True)
class Item:
    """One scheduled step with all that it belongs to."""

    step: ScheduledProcedureStep
    procedure: RequestedProcedure
    order: Order
    patient: Patient
    care: CareNotes
    numbers: Sequence[Any] = ()
    station_groups: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, step: ScheduledProcedureStep, station_groups: Mapping[str, Sequence[str]], *, numbers: bool
    ) -> "Item":
        """The item of a step that `worklist.mwl.query.select` gave."""
        order = step.procedure.order
        assert order.patient is not None
        return cls(
            step=step,
            procedure=step.procedure,
            order=order,
            patient=order.patient.current,
            care=care_notes.of(order.patient),
            numbers=list(order.numbers.all()) if numbers else (),
            station_groups=station_groups,
        )

    def order_number(self, kind: str) -> str:
        """The order's placer or filler number, the first where it has several."""
        return min((number.value for number in self.numbers if number.kind == kind), default="")


Value = str | int | float | None
Read = Callable[[Item], Value]
Code = Mapping[str, str]


def _ae_titles(item: Item) -> str:
    own = item.step.station_ae_title
    return own or "\\".join(item.station_groups.get(item.step.station_group, ()))


def _procedure_codes(item: Item) -> list[Code]:
    procedure = item.procedure
    if not procedure.code or not fits_short(procedure.code):
        return []
    meaning = procedure.description or procedure.code
    return [{"code": procedure.code, "scheme": procedure.scheme, "meaning": meaning}]


def _visit(name: str) -> Read:
    return lambda item: getattr(item.order.current_visit, name, "")


def _empty(item: Item) -> Value:
    return ""


PATIENT_LEVEL: Final[Mapping[str, Read]] = {
    "AccessionNumber": lambda item: item.procedure.accession_number or item.order.accession_number,
    "InstitutionName": lambda item: item.order.facility.name,
    "ReferringPhysicianName": lambda item: item.order.referring_physician,
    "PatientName": lambda item: item.patient.name,
    "PatientID": lambda item: item.patient.value,
    "IssuerOfPatientID": lambda item: item.patient.authority.namespace,
    "PatientBirthDate": lambda item: item.patient.birth_date,
    "PatientBirthTime": _empty,
    "PatientSex": lambda item: item.patient.sex,
    "PatientAge": _empty,
    "PatientSize": lambda item: item.care.height_m,
    "PatientWeight": lambda item: item.care.weight_kg,
    "PatientAddress": lambda item: item.patient.address,
    "MedicalAlerts": lambda item: item.order.clinical_information,
    "Allergies": lambda item: item.care.allergies,
    "EthnicGroup": _empty,
    "AdditionalPatientHistory": lambda item: item.order.clinical_information,
    "PregnancyStatus": lambda item: int(item.care.pregnancy) if item.care.pregnancy.isdigit() else None,
    "PatientComments": _empty,
    "StudyInstanceUID": lambda item: item.procedure.study_instance_uid,
    "RequestingPhysician": lambda item: item.order.requesting_physician,
    "RequestingService": lambda item: item.order.requesting_service,
    "RequestedProcedureDescription": lambda item: item.procedure.description,
    "RequestedContrastAgent": _empty,
    "AdmissionID": _visit("number"),
    "SpecialNeeds": _empty,
    "CurrentPatientLocation": lambda item: item.order.location,
    "PatientState": lambda item: item.order.danger,
    "RequestedProcedureID": lambda item: item.procedure.requested_procedure_id,
    "ReasonForTheRequestedProcedure": lambda item: item.order.reason,
    "RequestedProcedurePriority": lambda item: item.order.priority,
    "PatientTransportArrangements": lambda item: item.order.transport,
    "RequestedProcedureLocation": _empty,
    "PlacerOrderNumberImagingServiceRequest": lambda item: item.order_number("placer"),
    "FillerOrderNumberImagingServiceRequest": lambda item: item.order_number("filler"),
    "NamesOfIntendedRecipientsOfResults": _empty,
    "RequestedProcedureComments": lambda item: item.order.comments,
    "ReasonForTheImagingServiceRequest": lambda item: item.order.reason,
    "ImagingServiceRequestComments": _empty,
    "ConfidentialityConstraintOnPatientDataDescription": lambda item: item.order.confidentiality,
}

STEP_LEVEL: Final[Mapping[str, Read]] = {
    "Modality": lambda item: item.step.modality,
    "RequestedContrastAgent": _empty,
    "ScheduledStationAETitle": _ae_titles,
    "ScheduledProcedureStepStartDate": lambda item: item.step.local_date,
    "ScheduledProcedureStepStartTime": lambda item: item.step.local_time,
    "ScheduledProcedureStepEndDate": _empty,
    "ScheduledProcedureStepEndTime": _empty,
    "ScheduledPerformingPhysicianName": lambda item: item.step.performing_physician,
    "ScheduledProcedureStepDescription": lambda item: (
        item.step.description or item.procedure.description or item.procedure.code
    ),
    "ScheduledProcedureStepID": lambda item: item.step.scheduled_procedure_step_id,
    "ScheduledStationName": lambda item: item.step.station_name,
    "ScheduledProcedureStepLocation": lambda item: item.step.location,
    "PreMedication": _empty,
    "ScheduledProcedureStepStatus": lambda item: STATUS[item.step.status],
    "CommentsOnTheScheduledProcedureStep": _empty,
}

CODES: Final[Mapping[str, Callable[[Item], Sequence[Code]]]] = {
    "RequestedProcedureCodeSequence": _procedure_codes,
    "ScheduledProtocolCodeSequence": lambda item: [
        one for one in item.step.protocol_codes if fits_short(one.get("code", ""))
    ],
    "ReasonForRequestedProcedureCodeSequence": lambda item: [],
}
"""Sequences of codes; those of the first two are at the patient's and at the step's level."""

EMPTY_SEQUENCES: Final = frozenset(
    {"ReferencedStudySequence", "ReferencedPatientSequence", "ReferencedPatientPhotoSequence"}
)
"""Sequences that are known here and never have an item."""

CODE_PARTS: Final[Mapping[str, str]] = {
    "CodeValue": "code",
    "CodingSchemeDesignator": "scheme",
    "CodeMeaning": "meaning",
}
LOCAL: Final = "L"
"""The scheme of a code that names none, or one that is no designator (PS3.16 8.2)."""

TAGS: Final[Mapping[str, tuple[int, str]]] = {
    keyword: (int(tag_for_keyword(keyword) or 0), dictionary_VR(keyword))
    for keyword in (*PATIENT_LEVEL, *STEP_LEVEL, *CODES, *EMPTY_SEQUENCES, *CODE_PARTS)
}
