"""What each slip does to the headers of a study, and what it leaves alone."""

from dataclasses import asdict

from pydicom.dataset import Dataset

from simulator import console, plan
from simulator.faults import Fault
from simulator.plan import Case

CASES = {case.number: case for case in plan.day(seed=1, run="1234567", orders=150)}


def entry(case: Case) -> Dataset:
    """The worklist entry of a case."""
    step, found = Dataset(), Dataset()
    step.ScheduledProcedureStepID = f"SP{case.key}"
    found.SpecificCharacterSet = "ISO_IR 192"
    found.PatientID, found.PatientName = case.person.patient_id, case.person.dicom_name
    found.PatientBirthDate, found.PatientSex = case.person.birth_date, case.person.sex
    found.AccessionNumber, found.StudyInstanceUID = case.accession_number, f"2.25.{case.number}"
    found.RequestedProcedureID = f"RP{case.key}"
    found.RequestedProcedureDescription = case.procedure.description
    found.ScheduledProcedureStepSequence = [step]
    return found


def changed(fault: Fault) -> tuple[Case, dict[str, object]]:
    """A case with this fault, and the attributes that differ from its worklist entry."""
    case = next(one for one in CASES.values() if one.fault is fault)
    partner = CASES.get(case.partner or 0)
    used = partner if fault is Fault.WRONG_ENTRY and partner else case
    right = asdict(console.from_entry(entry(case)))
    wrong = asdict(console.spoilt(case, console.from_entry(entry(used)), partner))
    return case, {name: value for name, value in wrong.items() if value != right[name]}


def test_the_previous_patient_stays_and_the_order_is_the_right_one() -> None:
    case, wrong = changed(Fault.PREVIOUS_PATIENT)
    partner = CASES[case.partner or 0]

    assert wrong["patient_id"] == partner.person.patient_id
    assert wrong["patient_name"] == partner.person.dicom_name
    assert not {"accession_number", "study_instance_uid"} & set(wrong)


def test_a_wrong_entry_brings_anothers_order_under_the_right_name() -> None:
    case, wrong = changed(Fault.WRONG_ENTRY)
    partner = CASES[case.partner or 0]

    assert wrong["accession_number"] == partner.accession_number
    assert wrong["study_instance_uid"] == f"2.25.{partner.number}"
    assert not {"patient_id", "patient_name", "birth_date"} & set(wrong)


def test_a_slip_changes_one_attribute() -> None:
    expected = {
        Fault.WRONG_ACCESSION: "accession_number",
        Fault.ID_TYPO: "patient_id",
        Fault.ACCESSION_TYPO: "accession_number",
        Fault.NAME_TYPO: "patient_name",
        Fault.SWAPPED_NAME: "patient_name",
        Fault.LOST_ZEROS: "accession_number",
    }
    for fault, name in expected.items():
        assert list(changed(fault)[1]) == [name], fault


def test_a_duplicate_and_a_merged_record_change_nothing() -> None:
    for fault in (Fault.DUPLICATE, Fault.MERGED, Fault.MARRIED):
        assert changed(fault)[1] == {}


def test_from_paper_an_emergency_has_a_number_and_a_stray_study_none() -> None:
    late = next(one for one in CASES.values() if one.fault is Fault.LATE_ORDER)
    stray = next(one for one in CASES.values() if one.fault is Fault.UNSCHEDULED)

    assert console.from_paper(late, "2.25.1").accession_number == late.accession_number
    assert console.from_paper(stray, "2.25.2").accession_number == ""
    assert console.from_paper(stray, "2.25.2").scheduled_procedure_step_id == ""


def test_a_header_keeps_the_character_sets_of_the_worklist() -> None:
    found = entry(CASES[1])
    found.SpecificCharacterSet = ["", "ISO 2022 IR 87"]

    assert console.from_entry(found).character_set == ("", "ISO 2022 IR 87")
