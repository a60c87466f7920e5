"""Studies shown under another identity than their headers tell: at every door, until that is undone."""

import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.db import transaction
from pydicom import dcmread
from pydicom.dataset import Dataset

from accounts.models import Facility, SiteSection, User
from archive.decisions.decision_frame import decide as decide_on
from archive.decisions.decision_type import DecisionType
from archive.decisions.link import Link
from archive.decisions.reassign import Reassign
from archive.decisions.undo import undo
from archive.models import Decision, StoredFile, Study
from archive.storage.volumes import path_of
from tests.actors import acting
from tests.archive.hospital import NOW, Hospital
from tests.archive.objects import indexed, received
from worklist.models import Patient, ScheduledProcedureStep

pytestmark = pytest.mark.django_db
Get = Callable[..., Any]
INSTANCE = "studies/1.2.3/series/1.2.3.1/instances/1.2.3.4"
ONE = "application/dicom; transfer-syntax=*"
HEADER = {"00100010": {"Alphabetic": "BARS^ANNA"}, "00100020": "P1", "00080050": "A17"}
TAGS = ("00100010", "00100020", "00100021", "00100030", "00100040", "00080050")


@pytest.fixture
def hospital(home: None, user: User, facility: Facility, provenance: Any) -> Hospital:
    SiteSection.objects.create(name="archive", content={"quiet_seconds": 0, "reconcile": {}})
    return Hospital(facility, provenance)


def study_of(hospital: Hospital, **attributes: Any) -> Study:
    """A study of Anna Bars, or of whom the attributes say, judged."""
    header = {"PatientName": "BARS^ANNA", "PatientBirthDate": "19700102", "PatientSex": "F"}
    header |= {"IssuerOfPatientID": "GENHOSP", "StudyDate": NOW.strftime("%Y%m%d")}
    header |= {"RequestAttributesSequence": None, "SpecificCharacterSet": "ISO_IR 100"}
    received(received_at=NOW, **{**header, **attributes})
    indexed()
    return hospital.judged(Study.objects.get())


def body(answer: Any) -> bytes:
    assert answer.status_code == 200, (answer.status_code, answer.content)
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)


def stored() -> bytes:
    return path_of(StoredFile.objects.get()).read_bytes()


def doors(get: Get) -> list[dict[str, Any]]:
    """What searches, metadata and objects say of a study's identity."""
    (found,) = json.loads(body(get("studies?StudyInstanceUID=1.2.3")))
    (model,) = json.loads(body(get(f"{INSTANCE}/metadata")))
    sent = dcmread(BytesIO(body(get(INSTANCE, ONE)))).to_json_dict()
    said = []
    for door in (found, model, sent):
        values = {tag: door.get(tag, {}).get("Value", [""])[0] for tag in TAGS}
        said.append({tag: value for tag, value in values.items() if value})
    return said


def decide(decision: DecisionType, study: Study, user: User) -> Decision:
    with transaction.atomic():
        return decide_on(decision, study=study, reason="seen", by=acting(user))


def test_all_doors_show_the_patient_whom_a_person_gave_the_study_to(
    hospital: Hospital, get: Get, user: User
) -> None:
    other = hospital.patient("P2", "Müller^Jörg=山田^太郎", birth_date="19801231", sex="M")
    study = study_of(hospital)
    before = get(INSTANCE, ONE)
    assert body(before) == stored()
    decide(Reassign(other), study, user)
    wanted = {
        "00100010": {"Alphabetic": "Müller^Jörg", "Ideographic": "山田^太郎"},
        "00100020": "P2",
        "00100021": "GENHOSP",
        "00100030": "19801231",
        "00100040": "M",
        "00080050": "A17",
    }
    assert doors(get) == [wanted] * 3
    for query in ("PatientID=P1", "PatientName=BARS*", "PatientBirthDate=19700102", "PatientSex=F"):
        assert get(f"studies?{query}").status_code == 204, query
    for query in ("PatientID=P2", "PatientName=müller*", "PatientBirthDate=19801231", "PatientSex=M"):
        assert get(f"studies?{query}").status_code == 200, query
    after = get(INSTANCE, ONE)
    assert after["ETag"] != before["ETag"]
    assert int(after["Content-Length"]) == len(body(after))
    sent = dcmread(BytesIO(body(get(INSTANCE, ONE))))
    kept = sent.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert (kept.PatientName, kept.PatientID, kept.PatientSex) == ("BARS^ANNA", "P1", "F")
    assert sent.OriginalAttributesSequence[0].ReasonForTheAttributeModification == "CORRECT"
    assert sent.PixelData == dcmread(BytesIO(stored())).PixelData
    assert get(f"{INSTANCE}/bulkdata/00100010").status_code == 404
    with transaction.atomic():
        undo(exception=study.exception, reason="no", by=acting(user))
    undone = get(INSTANCE, ONE)
    assert undone["ETag"] == before["ETag"] and body(undone) == stored()
    assert get(f"{INSTANCE}/bulkdata/00100010").status_code == 200


def test_a_record_that_knows_less_hides_what_is_another_patients(
    hospital: Hospital, get: Get, user: User
) -> None:
    other = hospital.patient("P2", "DOE^JANE", birth_date="", sex="")
    decide(Reassign(other), study_of(hospital), user)
    for door in doors(get):
        assert "00100030" not in door and "00100040" not in door


def test_the_number_of_another_patients_order_does_not_go_along(
    hospital: Hospital, get: Get, user: User
) -> None:
    other = hospital.patient("P2", "DOE^JANE")
    request = Dataset()
    request.RequestedProcedureID, request.ScheduledProcedureStepID = "RPA17", "SPA17"
    study = matched(hospital, RequestAttributesSequence=[request])
    assert [door["00080050"] for door in doors(get)] == ["A17"] * 3
    decide(Reassign(other), study, user)
    assert all(door["00100020"] == "P2" and "00080050" not in door for door in doors(get))
    (model,) = json.loads(body(get(f"{INSTANCE}/metadata")))
    sent = dcmread(BytesIO(body(get(INSTANCE, ONE))))
    assert not model["00400275"].get("Value") and not sent.RequestAttributesSequence
    (series,) = json.loads(body(get("studies/1.2.3/series")))
    assert not series.get("00400275", {}).get("Value")
    kept = sent.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert (kept.AccessionNumber, kept.RequestAttributesSequence[0].RequestedProcedureID) == ("A17", "RPA17")
    with transaction.atomic():
        undo(exception=study.exception, reason="no", by=acting(user))
    assert body(get(INSTANCE, ONE)) == stored()


def test_a_link_to_another_patients_order_replaces_the_requests(
    hospital: Hospital, get: Get, user: User
) -> None:
    hospital.order("B99", hospital.patient("P2", "DOE^JANE"))
    step = ScheduledProcedureStep.objects.get()
    request = Dataset()
    request.RequestedProcedureID, request.ScheduledProcedureStepID = "RPA17", "SPA17"
    decide(Link(step), matched(hospital, RequestAttributesSequence=[request]), user)
    assert [(door["00100020"], door["00080050"]) for door in doors(get)] == [("P2", "B99")] * 3
    (model,) = json.loads(body(get(f"{INSTANCE}/metadata")))
    (sent,) = dcmread(BytesIO(body(get(INSTANCE, ONE)))).RequestAttributesSequence
    assert sent.RequestedProcedureID == "RPB99"
    assert model["00400275"]["Value"][0]["00401001"]["Value"] == ["RPB99"]


def test_a_link_says_the_order_too(hospital: Hospital, get: Get, user: User) -> None:
    hospital.order("B99", hospital.patient("P2", "DOE^JANE"))
    step = ScheduledProcedureStep.objects.get()
    study = study_of(hospital)
    decide(Link(step), study, user)
    assert [(door["00100020"], door["00080050"]) for door in doors(get)] == [("P2", "B99")] * 3
    (request,) = dcmread(BytesIO(body(get(INSTANCE, ONE)))).RequestAttributesSequence
    assert (request.ScheduledProcedureStepID, request.RequestedProcedureID) == ("SPB99", "RPB99")
    (series,) = json.loads(body(get("studies/1.2.3/series")))
    assert series["00400275"]["Value"][0]["00400009"]["Value"] == ["SPB99"]


def matched(hospital: Hospital, **attributes: Any) -> Study:
    hospital.order("A17", hospital.patient(), study_instance_uid="1.2.3")
    return study_of(hospital, **attributes)


def test_a_match_whose_header_agrees_goes_out_as_it_came(hospital: Hospital, get: Get) -> None:
    assert matched(hospital, PatientName="Bars^Anna^", IssuerOfPatientID=None).verdict == "matched"
    assert body(get(INSTANCE, ONE)) == stored()


def test_a_match_that_took_a_correction_goes_out_corrected(hospital: Hospital, get: Get) -> None:
    study = matched(hospital, PatientName="BARS^ANNE", PatientSex="")
    assert study.verdict == "corrected"
    assert [door["00100010"] for door in doors(get)] == [{"Alphabetic": "BARS^ANNA"}] * 3
    sent = dcmread(BytesIO(body(get(INSTANCE, ONE))))
    assert sent.OriginalAttributesSequence[0].ReasonForTheAttributeModification == "COERCE"
    SiteSection.objects.update_or_create(name="archive", defaults={"content": {"amend": "never"}})
    assert body(get(INSTANCE, ONE)) == stored()


def test_a_change_of_the_record_shows_at_every_door(hospital: Hospital, get: Get) -> None:
    study = matched(hospital)
    assert study.verdict == "matched"
    hospital.patient("P7", "BARS-KLEIN^ANNA")
    hospital.merge("P1", "P7")
    named = {"00100010": {"Alphabetic": "BARS-KLEIN^ANNA"}, "00100020": "P7"}
    for door in doors(get):
        assert named.items() <= door.items()
    SiteSection.objects.update_or_create(name="archive", defaults={"content": {"amend": "decisions"}})
    assert body(get(INSTANCE, ONE)) == stored()
    assert get("studies?PatientID=P1").status_code == get("studies?PatientID=P7").status_code == 200


def test_a_suspect_that_nobody_decided_on_goes_out_as_it_came(hospital: Hospital, get: Get) -> None:
    hospital.order(
        "A17", hospital.patient("P2", "DOE^JANE", birth_date="19501111"), study_instance_uid="1.2.3"
    )
    study = study_of(hospital)
    assert study.verdict == "mismatch"
    Study.objects.update(patient=Patient.objects.get(value="P2"))  # as while it is being read
    assert body(get(INSTANCE, ONE)) == stored()
