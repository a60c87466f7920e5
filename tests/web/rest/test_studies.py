"""`/studies`."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import SiteSection
from archive.models import Study
from archive.storage.intake import Resent
from ledger import jobs
from ledger.models import AuditEvent, Job
from tests.archive.conftest import home
from tests.archive.dataset.builders import encoded, image
from tests.archive.hospital import Hospital
from tests.archive.objects import indexed, received, take
from tests.archive.rejections.test_received_notes import ANNA, FIRST, arrive, noted
from tests.archive.rejections.test_received_notes import image as image_of
from tests.web.rest.conftest import Api

__all__ = ["home"]
pytestmark = pytest.mark.django_db


def test_a_matched_study_shows_its_patient_and_orders(hospital: Hospital, api: Api) -> None:
    patient = hospital.patient()
    order = hospital.order("A1", patient)
    row = hospital.study("A1", series_count=1, instance_count=3)
    (study,) = api.get("/studies", study_instance_uid=row.study_instance_uid)["results"]
    read = api.get(f"/studies/{row.study_instance_uid}")
    assert [one["what"] for one in read.pop("history")] == ["matched"] and read.pop("revision") == 0
    assert (read.pop("hidden"), read.pop("rejections")) == ("", [])
    assert study == read
    assert {name: study[name] for name in ("id", "accession_number", "modalities", "verdict")} == {
        "id": row.public_id,
        "accession_number": "A1",
        "modalities": ["CT"],
        "verdict": "matched",
    }
    assert (study["series_count"], study["instance_count"], study["availability"]) == (1, 3, "ONLINE")
    assert (study["reading_status"], study["patient_source"]) == ("ready", "record")
    assert study["patient"]["id"] == patient.public_id
    assert study["orders"] == [{"id": order.public_id, "accession_number": "A1", "status": "completed"}]


def test_an_unmatched_study_shows_what_its_header_says_and_says_so(hospital: Hospital, api: Api) -> None:
    row = hospital.study("", "X1", "NOBODY^NORA")
    study = api.get(f"/studies/{row.study_instance_uid}")
    assert (study["verdict"], study["patient_source"], study["orders"]) == ("unscheduled", "header", [])
    assert study["patient"] == {
        "id": None,
        "name": "NOBODY^NORA",
        "birth_date": "1970-01-02",
        "sex": "F",
        "identifiers": [{"value": "X1", "authority": "GENHOSP", "type": ""}],
        "merged_into": None,
    }


def test_studies_are_found_by_each_filter(hospital: Hospital, api: Api) -> None:
    hospital.order("A1", hospital.patient("P1"))
    hospital.study("A1")
    hospital.study("", "X1", "NOBODY^NORA")
    hospital.patient("OLD")
    hospital.merge("OLD", "P1")

    def found(**query: str) -> list[str]:
        return [study["verdict"] for study in api.get("/studies", **query)["results"]]

    assert found() == ["unscheduled", "matched"]
    assert found(verdict="unscheduled") == ["unscheduled"]
    assert found(accession_number="A1") == ["matched"]
    assert found(patient_identifier="X1") == ["unscheduled"]
    assert found(patient_identifier="OLD") == found(patient_identifier="P1^^^GENHOSP") == ["matched"]
    assert found(reading_status="ready") == ["unscheduled", "matched"] and found(reading_status="final") == []
    api.get("/studies", 422, verdict="maybe")


@pytest.mark.parametrize("odd", ["1.2.3.999", "*", "1.2.3.%2A", "%27"])
def test_a_uid_that_names_nothing_is_404(hospital: Hospital, api: Api, odd: str) -> None:
    hospital.study("A1")
    api.get(f"/studies/{odd}", 404)


def test_reading_studies_is_audited(hospital: Hospital, api: Api) -> None:
    row = hospital.study("", "X1")
    api.get("/studies")
    api.get(f"/studies/{row.study_instance_uid}")
    (event,) = AuditEvent.objects.filter(code="110103")
    assert event.objects_named == [{"type": "study", "id": row.study_instance_uid}] and event.action == "R"


@pytest.mark.once
def test_a_list_of_fifty_takes_as_many_queries_as_one_of_two(
    hospital: Hospital, api: Api, django_assert_max_num_queries: Any
) -> None:
    for number in range(50):
        hospital.order(f"A{number}", hospital.patient(f"P{number}"))
        hospital.study(f"A{number}", f"P{number}")
    api.get("/studies")
    with django_assert_max_num_queries(7):
        found = api.get("/studies")
    assert (found["count"], len(found["results"])) == (50, 50)
    assert all(study["orders"] and study["patient"]["id"] for study in found["results"])


@pytest.mark.usefixtures("home")
def test_what_was_sent_again_is_listed_with_what_differs(hospital: Hospital, api: Api) -> None:
    received(SOPInstanceUID="1.1.1")
    indexed()
    (study,) = api.get("/studies")["results"]
    path = f"/studies/{study['study_instance_uid']}/versions"
    assert api.get(path) == {"count": 0, "results": []}
    again = image(SOPInstanceUID="1.1.1", PatientID="P2", PatientName="<b>x")
    assert take(encoded(again), instance="1.1.1") == Resent()
    listed = api.get(path)
    (version,) = listed["results"]
    assert (listed["count"], version["number"], version["state"]) == (1, 2, "waiting")
    assert (version["calling_ae_title"], version["is_current"]) == ("CT1", False)
    assert [(one["name"], one["before"], one["after"]) for one in version["differences"]] == [
        ("Patient's Name", "Müller^Jörg=山田^太郎=やまだ^たろう", "<b>x"),
        ("Patient ID", "P1", "P2"),
    ]


@pytest.mark.usefixtures("home")
def test_a_study_says_what_is_rejected_of_it_and_by_which_id_that_comes_back(
    hospital: Hospital, api: Api
) -> None:
    arrive(image_of(1), image_of(2), image_of(3))
    study = hospital.judged(Study.objects.get())
    arrive(noted(FIRST))
    path = f"/studies/{study.study_instance_uid}"
    api.post(
        f"{path}/decisions",
        {
            "action": "reject_images",
            "images": ["1.1.2"],
            "code": "113001",
            "reason": "blurred",
            "revision": 0,
        },
    )
    note, decision = api.get(path)["rejections"]
    assert (note["state"], note["source"], note["count"], note["images"]) == ("in_force", "CT1", 1, ["1.1.1"])
    assert (note["decision"], decision["note"], decision["images"]) == (None, None, ["1.1.2"])
    body = {"action": "restore_images", "note": note["note"], "reason": "the wrong one", "revision": 1}
    restored = api.post(f"{path}/decisions", body)
    assert [one["images"] for one in api.get(path)["rejections"]] == [["1.1.2"]]
    newest = restored["history"][-1]["id"]
    api.post(f"/decisions/{newest}/undo", {"reason": "no", "revision": 2})
    assert api.get(path)["rejections"] == [note, decision]


@pytest.mark.usefixtures("home")
def test_an_exception_of_what_was_sent_again_says_what_differs(hospital: Hospital, api: Api) -> None:
    SiteSection.objects.update(content={"resend": "exception"})
    hospital.order("A1", hospital.patient())
    arrive(image_of(1), image_of(2))
    study = hospital.judged(Study.objects.get())
    for number in (1, 2):
        again = image(**{**ANNA, "SOPInstanceUID": f"1.1.{number}", "PatientID": "P7"})
        assert take(encoded(again), instance=f"1.1.{number}") == Resent()
    assert jobs.run(Job.objects.get(kind="archive.resent").pk)
    hospital.done(study)
    exception = api.get("/exceptions", kind="resent")["results"][0]
    (change,) = api.get(f"/exceptions/{exception['id']}")["changes"]
    assert change["kind"] == "resent" and "2 objects" in change["text"] and "CT1" in change["text"]
    found = {one["keyword"]: (one["before"], one["after"]) for one in change["differences"]}
    assert found["PatientID"] == ("P1", "P7")


@pytest.mark.usefixtures("home")
def test_rest_and_qido_count_what_is_served_by_one_rule(hospital: Hospital, api: Api) -> None:
    """NumberOfStudyRelatedInstances is as many as a search for them finds (PS3.4 C.3.4)."""
    arrive(image_of(1), image_of(2), image_of(3, "1.2.3.2"))
    study = hospital.judged(Study.objects.get())
    path = f"/studies/{study.study_instance_uid}"
    browser = Client()
    browser.force_login(api.user)

    def counted() -> list[tuple[int, int]]:
        shown, (listed,) = api.get(path), api.get("/studies")["results"]
        (found,) = browser.get(f"/dicom-web/studies?StudyInstanceUID={study.study_instance_uid}").json()
        parts = [browser.get(f"/dicom-web{path}/{one}").json() for one in ("series", "instances")]
        return [
            (shown["series_count"], shown["instance_count"]),
            (listed["series_count"], listed["instance_count"]),
            (found["00201206"]["Value"][0], found["00201208"]["Value"][0]),
            (len(parts[0]), len(parts[1])),
        ]

    assert set(counted()) == {(2, 3)}
    body = {"action": "reject_images", "images": ["1.1.2"], "code": "113001", "reason": "blurred"}
    decided = api.post(f"{path}/decisions", body)
    assert jobs.run(Job.objects.get(kind="archive.rejection_note").pk)
    indexed()
    assert set(counted()) == {(3, 3)}, "one image less, and the note on it"
    api.post(f"/decisions/{decided['history'][-1]['id']}/undo", {"reason": "no", "revision": 1})
    assert set(counted()) == {(2, 3)}
