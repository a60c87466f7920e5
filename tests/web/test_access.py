"""Every operation that the API describes, with the body of its own example: for each role, for things of
another facility, and as a forged request. An operation that is added is tested too."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.access import _MAY, can
from accounts.models import Facility, Role, Token, User
from archive.models import Study, StudyException
from interfaces.hl7.models import InboundMessage
from ledger.models import AuditEvent
from web.rest.api import api
from worklist.models import AssigningAuthority, Order, Patient, RequestedProcedure, ScheduledProcedureStep

pytestmark = pytest.mark.django_db


ACTIONS = {
    "get /patients": "patient.view",
    "get /patients/{id}": "patient.view",
    "post /patients/{id}/link": "patient.link",
    "post /patients/{id}/unlink": "patient.link",
    "get /orders": "order.view",
    "get /orders/{id}": "order.view",
    **{
        f"post /patients/{{id}}/{act}": "patient.merge"
        for act in ("merge", "merge/preview", "unmerge", "unmerge/preview", "links/{link}/undo")
    },
    "get /patients/{id}/links": "patient.view",
    "post /orders": "order.place",
    "post /orders/{id}/cancel": "order.cancel",
    "post /steps/{id}/arrive": "step.change",
    "post /steps/{id}/start": "step.change",
    "post /steps/{id}/complete": "step.change",
    "post /steps/{id}/no-show": "step.change",
    "post /steps/{id}/cancel": "step.change",
    "post /steps/{id}/reopen": "step.change",
    "post /steps/{id}/acts/{act}/undo": "step.change",
    "get /studies": "study.view",
    "get /studies/{uid}": "study.view",
    "get /studies/{uid}/versions": "study.view",
    "get /quarantine": "queue.view",
    "post /quarantine/release": "quarantine.decide",
    "post /quarantine/discard": "quarantine.decide",
    "post /quarantine/restore": "quarantine.decide",
    "get /identity-exceptions": "exception.view",
    "get /identity-exceptions/{id}": "exception.view",
    "post /identity-exceptions/{id}/resolve": "identity.decide",
    "post /identity-exceptions/{id}/reopen": "identity.decide",
    "post /identity-exceptions/{id}/hand-over": "identity.decide",
    "get /exceptions": "exception.view",
    "get /exceptions/{id}": "exception.view",
    "post /exceptions/{id}/preview": "exception.decide",
    "post /exceptions/{id}/resolve": "exception.decide",
    "post /exceptions/{id}/undo": "exception.decide",
    "post /studies/{uid}/decisions": "exception.decide",
    "post /studies/{uid}/decisions/preview": "exception.decide",
    "post /decisions/{id}/undo": "exception.decide",
    "post /decisions/{id}/confirm": "exception.decide",
    "post /decisions/{id}/decline": "exception.decide",
    "get /imports": "study.store",
    "get /imports/{id}": "study.store",
    "post /imports": "study.store",
    "put /imports/{id}/files": "study.store",
    "post /imports/{id}/start": "study.store",
    "post /imports/{id}/stop": "study.store",
    "post /imports/{id}/read": "study.store",
    "get /hl7/messages": "message.view",
    "get /hl7/messages/{id}": "message.view",
    "post /hl7/messages/{id}/replay": "message.replay",
    "post /hl7/messages/{id}/{act}": "message.replay",
    "post /hl7/destinations/{name}/pause": "message.replay",
    "post /hl7/destinations/{name}/resume": "message.replay",
    "post /hl7/destinations/{name}/try-now": "message.replay",
    "get /hl7/work-list": "message.view",
    "post /hl7/work-list/acts": "message.replay",
    "get /hl7/work-list/{group}": "message.view",
    "post /hl7/replays": "message.replay",
    "get /hl7/replays/{id}": "message.view",
    "post /hl7/replays/{id}/stop": "message.replay",
    "post /hl7/replays/{id}/continue": "message.replay",
    "get /hl7/interfaces": "message.view",
    "get /turnaround": "turnaround.view",
    "get /studies/{uid}/reports": "report.view",
    "post /studies/{uid}/reports": "report.write",
    "get /reports/{id}": "report.view",
    "patch /reports/{id}": "report.write",
    "get /reports/{id}/kept": "report.view",
    "post /reports/{id}/kept": "report.write",
    "post /reports/{id}/dictations": "report.write",
    "post /reports/{id}/sign": "report.sign_preliminary",
    "post /reports/{id}/signing-checks": "report.sign_preliminary",
    "post /reports/{id}/undo": "report.sign_preliminary",
    "post /reports/{id}/addenda": "report.write",
    "get /reports/{id}/versions": "report.view",
    "post /rechecks/{id}/still-valid": "report.sign",
    "get /signing-pin": "report.sign_preliminary",
    "delete /signing-pin": "report.sign_preliminary",
    "get /reading/items": "report.view",
    "get /reading/items/{id}": "report.view",
    "post /reading/next": "report.write",
    **{
        f"post /reading/items/{{id}}/{act}": "report.write"
        for act in (
            "take",
            "renew",
            "park",
            "release",
            "skip",
            "hold",
            "resume",
            "reserve",
            "withdraw",
            "reopen",
            "confirm-patient",
            "dictations",
        )
    },
    "get /dictations/{uuid}": "dictation.hear",
    "get /dictations/{uuid}/audio": "dictation.hear",
    **{
        f"{method} /dictations/{{uuid}}/{act}": "report.write"
        for method, act in (
            ("put", "segments/{seq}"),
            ("post", "finish"),
            ("post", "discard"),
            ("post", "reclaim"),
        )
    },
    "get /transcription": "transcription.type",
    "post /transcription/next": "transcription.type",
    **{
        f"post /dictations/{{uuid}}/{act}": "transcription.type"
        for act in ("take", "renew", "save", "type", "return")
    },
}


def operations() -> Iterator[tuple[str, str, Any]]:
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method, operation in methods.items():
            yield method, path.removeprefix("/api/v1"), operation


def client_of(user: User) -> Client:
    return Client(headers={"authorization": f"Bearer {Token.issue(user=user)}"}, enforce_csrf_checks=True)


def call(client: Client, method: str, path: str, body: Any = None, **more: Any) -> Any:
    data = {} if method == "get" else {"data": json.dumps(body), "content_type": "application/json"}
    return getattr(client, method)(f"/api/v1{path}", **data, **more)


def body_of(operation: Any) -> Any:
    """The example of an operation's body."""
    content = operation.get("requestBody", {}).get("content", {})
    return content["application/json"]["example"] if "application/json" in content else None


def is_problem(response: Any, status: int) -> bool:
    return (
        response.status_code == status
        and response["Content-Type"] == "application/problem+json"
        and response.json()["status"] == status
        and bool(response.json()["title"])
    )


@pytest.fixture
def others() -> dict[str, str]:
    """Things of another hospital, by the first part of the path at which they would be."""
    facility = Facility.objects.create(code="OTHER", name="Other Hospital")
    now = timezone.now()
    authority = AssigningAuthority.objects.create(namespace="OTHER")
    patient = Patient.objects.create(facility=facility, authority=authority, value="X1", name="SECRET^SAM")
    order = Order.objects.create(
        facility=facility,
        patient=patient,
        accession_number="X1",
        first_received_at=now,
        content_received_at=now,
    )
    procedure = RequestedProcedure.objects.create(
        order=order, requested_procedure_id="RP", study_instance_uid="2.25.9"
    )
    step = ScheduledProcedureStep.objects.create(
        procedure=procedure,
        scheduled_procedure_step_id="SP",
        due=now,
        local_date="20260302",
        local_time="080000",
    )
    study = Study.objects.create(
        facility=facility,
        study_instance_uid="2.25.9",
        patient_name="SECRET^SAM",
        accession_number="X1",
        verdict="mismatch",
        first_received_at=now,
        last_received_at=now,
    )
    exception = StudyException.objects.create(study=study)
    return {
        "patients": patient.public_id,
        "orders": order.public_id,
        "steps": step.public_id,
        "studies": study.study_instance_uid,
        "exceptions": exception.public_id,
    }


# Roles


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_the_policy_says_and_nothing_else(facility: Facility, role: Role) -> None:
    person = User.objects.create_user("anna", "x", roles=[role.value])
    person.facilities.add(facility)
    client = client_of(person)
    seen = set()
    for method, path, operation in operations():
        seen.add(f"{method} {path}")
        allowed = can(person, ACTIONS[f"{method} {path}"])
        filled = path.replace("{id}", "0" * 32).replace("{uid}", "1.2.3").replace("{seq}", "0")
        filled = filled.replace("{act}", "hold").replace("{name}", "HIS").replace("{group}", "none")
        response = call(client, method, filled, body_of(operation))
        assert is_problem(response, 403) is not allowed, (method, path, response.content)
        assert response.status_code != 500
    assert seen == set(ACTIONS), "every operation has its line in this test"


def test_what_is_read_takes_no_parameter_that_it_does_not_have(user: User) -> None:
    client = client_of(user)
    for method, path, operation in operations():
        if method == "get":
            filled = re.sub(r"\{\w+\}", "0" * 32, path)
            response = call(client, "get", f"{filled}?accesion=A305")
            assert is_problem(response, 422), (path, response.content)
            assert [one["field"] for one in response.json()["errors"]] == ["accesion"]
            known = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
            assert all(name in response.json()["detail"] for name in known)
    assert call(client, "get", "/orders?limit=2&offset=0").status_code == 200


def test_the_policy_knows_every_action() -> None:
    assert set(ACTIONS.values()) <= set(_MAY)


# Other facilities


def test_what_is_another_facilitys_does_not_exist(user: User, others: dict[str, str]) -> None:
    client = client_of(user)
    for method, path, operation in operations():
        kind = path.split("/")[1]
        if "{" in path and kind in others:
            named = path.replace("{id}", others[kind]).replace("{uid}", others[kind])
            response = call(client, method, named, body_of(operation))
            assert is_problem(response, 404), (method, path, response.content)
            assert "SECRET" not in response.content.decode()
    assert Order.objects.get().status == "scheduled"
    assert AuditEvent.objects.filter(code="110113").exists(), "that somebody asked is noted"


# Forged requests


def test_a_session_needs_the_csrf_token_for_what_changes_something(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    client.get("/status")
    assert call(client, "get", "/orders").status_code == 200
    for method, path, operation in operations():
        if method != "get":
            response = call(client, method, path.replace("{id}", "0" * 32), body_of(operation))
            assert is_problem(response, 403), path
    token = client.cookies["csrftoken"].value
    response = call(client, "post", f"/steps/{'0' * 32}/arrive", headers={"x-csrftoken": token})
    assert is_problem(response, 404)


# What is sent out


def test_no_answer_is_kept_by_a_browser_or_shown_in_a_frame(user: User) -> None:
    client = client_of(user)
    for path in ("/api/v1/orders", "/", "/api/v1/docs"):
        response = client.get(path)
        assert response["X-Frame-Options"] == "DENY"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "script-src 'self'" in response["Content-Security-Policy"]


def test_where_there_is_nothing_a_person_gets_a_page(client: Client) -> None:
    response = client.get("/nothing-here")
    assert response.status_code == 404
    assert b"Home" in response.content


def test_messages_are_for_integrators_even_by_their_id(facility: Facility) -> None:
    row = InboundMessage.objects.create(
        source="a|b", sha256="x", raw=b"MSH|SECRET", received_at=timezone.now()
    )
    person = User.objects.create_user("anna", "x", roles=[Role.RADIOLOGIST.value])
    person.facilities.add(facility)
    assert is_problem(call(client_of(person), "get", f"/hl7/messages/{row.public_id}"), 403)
