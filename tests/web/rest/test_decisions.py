"""`/studies/{uid}/decisions` and `/decisions/{id}/…`: any study is decided on, undone, confirmed."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from accounts.models import Role, User
from archive.models import Study, StudyException
from ledger.models import AuditEvent, Event
from tests.archive.hospital import Hospital
from tests.web.rest.conftest import Api
from worklist.models import Order, Patient, ScheduledProcedureStep

pytestmark = pytest.mark.django_db
Employ = Callable[..., User]


@pytest.fixture
def matched(hospital: Hospital) -> Study:
    """Anna's order was picked for Rita's images: all is consistent, and wrong."""
    hospital.patient("P2", "REAL^RITA")
    hospital.order("A1", hospital.patient())
    return hospital.study("A1")


@pytest.fixture
def other() -> Patient:
    return Patient.objects.get(value="P2")


def reassign(patient: Patient) -> dict[str, str]:
    return {"action": "reassign", "reason": "wrong entry picked", "patient": patient.public_id}


def test_a_matched_study_is_given_to_another_patient_and_back(
    matched: Study, other: Patient, api: Api
) -> None:
    path = f"/studies/{matched.study_instance_uid}"
    effects = api.post(f"{path}/decisions/preview", reassign(other))["effects"]
    assert any(one["about"] == "patient" and "REAL, RITA" in one["after"] for one in effects)
    assert api.get(path)["patient"]["name"] == "BARS^ANNA"
    exception = api.post(f"{path}/decisions", reassign(other))
    assert (exception["status"], exception["resolution"], exception["verdict"]) == (
        "resolved",
        "reassign",
        "matched",
    )
    study = api.get(path)
    assert (study["patient"]["name"], study["orders"], study["revision"]) == ("REAL^RITA", [], 1)
    assert study["history"] == exception["history"]
    (key,) = {one["id"] for one in study["history"] if one["kind"] == "decision"}
    api.post(f"{path}/decisions", reassign(other), 409)
    undone = api.post(f"/decisions/{key}/undo", {"reason": "was right after all"})
    assert (undone["status"], undone["history"][-1]["id"]) == ("none", key)
    study = api.get(path)
    assert study["patient"]["name"] == "BARS^ANNA" and len(study["orders"]) == 1
    api.post(f"/decisions/{key}/undo", {"reason": "again"}, 409)
    api.post(f"{path}/decisions", reassign(other))


def test_any_of_the_closed_set_is_decided_on_any_study(matched: Study, api: Api) -> None:
    path = f"/studies/{matched.study_instance_uid}"
    step = Order.objects.get().procedures.get().steps.get().public_id
    for body in (
        {"action": "link", "scheduled_procedure_step": step},
        {"action": "correct"},
        {"action": "reject", "code": "113001"},
        {"action": "accept"},
    ):
        history = api.post(f"{path}/decisions", {**body, "reason": "why"})["history"]
        api.post(f"/decisions/{history[-1]['id']}/undo", {"reason": "not so"})
        assert api.get(path)["patient"]["name"] == "BARS^ANNA"
    api.post("/studies/1.2.999/decisions", {"action": "accept", "reason": "x"}, 404)
    api.post("/decisions/nix/undo", {"reason": "x"}, 404)


def test_under_a_signed_report_a_second_person_confirms(
    matched: Study, other: Patient, api: Api, employ: Employ
) -> None:
    Study.objects.update(reading_status="final")
    path = f"/studies/{matched.study_instance_uid}"
    waits = api.post(f"{path}/decisions", reassign(other))
    assert (waits["status"], waits["history"][-1]["kind"]) == ("open", "waiting")
    key = waits["history"][-1]["id"]
    assert api.get(path)["patient"]["name"] == "BARS^ANNA"
    api.post(f"{path}/decisions", {"action": "accept", "reason": "x"}, 409)
    api.post(f"/decisions/{key}/confirm", {"reason": "mine"}, 409)
    berta = Api(employ("berta", Role.RADIOLOGIST))
    AuditEvent.objects.all().delete()
    done = berta.post(f"/decisions/{key}/confirm", {"reason": "I saw both"})
    assert done["history"][-1]["by"] == "Anna, confirmed by berta"
    assert AuditEvent.objects.get(action="U").actor == "berta"
    assert api.get(path)["patient"]["name"] == "REAL^RITA"
    berta.post(f"/decisions/{key}/confirm", {"reason": "twice"}, 409)

    decision = done["history"][-1]["id"]
    Study.objects.update(reading_status="final")
    asked = api.post(f"/decisions/{decision}/undo", {"reason": "no, it was Anna"})
    assert asked["history"][-1]["kind"] == "waiting" and api.get(path)["patient"]["name"] == "REAL^RITA"
    berta.post(f"/decisions/{asked['history'][-1]['id']}/confirm", {"reason": "right"})
    assert api.get(path)["patient"]["name"] == "BARS^ANNA"


def test_what_is_declined_leaves_all_as_it_was(
    matched: Study, other: Patient, api: Api, employ: Employ
) -> None:
    Study.objects.update(reading_status="final")
    path = f"/studies/{matched.study_instance_uid}"
    key = api.post(f"{path}/decisions", reassign(other))["history"][-1]["id"]
    berta = Api(employ("berta", Role.TECHNOLOGIST))
    declined = berta.post(f"/decisions/{key}/decline", {"reason": "it is Anna"})
    assert (declined["status"], declined["history"][-1]["kind"]) == ("none", "declined")
    assert api.get(path)["patient"]["name"] == "BARS^ANNA"
    assert Event.objects.filter(kind="study.decision.declined", actor="berta").exists()
    api.post(f"/decisions/{key}/decline", {"reason": "late"}, 409)


def test_deciding_is_for_those_who_may(matched: Study, other: Patient, employ: Employ) -> None:
    manager = Api(employ("mara", Role.MANAGER))
    manager.post(f"/studies/{matched.study_instance_uid}/decisions", reassign(other), 403)
    for act in ("undo", "confirm", "decline"):
        manager.post(f"/decisions/{'0' * 32}/{act}", {"reason": "x"}, 403)


def test_a_refusal_names_the_decision_to_undo(matched: Study, other: Patient, api: Api) -> None:
    path = f"/studies/{matched.study_instance_uid}"
    key = api.post(f"{path}/decisions", reassign(other))["history"][-1]["id"]
    named = {"id": key, "undo": f"/api/v1/decisions/{key}/undo"}
    assert api.post(f"{path}/decisions", reassign(other), 409)["decision"] == named
    undone = api.post(named["undo"].removeprefix("/api/v1"), {"reason": "not so"})
    reject = {"action": "reject", "code": "113001", "reason": "blurred", "revision": undone["revision"]}
    rejected = api.post(f"{path}/decisions", reject)
    key = rejected["history"][-1]["id"]
    refused = api.post(f"{path}/decisions", {**reassign(other), "revision": rejected["revision"]}, 409)
    assert refused["decision"]["id"] == key and "undo that first" in refused["detail"]
    study = api.get(path)
    assert (study["hidden"], study["history"][-1]["id"]) == ("rejected", key)
    assert api.get("/studies")["count"] == 0


def test_a_link_takes_a_list(matched: Study, api: Api, hospital: Hospital) -> None:
    hospital.order("A2", Patient.objects.get(value="P1"))
    steps = [one.public_id for one in ScheduledProcedureStep.objects.order_by("pk")]
    path = f"/studies/{matched.study_instance_uid}"
    body = {"action": "link", "reason": "an add-on", "scheduled_procedure_steps": steps}
    assert api.post(f"{path}/decisions/preview", body)["effects"]
    key = api.post(f"{path}/decisions", body)["history"][-1]["id"]
    assert [one["accession_number"] for one in api.get(path)["orders"]] == ["A1", "A2"]
    api.post(f"/decisions/{key}/undo", {"reason": "was one"})
    assert [one["accession_number"] for one in api.get(path)["orders"]] == ["A1"]


@pytest.mark.parametrize(("priority", "minutes"), [("STAT", 15), ("", 240)])
def test_what_waits_for_a_second_person_is_due_as_the_order_is_urgent(
    matched: Study, other: Patient, api: Api, priority: str, minutes: int
) -> None:
    Order.objects.update(priority=priority)
    Study.objects.update(reading_status="final")
    path = f"/studies/{matched.study_instance_uid}"
    asked = api.post(f"{path}/decisions", reassign(other))
    row = StudyException.objects.get(study=matched)
    assert (row.status, row.due_at - row.opened_at) == ("open", timedelta(minutes=minutes))
    api.post(f"/decisions/{asked['history'][-1]['id']}/decline", {"reason": "no"})
    row.refresh_from_db()
    assert (row.status, row.due_at - row.opened_at) == ("none", timedelta(minutes=minutes))
