"""`/patients`."""

from typing import Any

import pytest

from ledger.models import AuditEvent
from tests.archive.hospital import Hospital
from tests.web.rest.conftest import Api

pytestmark = pytest.mark.django_db


def test_a_patient_is_found_by_identifier(hospital: Hospital, api: Api) -> None:
    row = hospital.patient("4711", "MÜLLER^JÖRG")
    hospital.patient("4712")
    found = api.get("/patients", identifier="4711")
    assert found == {
        "count": 1,
        "results": [
            {
                "id": row.public_id,
                "name": "MÜLLER^JÖRG",
                "birth_date": "1970-01-02",
                "sex": "F",
                "identifiers": [{"value": "4711", "authority": "GENHOSP", "type": "MR"}],
                "merged_into": None,
            }
        ],
    }
    assert api.get(f"/patients/{row.public_id}") == found["results"][0]
    assert api.get("/patients", identifier="4711^^^GENHOSP")["count"] == 1
    assert api.get("/patients", identifier="4711^^^ELSEWHERE")["count"] == 0


def test_a_merged_record_says_into_which_and_both_show_all_identifiers(hospital: Hospital, api: Api) -> None:
    old, new = hospital.patient("OLD"), hospital.patient("NEW")
    hospital.merge("OLD", "NEW")
    (retired,) = api.get("/patients", identifier="OLD")["results"]
    assert (retired["id"], retired["merged_into"]) == (old.public_id, new.public_id)
    (survivor,) = api.get("/patients", identifier="NEW")["results"]
    assert survivor["merged_into"] is None
    values = [identifier["value"] for identifier in survivor["identifiers"]]
    assert values == ["NEW", "OLD"] == [i["value"] for i in retired["identifiers"]]
    listed = api.get("/patients")["results"]
    assert [patient["id"] for patient in listed] == [new.public_id], "others are not replaced"


@pytest.mark.parametrize(
    ("name", "count"),
    [("mül", 1), ("Müller^J", 1), ("müller,jörg", 1), ("Jörg", 0), ("*jörg", 1), ("山田", 1), ("m?ller*", 1)],
)
def test_a_name_is_found_in_any_script_whatever_its_case(
    hospital: Hospital, api: Api, name: str, count: int
) -> None:
    hospital.patient("1", "MÜLLER^JÖRG")
    hospital.patient("2", "YAMADA^TAROU=山田^太郎")
    assert api.get("/patients", name=name)["count"] == count


@pytest.mark.parametrize(
    ("birth_date", "shown"), [("1970", "1970"), ("197001", "1970-01"), ("", ""), ("19700102", "1970-01-02")]
)
def test_a_birth_date_is_shown_as_far_as_it_is_known(
    hospital: Hospital, api: Api, birth_date: str, shown: str
) -> None:
    hospital.patient("1", birth_date=birth_date)
    assert api.get("/patients", identifier="1")["results"][0]["birth_date"] == shown


@pytest.mark.once
def test_a_list_of_fifty_takes_as_many_queries_as_one_of_two(
    hospital: Hospital, api: Api, django_assert_max_num_queries: Any
) -> None:
    for number in range(50):
        hospital.patient(f"P{number}")
        hospital.patient(f"Q{number}")
        hospital.merge(f"Q{number}", f"P{number}")
    api.get("/patients", limit=500)  # so that reading them is in the audit trail
    with django_assert_max_num_queries(4):
        found = api.get("/patients")
    assert (found["count"], len(found["results"])) == (50, 50)


def test_paging(hospital: Hospital, api: Api) -> None:
    rows = [hospital.patient(f"P{number}").public_id for number in range(5)]
    pages = [api.get("/patients", limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert [page["count"] for page in pages] == [5] * 4
    assert [patient["id"] for page in pages for patient in page["results"]] == rows[::-1]
    for wrong in ({"limit": 0}, {"limit": 501}, {"offset": -1}, {"offset": 10**30}, {"limit": "x"}):
        problem = api.get("/patients", 422, **wrong)
        assert [error["field"] for error in problem["errors"]] == list(wrong)


def test_reading_is_audited_once_an_hour_for_each_person_and_patient(hospital: Hospital, api: Api) -> None:
    row = hospital.patient("1")
    for _ in range(3):
        api.get("/patients")
        api.get(f"/patients/{row.public_id}")
    (event,) = AuditEvent.objects.all()
    assert (event.code, event.action, event.actor, event.outcome) == ("110110", "R", "anna", 0)
    assert event.objects_named == [{"type": "patient", "id": row.public_id}]
    other = hospital.patient("2")
    api.get("/patients")
    newest = AuditEvent.objects.latest("id")
    assert newest.objects_named == [{"type": "patient", "id": other.public_id}]


@pytest.mark.parametrize("odd", ["0" * 32, "x", "%00", "é", "a" * 1000, "%0a"])
def test_what_names_nobody_is_404(hospital: Hospital, api: Api, odd: str) -> None:
    api.get(f"/patients/{odd}", 404)


def test_nul_is_refused(hospital: Hospital, api: Api) -> None:
    problem = api.get("/patients", 422, name="\0")
    assert problem["errors"][0]["field"] == "name"
