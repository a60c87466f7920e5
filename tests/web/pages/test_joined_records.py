"""Two records are merged, linked and parted by a person: foretold in words, and taken back."""

import re

import pytest
from django.test import Client

from accounts.models import Role, User
from interfaces.hl7.models import Destination
from tests.archive.hospital import Hospital
from tests.web.markup import read
from tests.web.pages.world import signed_in
from tests.web.rest.conftest import Api
from worklist.models import Order, Patient, PatientLink

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(user: User, hospital: Hospital) -> Client:
    user.roles = [Role.TECHNOLOGIST.value]
    user.save()
    return signed_in(user)


@pytest.fixture
def anna(hospital: Hospital) -> Patient:
    """Who has an order and a study."""
    patient = hospital.patient("P1", "BARS^ANNA")
    hospital.order("O1", patient)
    hospital.study("O1", patient_id="P1")
    return patient


@pytest.fixture
def lena(hospital: Hospital) -> Patient:
    patient = hospital.patient("P2", "BARS^LENA")
    hospital.order("O2", patient)
    return patient


def undo_of(client: Client, page: str) -> str:
    found = re.search(r'action="(/patients/links/[^"]+/undo)"', client.get(page).content.decode())
    assert found is not None
    return found[1]


@pytest.mark.parametrize("kind", ["merge", "link"])
def test_two_records_are_joined_and_that_is_taken_back(
    client: Client, anna: Patient, lena: Patient, kind: str
) -> None:
    page = f"/patients/{anna.public_id}"
    assert f"{page}/merge" in client.get(page).content.decode()
    assert lena.public_id in client.get(f"{page}/merge?q=bars").content.decode()
    shown = read(client.get(f"{page}/merge?with={lena.public_id}&kind={kind}"))
    assert "P1 will show under BARS, LENA (P2), with 1 order, 1 study, no reports." in shown
    assert "The names differ" in shown and "The other way round" in shown
    assert f"Nobody else is told: have the HIS {kind} P1 and P2 as well" in shown
    Destination.objects.create(name="EHR", host="h", port=1, options={"messages": ["merges"]})
    again = read(client.get(f"{page}/merge?with={lena.public_id}&kind={kind}"))
    assert "EHR will be told by message" in again and "Nobody else" not in again
    said = {"with": lena.public_id, "kind": kind, "reason": "one identity card"}
    assert "names differ" in read(client.post(f"{page}/merge", said))
    assert "Give a reason" in read(client.post(f"{page}/merge", {**said, "although": "yes", "reason": ""}))
    done = client.post(f"{page}/merge", {**said, "although": "yes"})
    assert done["Location"] == f"/patients/{lena.public_id}"
    assert {one.patient.current for one in Order.objects.all() if one.patient} == {lena}
    again = client.post(f"{page}/merge", {**said, "although": "yes"})
    assert again["Location"] == f"/patients/{lena.public_id}/merge"
    undo = undo_of(client, page)
    assert client.post(undo, {"reason": ""})["Location"] == f"/patients/{lena.public_id}"
    assert client.post(undo, {"reason": "two cards"})["Location"] == page
    assert Patient.objects.filter(survivor=None).count() == 2
    assert "two cards" in read(client.get(page))


def test_what_the_his_has_merged_is_parted_and_that_is_taken_back(
    client: Client, hospital: Hospital, anna: Patient, lena: Patient
) -> None:
    hospital.merge("P1", "P2")
    page = f"/patients/{lena.public_id}"
    shown = read(client.get(f"{page}/unmerge"))
    assert "P1^^^GENHOSP and P2^^^GENHOSP were merged by the HIS" in shown
    assert "P1 will show as BARS, ANNA (P1), with 1 order, 1 study, no reports." in shown
    assert "P2 will show as BARS, LENA (P2), with 1 order, no studies, no reports." in shown
    said = {"record": anna.public_id, "reason": "twins"}
    assert "Give a reason" in read(client.post(f"{page}/unmerge", {**said, "reason": ""}))
    assert client.post(f"{page}/unmerge", said)["Location"] == f"/patients/{anna.public_id}"
    assert Patient.objects.filter(survivor=None).count() == 2
    assert "there is nothing to part" in read(client.get(f"{page}/unmerge"))
    assert client.post(undo_of(client, page), {"reason": "one after all"}).status_code == 302
    anna.refresh_from_db()
    assert anna.survivor == lena


def test_of_several_records_one_is_chosen(client: Client, hospital: Hospital, anna: Patient) -> None:
    lena = hospital.patient("P2", "BARS^LENA")
    hospital.patient("P3", "BARS^LENA")
    hospital.merge("P1", "P2")
    hospital.merge("P2", "P3")
    page = f"/patients/{anna.public_id}/unmerge"
    assert "Which record is another person" in read(client.get(page))
    shown = read(client.get(f"{page}?record={lena.public_id}"))
    assert "P1 and P2 will show as BARS, LENA (P2)" in shown


def test_who_may_not_merge_sees_no_way_to(user: User, anna: Patient) -> None:
    user.roles = [Role.RESIDENT.value]
    user.save()
    client = signed_in(user)
    assert "/merge" not in client.get(f"/patients/{anna.public_id}").content.decode()
    assert client.get(f"/patients/{anna.public_id}/merge").status_code == 403


def test_programs_merge_part_and_take_back(
    user: User, hospital: Hospital, anna: Patient, lena: Patient
) -> None:
    user.roles = [Role.ADMINISTRATOR.value]
    user.save()
    api, path = Api(user), f"/patients/{anna.public_id}"
    body = {"into": lena.public_id, "reason": "registered twice"}
    foretold = api.post(f"{path}/merge/preview", body)
    assert [one["patient"] for one in foretold["after"]] == [lena.public_id]
    assert foretold["after"][0]["orders"] == 2 and Patient.objects.filter(survivor=None).count() == 2
    api.post(f"{path}/merge", body, expect=409)
    assert api.post(f"{path}/merge", {**body, "although": True})["merged_into"] == lena.public_id
    api.post(f"{path}/merge", {**body, "although": True}, expect=409)
    (link,) = api.get(f"{path}/links")["results"]
    assert (link["kind"], link["by_hand"]) == ("merge", True)
    assert len(api.post(f"{path}/unmerge/preview")["after"]) == 2
    assert api.post(f"{path}/unmerge", {"reason": "twins"})["merged_into"] is None
    api.post(f"{path}/unmerge", {"reason": "twins"}, expect=409)
    kinds = {one["kind"]: one["id"] for one in api.get(f"{path}/links")["results"]}
    assert api.post(f"{path}/links/{kinds['unlink']}/undo", {"reason": "no"})["merged_into"]
    assert api.post(f"{path}/links/{kinds['merge']}/undo", {"reason": "no"})["merged_into"] is None
    api.post(f"{path}/links/{kinds['merge']}/undo", {"reason": "no"}, expect=409)
    assert PatientLink.objects.filter(closed_by="").count() == 0
