"""From the bytes of a modality to the verdict: what indexing keeps is what reconcile reads."""

from datetime import timedelta
from typing import Any

import pytest
from pydicom.dataset import Dataset

from archive.models import Study
from archive.reconcile import study_evidence
from tests.archive.hospital import NOW, Hospital
from tests.archive.objects import indexed, received

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]
ANNA = {
    "PatientName": "BARS^ANNA",
    "PatientID": "P1",
    "IssuerOfPatientID": "GENHOSP",
    "PatientBirthDate": "19700102",
    "PatientSex": "F",
    "RequestAttributesSequence": [],
}


def sent(number: int, **attributes: Any) -> None:
    values = {**ANNA, "AccessionNumber": "A1", "SOPInstanceUID": f"1.9.{number}", **attributes}
    received(received_at=NOW - timedelta(hours=3), **values)


def request(number: str) -> Dataset:
    item = Dataset()
    item.RequestedProcedureID, item.ScheduledProcedureStepID = f"RP{number}", f"SP{number}"
    return item


def test_an_image_of_the_orders_patient_is_matched(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    sent(
        1, PerformingPhysicianName="DOC^ADA", BodyPartExamined="CHEST", StudyDate="20260302", StudyTime="0815"
    )
    indexed()
    study = hospital.done(Study.objects.get())
    assert study.verdict == "matched"
    seen = study_evidence.gather(study, study.first_quiet_at)
    assert seen.acquired_at == "2026-03-02T07:15:00.000000+00:00", "Berlin is an hour ahead"
    assert (seen.performing_physicians, seen.body_parts) == (("DOC^ADA",), ("CHEST",))


def frames_of(side: str) -> dict[str, Any]:
    anatomy, shared = Dataset(), Dataset()
    anatomy.FrameLaterality = side
    shared.FrameAnatomySequence = [anatomy]
    return {"SharedFunctionalGroupsSequence": [shared]}


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ([{"ImageLaterality": "R"}], "probable"),
        ([{"Laterality": "R"}], "probable"),
        ([frames_of("R")], "probable"),
        ([{"ImageLaterality": "L"}], "matched"),
        ([{"ImageLaterality": "U"}], "matched"),
        ([{"ImageLaterality": "L"}, {"ImageLaterality": "R"}], "matched"),  # the other one for comparison
    ],
)
def test_the_other_side_is_seen_wherever_images_tell_it(
    hospital: Hospital, said: list[dict[str, Any]], verdict: str
) -> None:
    hospital.order("A1", hospital.patient(), laterality="L")
    for number, attributes in enumerate(said):
        sent(number, **attributes)
    indexed()
    assert hospital.done(Study.objects.get()).verdict == verdict


def test_an_image_with_another_patients_accession_number_is_a_mismatch(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient("REALP1", "REAL^RITA", birth_date="19350517"))
    sent(1)
    indexed()
    assert hospital.done(Study.objects.get()).verdict == "mismatch"


def test_a_later_image_of_another_patient_makes_a_mismatch_of_a_match(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    sent(1)
    indexed()
    study = hospital.done(Study.objects.get())
    assert study.verdict == "matched"
    sent(2, PatientName="OTHER^OTTO", PatientID="P2", PatientBirthDate="19350517", PatientSex="M")
    indexed()
    study = hospital.done(study)
    assert (study.verdict, study.patient, study.exception.status) == ("mismatch", None, "open")


def test_a_group_case_is_matched_through_the_requests_of_its_images(hospital: Hospital) -> None:
    patient = hospital.patient()
    for number in ("A1", "A2"):
        hospital.order(number, patient)
    items = [request("A1"), request("A2")]
    sent(1, AccessionNumber="", RequestAttributesSequence=items)
    indexed()
    study = hospital.done(Study.objects.get())
    assert (study.verdict, study.procedures.count()) == ("matched", 2)
