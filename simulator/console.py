"""What a modality's console puts into the headers of a study, and how the technologist's slips get there."""

from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from simulator.faults import Fault, slip, wrong_digit
from simulator.people import Person
from simulator.plan import Case

UTF_8 = "ISO_IR 192"


@dataclass(frozen=True)
class Header:
    """The identity and the order of a study, as its images tell them. An empty text is an empty attribute."""

    patient_id: str
    patient_name: str
    birth_date: str
    sex: str
    character_set: str | tuple[str, ...] = UTF_8
    accession_number: str = ""
    study_instance_uid: str = ""
    requested_procedure_id: str = ""
    scheduled_procedure_step_id: str = ""
    description: str = ""
    referrer: str = ""


def from_entry(entry: Dataset) -> Header:
    """What a worklist answer (PS3.4 K.6) gives a console to copy (IHE RAD TF-2 appendix A)."""
    step = entry.ScheduledProcedureStepSequence[0]
    character_set = entry.get("SpecificCharacterSet") or "ISO_IR 6"
    return Header(
        patient_id=str(entry.get("PatientID", "")),
        patient_name=str(entry.get("PatientName", "")),
        birth_date=str(entry.get("PatientBirthDate", "")),
        sex=str(entry.get("PatientSex", "")),
        character_set=character_set if isinstance(character_set, str) else tuple(character_set),
        accession_number=str(entry.get("AccessionNumber", "")),
        study_instance_uid=str(entry.get("StudyInstanceUID", "")),
        requested_procedure_id=str(entry.get("RequestedProcedureID", "")),
        scheduled_procedure_step_id=str(step.get("ScheduledProcedureStepID", "")),
        description=str(entry.get("RequestedProcedureDescription", "")),
        referrer=str(entry.get("ReferringPhysicianName", "")),
    )


def from_paper(case: Case, uid: str) -> Header:
    """What is typed where the worklist has nothing: the wrist band, and the number on the request, if any."""
    typed = Header("", "", "", "", study_instance_uid=uid, description=case.procedure.description)
    number = "" if case.fault is Fault.UNSCHEDULED else case.accession_number
    return replace(of_person(typed, case.person), accession_number=number)


def of_person(header: Header, person: Person) -> Header:
    """The header with another identity typed over it."""
    return replace(
        header,
        patient_id=person.patient_id,
        patient_name=person.dicom_name,
        birth_date=person.birth_date,
        sex=person.sex,
        character_set=UTF_8,
    )


def spoilt(case: Case, header: Header, partner: Case | None) -> Header:
    """The header as the case's fault leaves it; for a wrong entry, `header` is that of the partner."""
    match case.fault:
        case Fault.PREVIOUS_PATIENT if partner:
            return of_person(header, partner.person)
        case Fault.WRONG_ENTRY:
            return of_person(header, case.person)
        case Fault.WRONG_ACCESSION if partner:
            return replace(header, accession_number=partner.accession_number)
        case Fault.ID_TYPO:
            # In the run's own digits, where no other patient's number is one slip away.
            return replace(header, patient_id=wrong_digit(header.patient_id, 2))
        case Fault.ACCESSION_TYPO:
            return replace(header, accession_number=wrong_digit(header.accession_number, 4))
        case Fault.NAME_TYPO:
            family, *others = header.patient_name.split("^")
            return replace(header, patient_name="^".join([slip(family, 2), *others]))
        case Fault.SWAPPED_NAME:
            return replace(header, patient_name="^".join(header.patient_name.split("^")[::-1]))
        case Fault.LOST_ZEROS:
            return replace(header, accession_number=header.accession_number.lstrip("0"))
    return header
