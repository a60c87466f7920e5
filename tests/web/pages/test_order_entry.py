"""The form that places an order: once for each time that it is filled in."""

import re

import pytest
from django.test import Client

from accounts.models import User
from tests.archive.hospital import Hospital
from tests.web.markup import read
from tests.web.pages.world import signed_in
from worklist.models import Order, Patient

pytestmark = pytest.mark.django_db
Said = dict[str, str]


@pytest.fixture
def client(user: User, hospital: Hospital) -> Client:
    return signed_in(user)


def form(client: Client, **said: str) -> Said:
    key = re.search(r'name="key" value="([^"]+)"', read(client.get("/worklist/new-order")))
    assert key is not None
    return {"key": key[1], "patient": "unknown", "procedure_code": "71260", **said}


def send(client: Client, said: Said, expect: int = 302) -> str:
    answer = client.post("/worklist/new-order", said)
    assert answer.status_code == expect, answer.content
    return answer["Location"] if expect == 302 else read(answer)


@pytest.mark.parametrize("whom", ["unknown", "known"])
def test_a_form_that_is_sent_again_places_nothing_more(client: Client, hospital: Hospital, whom: str) -> None:
    said = form(client)
    if whom == "known":
        said["patient"] = hospital.patient().public_id
    assert send(client, said) == send(client, said)
    assert Order.objects.count() == Patient.objects.count() == 1
    Order.objects.update(status="cancelled")
    send(client, said)
    assert "was placed before and is cancelled" in read(client.get("/worklist"))
    send(client, {**said, "reason": "cough"})
    assert Order.objects.count() == 2, "what was filled in otherwise is another form"


def test_a_second_order_of_the_procedure_that_day_is_asked_about(client: Client, hospital: Hospital) -> None:
    patient = hospital.patient("OLD").public_id
    send(client, form(client, patient=patient))
    hospital.patient("NEW")
    hospital.merge("OLD", "NEW")
    again = form(client, patient=patient)
    page = send(client, again, 422)
    label = Order.objects.get().accession_number
    assert f"The patient has the open order {label} of this procedure" in page and "Place another" in page
    assert f'name="key" value="{again["key"]}"' in page
    assert "Place another" not in read(client.get("/worklist/new-order"))
    assert send(client, {**again, "another": "yes"}) == send(client, again), "placed: nothing is asked"
    assert Order.objects.count() == 2
    Order.objects.update(status="completed")
    send(client, form(client, patient=patient))
    assert Order.objects.count() == 3
