"""A temporary record is named: it shows under the HIS's with all that it has, and that can be taken back."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import User
from archive.models import Study
from tests.archive.hospital import NOW, Hospital
from tests.web.markup import read
from tests.web.pages.test_order_entry import form, send
from tests.web.pages.world import signed_in
from tests.web.rest.conftest import Api
from worklist.models import Order, Patient, PatientLink

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(user: User, hospital: Hospital) -> Client:
    return signed_in(user)


@pytest.fixture
def unknown(client: Client) -> Patient:
    """A walk-in who has an order."""
    send(client, form(client, birth_date="1970-01-02", sex="F"))
    return Patient.objects.get()


def test_the_page_finds_links_and_takes_back(client: Client, hospital: Hospital, unknown: Patient) -> None:
    anna = hospital.patient(name="BÄRS^ÄNNA")
    page = f"/patients/{unknown.public_id}"
    assert "This record is temporary" in read(client.get(page))
    assert "This record is temporary" not in read(client.get(f"/patients/{anna.public_id}"))
    assert anna.public_id in read(client.get(f"{page}/link?q=bars"))
    assert "No registered patient is found" in read(client.get(f"{page}/link?q={unknown.value}"))
    assert "Choose a patient" in read(client.post(f"{page}/link", {"reason": "card"}))
    assert "Give a reason" in read(client.post(f"{page}/link", {"patient": anna.public_id}))
    done = client.post(f"{page}/link", {"patient": anna.public_id, "reason": "identity card seen"})
    assert done["Location"] == f"/patients/{anna.public_id}"
    assert Order.objects.get().patient.current == anna  # type: ignore[union-attr]
    shown = read(client.get(f"/patients/{anna.public_id}"))
    assert f"{unknown.value} was linked to this patient here" in shown and "identity card seen" in shown
    undo = re.search(r'action="(/patients/links/[^"]+/undo)"', client.get(page).content.decode())
    assert undo is not None
    assert client.get(f"{page}/link").status_code == 302
    assert client.post(undo[1], {"reason": ""})["Location"] == f"/patients/{anna.public_id}"
    assert client.post(undo[1], {"reason": "her sister"})["Location"] == page
    assert "her sister" in read(client.get(page))
    unknown.refresh_from_db()
    assert Order.objects.get().patient.current == unknown  # type: ignore[union-attr]
    assert client.post(undo[1], {"reason": "again"})["Location"] == f"/patients/{anna.public_id}"
    assert "does not hold any more" in read(client.get("/worklist"))


def test_what_differs_is_asked_about(client: Client, hospital: Hospital, unknown: Patient) -> None:
    other = hospital.patient("P2", "REAL^RITA", birth_date="19350517")
    path = f"/patients/{unknown.public_id}/link"
    assert "The birth dates differ" in read(client.get(f"{path}?q=real"))
    said = {"patient": other.public_id, "reason": "card", "q": "real"}
    page = client.post(path, said)
    assert page.status_code == 422 and "same person all the same" in read(page)
    assert Patient.objects.filter(survivor=None).count() == 2
    assert client.post(path, {**said, "although": "yes"}).status_code == 302
    assert Patient.objects.filter(survivor=other).get() == unknown


def test_images_of_a_temporary_record_stay_its_own_by_either_number(
    user: User, hospital: Hospital, unknown: Patient
) -> None:
    api, anna = Api(user), hospital.patient()
    before = NOW - timedelta(hours=4)
    Order.objects.update(first_received_at=before, content_received_at=before)
    header = {"patient_id": unknown.value, "issuer_of_patient_id": "TEMP", "name": unknown.name}
    study = hospital.study(Order.objects.get().accession_number, **header)
    assert study.verdict == "matched"
    path = f"/patients/{unknown.public_id}"
    assert api.post(f"{path}/unlink", {"reason": "no"}, expect=409)
    linked = api.post(f"{path}/link", {"patient": anna.public_id, "reason": "identity card seen"})
    assert linked["merged_into"] == anna.public_id
    study = hospital.done(Study.objects.get())
    assert (study.verdict, study.patient.current) == ("matched", anna)
    api.post(f"{path}/link", {"patient": anna.public_id, "reason": "again"}, expect=422)
    assert api.post(f"{path}/unlink", {"reason": "her sister"})["merged_into"] is None
    study = hospital.done(Study.objects.get())
    assert (study.verdict, study.patient.current.pk) == ("matched", unknown.pk)


def test_what_the_his_has_merged_is_not_taken_back_here(client: Client, hospital: Hospital) -> None:
    hospital.patient("OLD")
    new = hospital.patient("NEW")
    hospital.merge("OLD", "NEW")
    link = PatientLink.objects.get()
    answer = client.post(f"/patients/links/{link.public_id}/undo", {"reason": "why not"})
    assert answer["Location"] == f"/patients/{new.public_id}"
    assert "only it takes that back" in read(client.get("/worklist"))
    assert Patient.objects.get(value="OLD").survivor == new
