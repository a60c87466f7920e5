"""`/orders` and `/steps`."""

from typing import Any

import pytest

from ledger.models import AuditEvent, Event
from tests.archive.hospital import Hospital
from tests.web.rest.conftest import Api
from worklist.models import AssigningAuthority, Order, Patient, Station

pytestmark = pytest.mark.django_db

NEW = {
    "patient": {
        "identifier": {"value": "4711", "authority": "GENHOSP"},
        "name": "BARS^ANNA",
        "birth_date": "1970-01-02",
        "sex": "F",
    },
    "procedure_code": "71260",
    "start": "2026-03-02T09:30:00+01:00",
    "priority": "STAT",
    "reason": "cough",
}


@pytest.fixture(autouse=True)
def _authority(hospital: Hospital) -> None:
    AssigningAuthority.objects.create(namespace="GENHOSP")


def new(**patient: Any) -> dict[str, Any]:
    return {**NEW, "patient": {**NEW["patient"], **patient}}


def test_an_order_is_shown_with_all_that_belongs_to_it(hospital: Hospital, api: Api) -> None:
    row = hospital.order("A1", hospital.patient())
    (order,) = api.get("/orders", accession_number="A1")["results"]
    assert order["id"] == row.public_id
    assert (order["accession_number"], order["placer_order_number"]) == ("A1", "PLA1")
    assert (order["filler_order_number"], order["status"], order["priority"]) == ("", "scheduled", "ROUTINE")
    assert order["patient"]["identifiers"][0]["value"] == "P1"
    (procedure,) = order["procedures"]
    assert (procedure["requested_procedure_id"], procedure["code"]) == ("RPA1", "71260")
    assert procedure["study_instance_uid"].startswith("2.25.")
    (step,) = procedure["steps"]
    assert (step["scheduled_procedure_step_id"], step["modality"], step["status"]) == (
        "SPA1",
        "CT",
        "scheduled",
    )
    assert step["station_ae_title"] == "CT1" and step["start"].endswith("+00:00")
    assert api.get(f"/orders/{row.public_id}") == order


def test_orders_are_found_by_number_patient_and_status(hospital: Hospital, api: Api) -> None:
    anna, otto = hospital.patient("P1"), hospital.patient("P2", "OTHER^OTTO")
    hospital.order("A1", anna)
    hospital.order("A2", otto)
    hospital.patient("OLD")
    hospital.merge("OLD", "P1")

    def found(**query: str) -> list[str]:
        return [order["accession_number"] for order in api.get("/orders", **query)["results"]]

    assert found() == ["A2", "A1"]
    assert found(placer_order_number="PLA2") == ["A2"]
    assert found(patient_identifier="P1") == found(patient_identifier="OLD^^^GENHOSP") == ["A1"]
    assert found(patient_identifier="P1", accession_number="A2") == []
    api.post(f"/orders/{Order.objects.get(accession_number='A2').public_id}/cancel", {"reason": "twice"})
    assert found(status="cancelled") == ["A2"] and found(status="scheduled") == ["A1"]
    api.get("/orders", 422, status="lost")


def test_the_patient_of_an_order_is_the_one_that_replaced_its_own(hospital: Hospital, api: Api) -> None:
    hospital.order("A1", hospital.patient("OLD", "MAIDEN^ANNA"))
    survivor = hospital.patient("NEW", "BARS^ANNA")
    hospital.merge("OLD", "NEW")
    (order,) = api.get("/orders", patient_identifier="NEW")["results"]
    assert (order["patient"]["id"], order["patient"]["name"]) == (survivor.public_id, "BARS^ANNA")


def test_an_order_is_placed_for_a_new_patient(hospital: Hospital, api: Api) -> None:
    order = api.post("/orders", NEW, 201)
    assert (
        len(order["accession_number"]) == 10
        and not set("01IO") & set(order["accession_number"])
        and order["placer_order_number"]
    )
    assert (order["priority"], order["reason"], order["status"]) == ("STAT", "cough", "scheduled")
    assert order["patient"]["name"] == "BARS^ANNA" and order["patient"]["birth_date"] == "1970-01-02"
    (procedure,) = order["procedures"]
    assert procedure["description"] == "CT chest"
    (step,) = procedure["steps"]
    assert (step["modality"], step["start"]) == ("CT", "2026-03-02T08:30:00+00:00")
    assert Order.objects.get().procedures.get().steps.get().on_worklist
    assert Event.objects.filter(kind="order.stated", actor="Anna").exists()
    event = AuditEvent.objects.get(code="110109")
    assert (event.action, event.actor, event.address) == ("C", "anna", "127.0.0.1")
    assert event.objects_named[0] == {"type": "order", "id": order["id"]}


def test_an_order_for_a_known_patient_keeps_what_is_known_and_fills_what_is_not(
    hospital: Hospital, api: Api
) -> None:
    row = hospital.patient("4711", "BARS^ANNA", birth_date="", sex="F")
    order = api.post("/orders", new(name="Bars^Anna"), 201)
    assert order["patient"]["id"] == row.public_id
    row.refresh_from_db()
    assert (row.name, row.birth_date) == ("BARS^ANNA", "19700102")
    assert api.post("/orders", {**NEW, "patient": {"identifier": NEW["patient"]["identifier"]}}, 201)


def test_an_order_under_a_retired_number_shows_under_the_survivor(hospital: Hospital, api: Api) -> None:
    hospital.patient("4711", "MAIDEN^ANNA")
    survivor = hospital.patient("NEW", "BARS^ANNA")
    hospital.merge("4711", "NEW")
    assert api.post("/orders", NEW, 201)["patient"]["id"] == survivor.public_id


@pytest.mark.parametrize("wrong", [{"name": "OTHER^ANNA"}, {"birth_date": "1970-02-01"}, {"sex": "M"}])
def test_demographics_that_contradict_the_known_ones_may_mean_another_patient(
    hospital: Hospital, api: Api, wrong: dict[str, str]
) -> None:
    hospital.patient("4711")
    problem = api.post("/orders", new(**wrong), 409)
    assert [error["field"] for error in problem["errors"]] == [f"patient.{name}" for name in wrong]
    assert not Order.objects.exists() and Patient.objects.get().name == "BARS^ANNA"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"procedure_code": "00000"}, "procedure_code"),
        ({"procedure_code": ""}, "procedure_code"),
        ({"start": "2026-03-02T09:30:00"}, "start"),
        ({"start": "tomorrow"}, "start"),
        ({"priority": "now"}, "priority"),
        ({"reason": "x" * 1001}, "reason"),
        ({"reason": "a\0b"}, "reason"),
        ({"station_ae_title": "NOWHERE"}, "station_ae_title"),
        ({"is_superuser": True}, "is_superuser"),
        (new(birth_date="1970-13-01"), "patient.birth_date"),
        (new(birth_date="02.01.1970"), "patient.birth_date"),
        (new(sex="W"), "patient.sex"),
        (new(identifier={"value": "1", "authority": "NOWHERE"}), "patient.identifier"),
        (new(identifier={"value": "", "authority": "GENHOSP"}), "patient.identifier.value"),
        (new(identifier={"value": "1"}), "patient.identifier.authority"),
    ],
)
def test_what_is_not_valid_is_said_field_by_field(api: Api, change: dict[str, Any], field: str) -> None:
    problem = api.post("/orders", {**NEW, **change}, 422)
    assert field in [error["field"] for error in problem["errors"]]
    assert not Order.objects.exists() and not Patient.objects.exists(), "nothing was changed"


def test_who_has_no_identifier_gets_a_temporary_one(api: Api, hospital: Hospital) -> None:
    Station.objects.create(ae_title="CT2", modalities=["CT"])
    body = {"patient": {"name": "DOE^JOHN"}, "procedure_code": "71260", "station_ae_title": "CT2"}
    order = api.post("/orders", {**body, "priority": "STAT"}, 201)
    assert order["patient"]["name"] == "DOE^JOHN" and order["priority"] == "STAT"
    assert order["procedures"][0]["steps"][0]["station_ae_title"] == "CT2"
    one, other = Patient.objects.get(), api.post("/orders", {**body, "patient": {}}, 201)["patient"]
    assert (one.authority.namespace, one.value[0], len(one.value)) == ("TEMP", "T", 9)
    assert other["name"].startswith("UNKNOWN^T") and other["id"] != one.public_id


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b'{"patient": "\\ud800"'])
def test_what_is_not_json_is_400(api: Api, body: bytes) -> None:
    api.post("/orders", body, 400)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b'{"patient": "\\ud800"}', None])
def test_json_that_is_no_order_is_422(api: Api, body: bytes | None) -> None:
    api.post("/orders", body, 422)


def test_a_body_that_is_too_large_is_413(api: Api, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    api.post("/orders", {**NEW, "reason": "x" * 2000}, 413)


def test_an_order_is_cancelled_once_with_a_reason(hospital: Hospital, api: Api) -> None:
    path = f"/orders/{hospital.order('A1', hospital.patient()).public_id}/cancel"
    assert api.post(path, {"reason": " "}, 422)["errors"][0]["field"] == "reason"
    assert api.post(path, {}, 422)["errors"][0]["field"] == "reason"
    assert api.post(path, {"reason": "entered twice"})["status"] == "cancelled"
    problem = api.post(path, {"reason": "again"}, 409)
    assert "cancelled already" in problem["detail"]
    assert AuditEvent.objects.filter(code="110109", action="U").count() == 1, "that of the refused is undone"


def test_steps_go_through_their_states_and_say_where_they_are(hospital: Hospital, api: Api) -> None:
    row = hospital.order("A1", hospital.patient())
    step = row.procedures.get().steps.get()
    for act, status in (("arrive", "arrived"), ("start", "started"), ("complete", "completed")):
        changed = api.post(f"/steps/{step.public_id}/{act}")
        assert (changed["id"], changed["status"], changed["order"]) == (step.public_id, status, row.public_id)
    problem = api.post(f"/steps/{step.public_id}/arrive", None, 409)
    assert "completed" in problem["detail"] and problem["errors"][0]["field"] == "status"
    assert api.get(f"/orders/{row.public_id}")["status"] == "completed"
    other = hospital.order("A2", hospital.patient()).procedures.get().steps.get()
    assert api.post(f"/steps/{other.public_id}/no-show")["status"] == "no-show"
    assert AuditEvent.objects.filter(code="110111", action="U").count() == 4


def test_every_act_on_a_step_is_taken_back(hospital: Hospital, api: Api) -> None:
    step = hospital.order("A1", hospital.patient()).procedures.get().steps.get()
    path = f"/steps/{step.public_id}"
    for act, body, status in (
        ("no-show", {"reason": "ill"}, "no-show"),
        ("cancel", {"reason": "x"}, "cancelled"),
    ):
        changed = api.post(f"{path}/{act}", body)
        assert changed["status"] == status
        reopened = api.post(f"{path}/reopen")
        assert reopened["status"] == "scheduled"
        assert api.post(f"{path}/acts/{reopened['act']}/undo")["status"] == status
        assert api.post(f"{path}/acts/{changed['act']}/undo")["status"] == "scheduled"
        api.post(f"{path}/acts/{changed['act']}/undo", None, 422)
    api.post(f"{path}/reopen", None, 409)
    api.post(f"{path}/cancel", {"reason": " "}, 422)


@pytest.mark.once
def test_a_list_of_fifty_takes_as_many_queries_as_one_of_two(
    hospital: Hospital, api: Api, django_assert_max_num_queries: Any
) -> None:
    for number in range(50):
        hospital.order(f"A{number}", hospital.patient(f"P{number}"))
    api.get("/orders")
    with django_assert_max_num_queries(7):
        found = api.get("/orders")
    assert (found["count"], len(found["results"])) == (50, 50)
