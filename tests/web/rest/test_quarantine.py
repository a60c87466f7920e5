"""`/quarantine`, and its page."""

import pytest

from accounts.models import User
from archive.models import Instance, Quarantined
from tests.archive.conftest import home
from tests.archive.dataset.builders import encoded, image
from tests.archive.objects import take
from tests.web.pages.world import signed_in
from tests.web.rest.conftest import Api

__all__ = ["home"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]


@pytest.fixture
def row() -> Quarantined:
    take()
    take(encoded(image(PixelData=bytes(32))))
    return Quarantined.objects.get()


def test_objects_are_found_released_discarded_and_restored(api: Api, row: Quarantined) -> None:
    body = {"ids": [row.public_id], "reason": "numbers used twice"}
    assert [one["id"] for one in api.get("/quarantine", text="CT1")["results"]] == [row.public_id]
    (done,) = api.post("/quarantine/discard", body)["results"]
    assert (done["refused"], done["object"]["state"]) == ("", "discarded")
    assert api.get("/quarantine")["count"] == 0 and api.get("/quarantine", state="discarded")["count"] == 1
    api.post("/quarantine/restore", body)
    (done,) = api.post("/quarantine/release", body)["results"]
    assert done["object"]["released_as"] and Instance.objects.count() == 2
    (done,) = api.post("/quarantine/release", body)["results"]
    assert "already" in done["refused"]
    api.post("/quarantine/release", {**body, "ids": ["x"]}, 422)
    api.post("/quarantine/release", {**body, "study_instance_uid": "1.2.3.99"}, 422)
    api.post("/quarantine/discard", {**body, "reason": ""}, 422)


def test_the_page_decides_on_what_is_selected(user: User, row: Quarantined) -> None:
    client, path = signed_in(user), "/administration/quarantine"
    shown = client.get(path).content.decode()
    assert row.public_id in shown and "Release selected" in shown
    values = {"id": [row.public_id], "reason": "numbers used twice", "next": path}
    assert client.post(f"{path}/decide", {**values, "act": "discard"}).status_code == 302
    assert "Discarded: 1." in client.get(f"{path}?state=discarded").content.decode()
    client.post(f"{path}/decide", {**values, "act": "restore"})
    assert client.post(f"{path}/decide", {**values, "act": "release", "study": "1.9.9"}).status_code == 422
    assert client.post(f"{path}/decide", {**values, "act": "release", "reason": ""}).status_code == 422
    assert client.post(f"{path}/decide", {**values, "act": "burn"}).status_code == 422
    client.post(f"{path}/decide", {**values, "act": "release"})
    row.refresh_from_db()
    assert (row.state, Instance.objects.count()) == ("released", 2)
    client.post(f"{path}/decide", {**values, "act": "release"})
    assert "Not released: 1" in client.get(path).content.decode()
