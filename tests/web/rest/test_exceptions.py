"""`/exceptions`: evidence, decisions and their undoing."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import Facility
from archive.models import Study, StudyException
from ledger.models import AuditEvent
from tests.archive.hospital import Hospital
from tests.web.pages.world import make_study
from tests.web.rest.conftest import Api
from worklist.models import Order

pytestmark = pytest.mark.django_db


@pytest.fixture
def mismatch(hospital: Hospital) -> Study:
    """Anna's images under Rita's order."""
    hospital.patient()
    hospital.order("A1", hospital.patient("P2", "REAL^RITA", birth_date="19350517"))
    return hospital.study("A1")


@pytest.fixture
def path(mismatch: Study) -> str:
    return f"/exceptions/{StudyException.objects.get(study=mismatch).public_id}"


def step() -> str:
    return Order.objects.get(accession_number="A1").procedures.get().steps.get().public_id


def test_an_exception_shows_evidence_and_candidates(mismatch: Study, api: Api, path: str) -> None:
    (listed,) = api.get("/exceptions", status="open")["results"]
    assert (listed["study_instance_uid"], listed["verdict"]) == (mismatch.study_instance_uid, "mismatch")
    assert (listed["status"], listed["resolution"], listed["revision"]) == ("open", "", 0)
    contradicted = {finding["field"] for finding in listed["findings"] if finding["agreement"] == 0}
    assert "birth_date" in contradicted
    candidate = listed["candidates"][0]
    assert candidate["scheduled_procedure_step_id"] == "SPA1" and candidate["accession_number"] == "A1"
    assert candidate["patient"]["name"] == "REAL^RITA"
    assert candidate["patient"]["birth_date"] == "1935-05-17"
    assert 0 <= candidate["score"] <= 1 and candidate["step"] == step() and candidate["findings"]
    detail = api.get(path)
    reason = "accession number A1 names an order of another patient"
    history = detail.pop("history")
    assert [(line["kind"], line["what"], line["reason"]) for line in history] == [
        ("verdict", "mismatch", reason)
    ]
    assert listed["reason"] == reason
    assert detail.pop("changes") == []
    assert detail == listed


def test_the_page_and_the_api_list_in_one_order(api: Api, facility: Facility) -> None:
    """What is due first comes first, of ties what was opened first, in parts of any size."""
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    for number in range(60):
        study = make_study(facility, number)
        due = noon + timedelta(minutes=number * 7 % 5)
        StudyException.objects.filter(study=study).update(
            due_at=due, opened_at=noon - timedelta(minutes=number * 11 % 7)
        )
    rows = StudyException.objects.order_by("due_at", "id").values_list("public_id", flat=True)
    by_api: list[str] = []
    while part := api.get("/exceptions", limit=7, offset=len(by_api))["results"]:
        by_api += [one["id"] for one in part]
    assert by_api == list(rows)
    browser = Client()
    browser.force_login(api.user)
    pages = [browser.get("/exceptions", {"page": number}).content.decode() for number in (1, 2)]
    found = re.findall(r'href="/exceptions/([0-9a-f]{32})"', "".join(pages))
    assert list(dict.fromkeys(found)) == by_api


def test_a_link_resolves_and_its_undo_opens_again(mismatch: Study, api: Api, path: str) -> None:
    body = {"action": "link", "reason": "checked with the ward", "scheduled_procedure_step": step()}
    resolved = api.post(f"{path}/resolve", body)
    assert (resolved["status"], resolved["resolution"], resolved["verdict"]) == (
        "resolved",
        "link",
        "mismatch",
    )
    assert api.get("/exceptions", status="open")["count"] == 0
    assert api.get("/exceptions", status="resolved")["count"] == 1 == api.get("/exceptions")["count"]
    assert api.get(f"/studies/{mismatch.study_instance_uid}")["patient"]["name"] == "REAL^RITA"
    undone = api.post(f"{path}/undo", {"reason": "it was the other patient"})
    assert (undone["status"], undone["resolution"]) == ("open", "")
    told = [(line["kind"], line["what"], line["by"], line["reason"]) for line in undone["history"]]
    assert told == [
        ("verdict", "mismatch", "", "accession number A1 names an order of another patient"),
        ("decision", "link", "Anna", "checked with the ward"),
        ("undo", "link", "Anna", "it was the other patient"),
    ]
    assert undone["history"][1]["parameters"] == {"scheduled_procedure_step": step()}
    assert api.get(f"/studies/{mismatch.study_instance_uid}")["patient_source"] == "header"
    assert AuditEvent.objects.filter(code="110103", action="U").count() == 2


def test_of_two_who_decide_the_second_is_told_who_was_first(api: Api, path: str) -> None:
    api.post(f"{path}/resolve", {"action": "accept", "reason": "brought on a disc"})
    problem = api.post(f"{path}/resolve", {"action": "accept", "reason": "me too"}, 409)
    assert "accept by Anna" in problem["detail"]
    again = {"action": "link", "reason": "seen both", "scheduled_procedure_step": step(), "revision": 1}
    assert api.post(f"{path}/resolve", again)["resolution"] == "link"
    assert api.post(f"{path}/resolve", again, 409)["errors"][0]["field"] == "revision"


def test_reassign_and_create_order(hospital: Hospital, api: Api, path: str) -> None:
    anna = api.get("/patients", identifier="P1")["results"][0]["id"]
    resolved = api.post(f"{path}/resolve", {"action": "reassign", "reason": "it is Anna", "patient": anna})
    assert resolved["resolution"] == "reassign"
    api.post(f"{path}/undo", {"reason": "no"})
    resolved = api.post(
        f"{path}/resolve", {"action": "create_order", "reason": "emergency", "procedure_code": "71260"}
    )
    assert resolved["resolution"] == "create_order"
    assert api.get("/orders", patient_identifier="P1")["count"] == 1


def test_a_preview_says_the_effects_and_changes_nothing(mismatch: Study, api: Api, path: str) -> None:
    before = api.get(path)
    body = {"action": "link", "reason": "", "scheduled_procedure_step": step()}
    effects = {effect["about"]: effect for effect in api.post(f"{path}/preview", body)["effects"]}
    assert effects["patient"]["after"] == "REAL, RITA (P2^^^GENHOSP)"
    assert "order A1" in effects["procedures"]["after"] and "Undo brings back" in effects["undo"]["text"]
    assert api.get(path) == before
    api.post(f"{path}/preview", {"action": "reject", "reason": "", "code": "1"}, 422)
    api.post(f"{path}/resolve", {"action": "accept", "reason": "seen"})
    assert "accept by Anna" in api.post(f"{path}/preview", body, 409)["detail"]


def test_a_rejected_study_is_among_the_exceptions_only(mismatch: Study, api: Api, path: str) -> None:
    body = {"action": "reject", "reason": "moved during the scan", "code": "113001"}
    assert api.post(f"{path}/resolve", body)["resolution"] == "reject"
    assert api.get("/studies")["count"] == 0
    assert api.get("/exceptions")["count"] == 1
    study = api.get(f"/studies/{mismatch.study_instance_uid}")
    assert (study["hidden"], study["history"][-1]["what"]) == ("rejected", "reject")
    api.post(f"{path}/undo", {"reason": "it is good enough"})
    assert api.get("/studies")["count"] == 1


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"action": "link", "reason": "x"}, 422, "scheduled_procedure_step"),
        (
            {"action": "link", "reason": "x", "scheduled_procedure_step": "0" * 32},
            422,
            "scheduled_procedure_step",
        ),
        ({"action": "reassign", "reason": "x"}, 422, "patient"),
        ({"action": "reassign", "reason": "x", "patient": "nobody"}, 422, "patient"),
        ({"action": "create_order", "reason": "x"}, 422, "procedure_code"),
        ({"action": "create_order", "reason": "x", "procedure_code": "0"}, 422, "procedure_code"),
        ({"action": "accept", "reason": " "}, 422, "reason"),
        ({"action": "accept", "reason": "x" * 501}, 422, "reason"),
        ({"action": "accept"}, 422, "reason"),
        ({"action": "shred", "reason": "x"}, 422, "action"),
        ({"action": "accept", "reason": "x", "verdict": "matched"}, 422, "verdict"),
        ({"action": "split", "reason": "x"}, 422, "series"),
        ({"action": "split", "reason": "x", "series": ["1.2"]}, 422, "series"),
        ({"action": "reject", "reason": "x"}, 422, "code"),
        ({"action": "reject", "reason": "x", "code": "113039"}, 422, "code"),
    ],
)
def test_what_can_not_be_decided_says_why_and_changes_nothing(
    api: Api, path: str, body: dict[str, Any], status: int, field: str
) -> None:
    problem = api.post(f"{path}/resolve", body, status)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert api.get(path)["status"] == "open"


def test_there_has_to_be_something_to_undo(api: Api, path: str) -> None:
    api.post(f"{path}/undo", {"reason": "x"}, 409)


def test_a_decision_that_was_not_seen_is_not_undone(api: Api, path: str) -> None:
    seen = api.post(f"{path}/resolve", {"action": "accept", "reason": "brought on a disc"})["revision"]
    link = {"action": "link", "reason": "seen both", "scheduled_procedure_step": step(), "revision": seen}
    newest = api.post(f"{path}/resolve", link)["revision"]
    problem = api.post(f"{path}/undo", {"reason": "no disc", "revision": seen}, 409)
    assert problem["errors"][0]["field"] == "revision" and "link by Anna" in problem["detail"]
    assert api.get(path)["resolution"] == "link"
    undone = api.post(f"{path}/undo", {"reason": "no", "revision": newest})
    assert (undone["resolution"], undone["revision"]) == ("accept", newest + 1)


def test_one_that_went_away_by_itself_is_listed_only_when_asked_for(hospital: Hospital, api: Api) -> None:
    study = hospital.study("A9", "P9", "LATE^LARS")
    assert api.get("/exceptions")["count"] == 1
    hospital.order("A9", hospital.patient("P9", "LATE^LARS"))
    assert hospital.judged(study).verdict in ("matched", "late_order")
    row = StudyException.objects.get(study=study)
    if row.status == "closed":
        assert api.get("/exceptions")["count"] == 0
        assert api.get("/exceptions", status="closed")["count"] == 1


@pytest.mark.once
def test_a_list_of_fifty_takes_as_many_queries_as_one_of_two(
    hospital: Hospital, api: Api, django_assert_max_num_queries: Any
) -> None:
    for number in range(50):
        hospital.study("", f"X{number}", f"NOBODY^NO{number}")
    api.get("/exceptions")
    with django_assert_max_num_queries(6):
        found = api.get("/exceptions")
    assert (found["count"], len(found["results"])) == (50, 50)
