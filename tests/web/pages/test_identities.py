"""Identities in doubt: the list, the page with both sides, and ending it, on the page and in REST."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from accounts.models import Facility, Role, User
from ledger.models import AuditEvent
from tests.archive.hospital import Hospital
from tests.web.markup import read
from tests.web.pages.world import person, receive, signed_in
from tests.web.rest.conftest import Api
from web.pages.exceptions.identity_page import ADVICE, WITHOUT_RECORD
from worklist.models import IdentityException, IdentityExceptionKind
from worklist.patients import identity_exceptions
from worklist.patients.identity_doubt import IdentityDoubt
from worklist.provenance import Provenance

pytestmark = pytest.mark.django_db


@pytest.fixture
def doubt(hospital: Hospital, provenance: Callable[..., Provenance]) -> IdentityException:
    """Rita named for Anna's order."""
    order = hospital.order("A1", hospital.patient())
    found = IdentityDoubt(
        IdentityExceptionKind.OTHER_PATIENT,
        key="A1|P2",
        text="the order is another patient's",
        patient=order.patient_id,
        order=order.pk,
        said={
            "name": "REAL^RITA",
            "birth_date": "19350517",
            "sex": "F",
            "identifiers": ["P2^^^GENHOSP"],
        },
    )
    with transaction.atomic():
        identity_exceptions.open_all([found], provenance())
    return IdentityException.objects.get()


def test_it_is_listed_looked_at_ended_and_opened_again(user: User, doubt: IdentityException) -> None:
    client = signed_in(user)
    assert "Identities" in read(client.get("/exceptions"))
    listed = read(client.get("/exceptions/identities"))
    assert "An order names another patient" in listed and "REAL, RITA" in listed and "A1" in listed
    path = f"/exceptions/identities/{doubt.public_id}"
    page = read(client.get(path))
    for words in ("BARS, ANNA", "REAL, RITA", "P2^^^GENHOSP", "The order is another patient", "1935"):
        assert words in page
    assert "Give a reason" in read(client.post(f"{path}/resolve", {"reason": " "}, follow=True))
    done = read(client.post(f"{path}/resolve", {"reason": "the HIS cancels it"}, follow=True))
    assert "Marked as looked after" in done and "the HIS cancels it" in done
    assert "Nobody is in doubt" in read(client.get("/exceptions/identities"))
    assert "REAL, RITA" in read(client.get("/exceptions/identities?status=resolved"))
    again = read(client.post(f"{path}/resolve", {"reason": "twice"}, follow=True))
    assert "It is not open any more" in again
    assert "It is open again" in read(client.post(f"{path}/reopen", {"reason": "it came again"}, follow=True))
    acts = list(AuditEvent.objects.filter(act__contains="dentity exception").values_list("act", flat=True))
    assert sorted(acts) == ["Identity exception reopened", "Identity exception resolved"]


def test_by_rest(user: User, doubt: IdentityException) -> None:
    api = Api(user)
    (listed,) = api.get("/identity-exceptions")["results"]
    assert (listed["kind"], listed["status"], listed["named"]["name"]) == (
        "other_patient",
        "open",
        "REAL^RITA",
    )
    path = f"/identity-exceptions/{doubt.public_id}"
    assert api.get(path) == listed
    assert api.post(f"{path}/resolve", {"reason": "seen"})["status"] == "resolved"
    api.post(f"{path}/resolve", {"reason": "seen"}, expect=409)
    assert api.get("/identity-exceptions")["count"] == 0
    assert api.post(f"{path}/reopen", {"reason": "came again"})["end_reason"] == ""


@pytest.mark.parametrize("what", ["resolve", "reopen"])
def test_only_who_decides_exceptions_of_this_facility(
    facility: Facility, doubt: IdentityException, what: str
) -> None:
    path = f"/exceptions/identities/{doubt.public_id}"
    manager = signed_in(person(facility, Role.MANAGER))
    assert manager.get(path).status_code == 200
    assert manager.post(f"{path}/{what}", {"reason": "no"}).status_code == 403
    other = Facility.objects.create(code="OTHER", name="Other Hospital")
    stranger: Any = signed_in(person(other, Role.TECHNOLOGIST))
    assert stranger.get(path).status_code == 404
    assert stranger.post(f"{path}/{what}", {"reason": "no"}).status_code == 404
    assert isinstance(stranger, Client)
    doubt.refresh_from_db()
    assert doubt.status == "open"


@pytest.mark.parametrize("role", [Role.INTEGRATOR, Role.TECHNOLOGIST])
def test_who_finds_the_message_and_who_merges_both_end_it(
    facility: Facility, doubt: IdentityException, role: Role
) -> None:
    row = receive(1, status="failed")
    IdentityException.objects.update(source=f"hl7:{row.public_id}")
    client = signed_in(person(facility, role))
    path = f"/exceptions/identities/{doubt.public_id}"
    page = read(client.get(path))
    assert (f"/messages/{row.public_id}/repair" in page) is (role == Role.INTEGRATOR)
    assert client.post(f"{path}/resolve", {"reason": "the HIS cancels it"}).status_code == 302
    doubt.refresh_from_db()
    assert doubt.status == "resolved"
    assert client.post(f"{path}/reopen", {"reason": "it did not"}).status_code == 302


def test_merging_is_offered_where_there_are_two_records(
    user: User, doubt: IdentityException, hospital: Hospital
) -> None:
    client, path = signed_in(user), f"/exceptions/identities/{doubt.public_id}"
    page = read(client.get(path))
    assert "nobody to merge" in page and "Merge or link" not in page
    other = hospital.patient("P2")
    page = read(client.get(path))
    assert "nobody to merge" not in page and f"/patients/{other.public_id}/merge?with=" in page
    assert f'href="/patients/{other.public_id}"' in page


def test_it_is_handed_over_with_a_note(user: User, facility: Facility, doubt: IdentityException) -> None:
    client, path = signed_in(user), f"/exceptions/identities/{doubt.public_id}"
    iris = person(facility, Role.INTEGRATOR)
    said = {"reason": "replay it once the HIS has merged", "to": iris.username}
    page = read(client.post(f"{path}/hand-over", said, follow=True))
    assert f"Handed over to {iris}" in page and "replay it once the HIS has merged" in page
    assert "Noted for whoever" in read(client.post(f"{path}/hand-over", {"reason": "seen"}, follow=True))
    manager = person(facility, Role.MANAGER)
    refused = {"reason": "yours", "to": manager.username}
    assert "can&#x27;t look after it" in read(client.post(f"{path}/hand-over", refused, follow=True))
    api = Api(user)
    assert (
        api.post(f"/identity-exceptions/{doubt.public_id}/hand-over", {"note": "by REST"})["status"] == "open"
    )
    api.post(f"/identity-exceptions/{doubt.public_id}/hand-over", {"note": "x", "to": "no one"}, expect=422)


def test_a_person_is_told_what_to_do_about_each_kind() -> None:
    assert set(ADVICE) == set(IdentityExceptionKind) and set(WITHOUT_RECORD) < set(ADVICE)


def test_a_message_that_names_nobody_has_a_page(user: User, doubt: IdentityException) -> None:
    doubt.kind, doubt.said = IdentityExceptionKind.CONTRADICTING_NUMBERS, {}
    doubt.save()
    client = signed_in(user)
    listed = read(client.get("/exceptions/identities"))
    page = read(client.get(f"/exceptions/identities/{doubt.public_id}"))
    assert "Order numbers contradict each other" in listed and "two orders as one" in page
