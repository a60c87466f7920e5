"""The signing PIN of a session (reading.md 6): bounded tries, an end, never in clear."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.serializers import serialize
from django.test import Client
from django.utils import timezone

from accounts.models import SigningPin, SiteSection, User
from ledger import clock
from ledger.models import AuditEvent
from tests.archive.conftest import home as home
from tests.reporting.conftest import World
from tests.reporting.conftest import people as people
from tests.reporting.conftest import rada as rada
from tests.reporting.conftest import world as world

pytestmark = pytest.mark.django_db

PIN, TAB = "483920", "c4a9e4f0-7d0e-4b5e-a7c4-5f2f8e6d1a11"


class Signer:
    """A person at a browser with reports to sign."""

    def __init__(self, world: World, user: User) -> None:
        user.set_password("correct horse")
        user.save()
        self.world, self.user, self.client, self.count = world, user, Client(), 0
        self.client.force_login(user)

    def sign(self, **secret: str) -> tuple[int, dict[str, Any]]:
        """Sign one more report."""
        self.count += 1
        report = self.world.draft(self.world.item(f"A{self.count}"), self.user)
        body = {"revision": report.revision, **secret}
        answer = self.client.post(
            f"/api/v1/reports/{report.public_id}/sign", json.dumps(body), content_type="application/json"
        )
        return answer.status_code, answer.json()

    def status(self, **secret: str) -> int:
        return self.sign(**secret)[0]

    def tries(self) -> int:
        return int(self.client.get("/api/v1/signing-pin").json()["tries_left"])


@pytest.fixture
def signer(world: World, rada: User) -> Signer:
    return Signer(world, rada)


@pytest.fixture
def with_pin(signer: Signer) -> Signer:
    assert signer.status(password="correct horse", new_pin=PIN, tab=TAB) == 200
    return signer


def later(monkeypatch: pytest.MonkeyPatch, **by: float) -> None:
    moment = timezone.now() + timedelta(**by)
    monkeypatch.setattr(clock, "now", lambda: moment)


def test_after_the_first_password_the_pin_signs(signer: Signer) -> None:
    assert signer.tries() == 0
    assert signer.status(pin=PIN, tab=TAB) == 403
    assert signer.status(password="correct horse", new_pin=PIN, tab=TAB) == 200
    assert signer.tries() == 5
    assert signer.status(pin=PIN, tab=TAB) == 200
    assert signer.status(password="correct horse") == 200


def test_five_wrong_tries_end_it_and_are_audited(with_pin: Signer) -> None:
    failures = AuditEvent.objects.filter(outcome__gt=0)
    for left in (4, 3, 2, 1):
        status, problem = with_pin.sign(pin="000001", tab=TAB)
        assert status == 403 and f"{left} more" in problem["detail"]
    assert with_pin.status(pin="000001", tab=TAB) == 403
    assert with_pin.status(pin=PIN, tab=TAB) == 403, "the right one comes too late"
    assert failures.count() == 6 and not SigningPin.objects.exists()
    assert with_pin.status(password="correct horse") == 200


def test_it_belongs_to_its_tab_and_session(with_pin: Signer) -> None:
    assert with_pin.status(pin=PIN, tab=TAB[::-1]) == 403
    with_pin.client.logout()
    with_pin.client.force_login(with_pin.user)
    assert with_pin.status(pin=PIN, tab=TAB) == 403


@pytest.mark.parametrize("by", [{"minutes": 16}, {"hours": 4.1}])
def test_it_ends_when_nobody_works_and_after_four_hours(
    with_pin: Signer, monkeypatch: pytest.MonkeyPatch, by: dict[str, float]
) -> None:
    later(monkeypatch, **by)
    assert with_pin.tries() == 0 and with_pin.status(pin=PIN, tab=TAB) == 403


def test_work_keeps_it_alive_and_a_heartbeat_does_not(
    with_pin: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch, minutes=10)
    with_pin.client.get("/reading")
    later(monkeypatch, minutes=20)
    assert with_pin.tries() == 5
    later(monkeypatch, minutes=30)
    with_pin.client.get("/reading", headers={"X-Live": "1"})
    later(monkeypatch, minutes=40)
    assert with_pin.status(pin=PIN, tab=TAB) == 403


def test_it_is_nowhere_in_clear(with_pin: Signer) -> None:
    kept = serialize("json", [*SigningPin.objects.all(), *AuditEvent.objects.all()])
    sessions = [row.get_decoded() for row in Session.objects.all()]
    assert PIN not in kept and PIN not in json.dumps(sessions)


@pytest.mark.parametrize("pin", ["12345", "1234567", "111111", "123456", "٣٤٥٦٧٨", "48392x"])
def test_what_is_no_pin_or_easily_guessed_is_refused_and_nothing_signed(signer: Signer, pin: str) -> None:
    status, problem = signer.sign(password="correct horse", new_pin=pin, tab=TAB)
    assert status == 422 and problem["errors"][0]["field"] == "new_pin"
    assert not SigningPin.objects.exists()


def test_a_wrong_password_sets_no_pin(signer: Signer) -> None:
    assert signer.status(password="wrong", new_pin=PIN, tab=TAB) == 403
    assert not SigningPin.objects.exists()


def test_a_person_ends_it(with_pin: Signer) -> None:
    with_pin.client.delete("/api/v1/signing-pin")
    assert with_pin.tries() == 0


def test_a_department_may_ask_for_the_password_each_time(with_pin: Signer) -> None:
    SiteSection.objects.update_or_create(name="reporting", defaults={"content": {"signing_pin": False}})
    assert with_pin.tries() == 0 and with_pin.status(pin=PIN, tab=TAB) == 403
    assert with_pin.status(password="correct horse", new_pin=PIN, tab=TAB) == 403
