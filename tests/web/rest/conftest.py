"""A hospital, the people who work there, and clients that speak to it as programs do."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import Facility, Role, SiteSection, Token, User
from tests.archive.hospital import Hospital
from tests.interfaces.hl7.conftest import say, site  # noqa: F401
from worklist.models import ProcedureCode
from worklist.provenance import Provenance


class Api:
    """Calls `/api/v1` with a bearer token."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {Token.issue(user=user)}"}

    def get(self, path: str, expect: int = 200, **query: Any) -> Any:
        answer = self.client.get(f"/api/v1{path}", query, headers=self.headers)
        return self._body(answer, expect)

    def post(self, path: str, body: Any = None, expect: int = 200) -> Any:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body)
        answer = self.client.post(
            f"/api/v1{path}", data, content_type="application/json", headers=self.headers
        )
        return self._body(answer, expect)

    def patch(self, path: str, body: Any, expect: int = 200) -> Any:
        answer = self.client.patch(
            f"/api/v1{path}", json.dumps(body), content_type="application/json", headers=self.headers
        )
        return self._body(answer, expect)

    @staticmethod
    def _body(answer: Any, expect: int) -> Any:
        assert answer.status_code == expect, (answer.status_code, answer.content[:2000])
        kind = "application/json" if expect < 400 else "application/problem+json"
        assert answer["Content-Type"].startswith(kind), answer["Content-Type"]
        body = json.loads(answer.content)
        if expect >= 400:
            assert body["status"] == expect and body["type"] and body["title"]
        return body


@pytest.fixture
def hospital(facility: Facility, provenance: Callable[..., Provenance]) -> Hospital:
    SiteSection.objects.create(name="archive", content={"quiet_seconds": 60, "reconcile": {}})
    SiteSection.objects.create(
        name="worklist",
        content={"unknown_authorities": "refuse", "unknown_procedure_codes": "accept_with_modality"},
    )
    ProcedureCode.objects.create(code="71260", scheme="C4", description="CT chest", modality="CT")
    return Hospital(facility, provenance)


@pytest.fixture
def api(user: User) -> Api:
    return Api(user)


@pytest.fixture
def employ(facility: Facility) -> Callable[..., User]:
    """Employ somebody, by default here."""

    def make(name: str, *roles: Role, at: Facility | None = None) -> User:
        user = User.objects.create_user(name, "correct horse", roles=[role.value for role in roles])
        user.facilities.add(at or facility)
        return user

    return make


@pytest.fixture
def stranger(employ: Callable[..., User]) -> Api:
    """Somebody with every role, of another facility."""
    elsewhere = Facility.objects.create(code="OTHER", name="Other Hospital", time_zone="UTC")
    return Api(employ("otto", *Role, at=elsewhere))
