"""Who comes in, what each role may do, and that others' data do not exist (F53 to F56)."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from ninja import Schema

from accounts.models import Role, Token, User
from archive.models import StudyException
from ledger.models import AuditEvent
from tests.archive.hospital import Hospital
from tests.web.rest.conftest import Api
from web.rest.api import DescribedAPI  # noqa: F401  (all schemas are there then)
from worklist.schedule import step_actions

pytestmark = pytest.mark.django_db
OPEN = {"/sign-in", "/healthz", "/readyz", "/metrics"}
"""The last three are open on loopback only."""


def every_path() -> Iterator[str]:
    """Every URL that there is, with something in the place of its parameters."""
    for route in _routes(get_resolver().url_patterns):
        yield "/" + re.sub(r"<[^>]+>", "1", route)


def _routes(patterns: Any, before: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


@pytest.fixture
def paths(hospital: Hospital) -> dict[str, str]:
    """The path of one thing of each kind, of our facility."""
    order = hospital.order("A1", hospital.patient("P2", "REAL^RITA", birth_date="19350517"))
    patient = hospital.patient()
    study = hospital.study("A1")
    return {
        "patient": f"/patients/{patient.public_id}",
        "order": f"/orders/{order.public_id}",
        "step": f"/steps/{order.procedures.get().steps.get().public_id}",
        "study": f"/studies/{study.study_instance_uid}",
        "exception": f"/exceptions/{StudyException.objects.get().public_id}",
    }


def test_nobody_gets_anything_without_signing_in(client: Client) -> None:
    tried = set(every_path())
    assert {"/api/v1/patients", "/api/v1/docs", "/", "/dicom-web/studies"} <= tried
    for path in sorted(tried - OPEN):
        answer = client.get(path)
        if path.startswith(("/api/", "/dicom-web", "/wado", "/fhir")):
            assert answer.status_code == 401, path
            assert answer["Content-Type"] == "application/problem+json"
            assert answer["WWW-Authenticate"] == "Bearer"
        else:
            assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/sign-in"), path


@pytest.mark.parametrize("state", ["unknown", "revoked", "inactive"])
def test_a_token_that_is_not_valid_is_nobodys_even_beside_a_session(user: User, state: str) -> None:
    token = "rp_made_up" if state == "unknown" else Token.issue(user=user)
    client = Client()
    client.force_login(user)
    if state == "revoked":
        Token.objects.update(revoked_at="2026-01-01T00:00:00Z")
    if state == "inactive":
        User.objects.update(is_active=False)
    answer = client.get("/api/v1/patients", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401 and "invalid_token" in answer["WWW-Authenticate"]


def test_a_session_reads_and_changes_only_with_its_csrf_token(hospital: Hospital, user: User) -> None:
    path = f"/api/v1/orders/{hospital.order('A1', hospital.patient()).public_id}/cancel"
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert client.get("/api/v1/orders").status_code == 200
    body = json.dumps({"reason": "twice"})
    answer = client.post(path, body, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
    assert client.post(path, {"reason": "twice"}).status_code == 403, "a form can't do it either"
    client.get("/sign-out")
    client.cookies["csrftoken"] = token = "a" * 32
    headers = {"X-CSRFToken": token, "Origin": "http://evil.example"}
    assert client.post(path, body, content_type="application/json", headers=headers).status_code == 403
    answer = client.post(path, body, content_type="application/json", headers={"X-CSRFToken": token})
    assert answer.status_code == 200


READS = {"patient", "order", "study", "exception"}
CHANGES: dict[str, tuple[str, dict[str, str] | None]] = {
    "order/cancel": ("order", {"reason": "x"}),
    "step/arrive": ("step", None),
    "step/start": ("step", None),
    "step/complete": ("step", None),
    "step/no-show": ("step", None),
    "exception/resolve": ("exception", {"action": "accept", "reason": "x"}),
    "exception/undo": ("exception", {"reason": "x"}),
}
_CLINICAL = {Role.TECHNOLOGIST, Role.RADIOLOGIST, Role.RESIDENT, Role.ADMINISTRATOR}
_OFFICE = {Role.INTEGRATOR, Role.ADMINISTRATOR}


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_what_the_policy_says(
    paths: dict[str, str], employ: Callable[..., User], role: Role
) -> None:
    api = Api(employ("someone", role))
    reads = 403 if role == Role.REFERRER else 200
    for name in READS:
        api.get(paths[name], reads)
        api.get(paths[name].rpartition("/")[0], reads)
    api.get("/hl7/messages", 200 if role in _OFFICE else 403)
    for name, (thing, body) in CHANGES.items():
        allowed = role in _CLINICAL or (role == Role.INTEGRATOR and name == "order/cancel")
        answer = api.client.post(
            f"/api/v1{paths[thing]}/{name.partition('/')[2]}",
            json.dumps(body) if body else b"",
            content_type="application/json",
            headers=api.headers,
        )
        assert (answer.status_code != 403) == allowed, (role, name)
    if role == Role.REFERRER:
        denied = AuditEvent.objects.filter(code="110113", outcome=8, actor="someone")
        assert {"type": "action", "id": "patient.view"} in [row.objects_named[0] for row in denied]


def test_what_is_another_facilitys_does_not_exist(paths: dict[str, str], stranger: Api) -> None:
    for name in READS:
        stranger.get(paths[name], 404)
        assert stranger.get(paths[name].rpartition("/")[0])["count"] == 0
    for name, (thing, body) in CHANGES.items():
        stranger.post(f"{paths[thing]}/{name.partition('/')[2]}", body, 404)
    denied = [row.objects_named[0]["type"] for row in AuditEvent.objects.filter(code="110113", outcome=8)]
    assert set(denied) == {"patient", "order", "scheduledprocedurestep", "study", "studyexception"}


def test_what_is_another_facilitys_can_not_be_named_either(
    hospital: Hospital, paths: dict[str, str], stranger: Api
) -> None:
    taken = {"identifier": {"value": "P1", "authority": "GENHOSP"}}
    stranger.post("/orders", {"patient": taken, "procedure_code": "71260"}, 409)
    for query in ({"patient_identifier": "P1"}, {"accession_number": "A1"}):
        assert stranger.get("/orders", **query)["count"] == stranger.get("/studies", **query)["count"] == 0
    assert stranger.get("/patients", identifier="P1")["count"] == 0


def test_somebody_of_no_facility_sees_nothing_and_places_nothing(paths: dict[str, str]) -> None:
    nobody = Api(User.objects.create_user("nobody", roles=[role.value for role in Role]))
    assert nobody.get("/orders")["count"] == nobody.get("/studies")["count"] == 0
    body = {"patient": {"identifier": {"value": "N1", "authority": "GENHOSP"}}, "procedure_code": "71260"}
    nobody.post("/orders", body, 403)


def test_a_name_can_bring_no_markup(hospital: Hospital, api: Api) -> None:
    hospital.patient("1", "<script>alert(1)</script>^X")
    answer = api.client.get("/api/v1/patients", headers=api.headers)
    assert answer["Content-Type"] == "application/json; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/api/v1/", "/api/v1/nothing", "/api/v2/patients", "/fhir/Patient"])
def test_what_is_not_there_is_a_problem_on_doors(client: Client, path: str) -> None:
    client.raise_request_exception = False
    answer = client.get(path)
    assert (answer.status_code, answer["Content-Type"]) in [
        (404, "application/problem+json"),
        (401, "application/problem+json"),
    ]


def test_a_method_that_is_not_there_is_a_problem(api: Api) -> None:
    for method in ("put", "delete", "patch"):
        answer = getattr(api.client, method)("/api/v1/orders", headers=api.headers)
        assert (answer.status_code, answer["Allow"]) == (405, "GET, POST")
        assert answer["Content-Type"] == "application/problem+json" and answer.json()["status"] == 405


def test_an_error_of_ours_tells_no_details(
    hospital: Hospital, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    step = hospital.order("A1", hospital.patient()).procedures.get().steps.get()

    def fail(**values: Any) -> None:
        raise ValueError(hospital.patient().name)

    monkeypatch.setattr(step_actions, "change_step", fail)
    problem = api.post(f"/steps/{step.public_id}/arrive", None, 500)
    assert "ANNA" not in str(problem) and "Traceback" not in str(problem)
    assert "ValueError" in caplog.text and "ANNA" not in caplog.text, "nor does the log tell of patients"


def test_the_description_has_an_example_for_every_body(api: Api) -> None:
    description = api.get("/openapi.json")
    assert len(description["paths"]) > 50
    bodies = 0
    for path, operations in description["paths"].items():
        for operation in operations.values():
            for body in (operation.get("requestBody"), *operation["responses"].values()):
                for content in (body or {}).get("content", {}).values():
                    assert content["example"], path
                    bodies += 1
    assert bodies > 60


def test_the_documentation_needs_no_network_and_no_inline_script(user: User) -> None:
    client = Client()
    client.force_login(user)
    answer = client.get("/api/v1/docs")
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    page = answer.content.decode()
    scripts = re.findall(r"<script([^>]*)>", page)
    assert all('src="/static/' in script or 'type="application/json"' in script for script in scripts)
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page) and "<style" not in page
    for asset in re.findall(r"""(?:src|href)=["']([^"']+)""", page):
        assert client.get(asset).status_code == 200, asset


def test_every_example_of_a_list_is_what_a_list_is(hospital: Hospital, api: Api) -> None:
    hospital.order("A1", hospital.patient("P2", "REAL^RITA", birth_date="19350517"))
    hospital.study("A1")
    described = api.get("/openapi.json")["paths"]
    for path in ("/patients", "/orders", "/studies", "/exceptions"):
        content = described[f"/api/v1{path}"]["get"]["responses"]["200"]["content"]["application/json"]
        (row,) = api.get(path, limit=1)["results"]
        assert content["example"]["results"][0].keys() == row.keys(), path


def test_no_two_schemas_share_a_name() -> None:
    """A description has one schema of a name, so that the second would stand for both."""
    names = [(schema.__name__, schema.__module__) for schema in _schemas(Schema)]
    ours = {(name, module) for name, module in names if module.startswith("web.rest")}
    shared = [name for name, count in Counter(name for name, _ in ours).items() if count > 1]
    assert len(ours) > 60 and not shared


def _schemas(schema: type) -> Iterator[type]:
    for below in schema.__subclasses__():
        yield below
        yield from _schemas(below)
