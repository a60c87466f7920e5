"""The work list on pages: groups, acts on groups and messages, a bulk replay, a paused destination."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Facility, Role, User
from interfaces.hl7.inspect import bulk_replay
from interfaces.hl7.models import BulkReplay, Destination, InboundMessage
from ledger import jobs
from ledger.models import Job
from tests.interfaces.hl7 import conftest as senders
from tests.web.markup import read
from tests.web.pages.test_messages import send
from tests.web.pages.world import person, signed_in
from tests.web.pages.world import receive as make_row

pytestmark = pytest.mark.django_db
site = senders.site
RAW = (
    b"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|20260302||ADT^A08|M%d|P|2.5.1\rPID|1||P1^^^GENHOSP^MR||A^B||1970-1-2|F\r"
)


def fail(number: int) -> InboundMessage:
    return make_row(
        number,
        raw=RAW % number,
        message_type="ADT^A08",
        status="failed",
        ack_code="AE",
        error_code=102,
        error_location="PID^1^7",
        error_text="no date",
        received_at=timezone.now() - timedelta(minutes=90 - number),
    )


def page(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, response.content[:2000]
    return read(response)


def group_in(text: str) -> str:
    found = re.search(r"/messages/work/([0-9a-f]{16})", text)
    assert found
    return found[1]


def test_an_empty_list_says_how_it_fills(user: User) -> None:
    text = page(signed_in(user), "/messages/work")
    assert "Nothing to do" in text and "until they are repaired" in text
    assert "Nothing of this group is left" in page(signed_in(user), "/messages/work/0123456789abcdef")


@pytest.mark.parametrize("role", list(Role))
def test_the_list_is_for_those_who_integrate(facility: Facility, role: Role) -> None:
    row, client = fail(1), signed_in(person(facility, role))
    may = role in (Role.INTEGRATOR, Role.ADMINISTRATOR)
    assert client.get("/messages/work").status_code == (200 if may else 403)
    answer = client.post("/messages/work/acts", {"act": "done", "id": row.public_id})
    assert answer.status_code == (302 if may else 403)
    row.refresh_from_db()
    assert row.settled == ("done" if may else "")


def test_chosen_messages_and_whole_groups_leave_the_list_and_come_back_by_undo(user: User) -> None:
    rows, client = [fail(number) for number in range(3)], signed_in(user)
    text = page(client, "/messages/work")
    assert "102 PID-7" in text and "HIS · GENHOSP" in text and "3 messages" in text
    key = group_in(text)
    assert page(client, f"/messages/work/{key}").count('name="id"') == 3
    here = {"next": f"/messages/work/{key}", "group": key}
    acts = "/messages/work/acts"
    assert client.post(acts, {**here, "act": "done", "scope": "selected"}).status_code == 422
    assert client.post(acts, {**here, "act": "ignore", "scope": "group"}).status_code == 422
    assert client.post(acts, {**here, "act": "explode", "scope": "group"}).status_code == 409
    client.post(acts, {**here, "act": "done", "scope": "selected", "id": rows[0].public_id})
    text = page(client, f"/messages/work/{key}")
    assert "1 message marked as done." in text and text.count('name="id"') == 2
    undo = re.search(r'action="(/messages/work/put-back\?ids=[0-9a-f]{32})"', text)
    assert undo
    assert "Off the work list: done." in page(client, f"/messages/{rows[0].public_id}")
    client.post(undo[1])
    assert "On the" in page(client, f"/messages/{rows[0].public_id}")
    assert page(client, f"/messages/work/{key}").count('name="id"') == 3
    client.post(acts, {**here, "act": "ignore", "scope": "group", "reason": "test patients"})
    assert "Nothing of this group is left" in page(client, f"/messages/work/{key}")
    assert set(InboundMessage.objects.values_list("settled", flat=True)) == {"ignored"}


def test_messages_are_assigned_and_found_by_whose_they_are(user: User) -> None:
    rows, client = [fail(number) for number in range(2)], signed_in(user)
    key = group_in(page(client, "/messages/work"))
    data = {"act": "assign", "scope": "selected", "id": rows[0].public_id, "to": "anna", "group": key}
    client.post("/messages/work/acts", data)
    assert page(client, f"/messages/work/{key}?whose=mine").count('name="id"') == 1
    assert "1 message" in page(client, "/messages/work?whose=nobody")
    assert client.post("/messages/work/acts", {**data, "to": "nobody-of-this-name"}).status_code == 409


def test_messages_that_a_destination_refused_are_released_or_skipped_together(user: User) -> None:
    rows, client = [send("held", number, last_error="AE 204 unknown") for number in range(3)], signed_in(user)
    key = group_in(page(client, "/messages/work"))
    here = {"group": key, "reason": "mapped there now"}
    client.post("/messages/work/acts", {**here, "act": "skip", "id": rows[0].public_id})
    client.post("/messages/work/acts", {**here, "act": "release", "scope": "group"})
    for row in rows:
        row.refresh_from_db()
    assert [row.status for row in rows] == ["skipped", "waiting", "waiting"]
    assert "Nothing to do" in page(client, "/messages/work")


@pytest.mark.usefixtures("site")
def test_a_bulk_replay_shows_how_far_it_is_and_where_it_stopped(user: User) -> None:
    rows, client = [fail(number) for number in range(3)], signed_in(user)
    InboundMessage.objects.filter(pk=rows[0].pk).update(raw=(RAW % 0).replace(b"1970-1-2", b"19700102"))
    key = group_in(page(client, "/messages/work"))
    data = {"act": "replay", "scope": "group", "group": key, "reason": "the site file", "stop": "on"}
    answer = client.post("/messages/work/acts", data)
    run = BulkReplay.objects.get()
    assert answer["Location"] == f"/messages/replays/{run.public_id}"
    text = page(client, answer["Location"])
    assert "Replay of 3 messages" in text and "3 waiting" in text and "the site file" in text
    jobs.run(Job.objects.get(kind=bulk_replay.JOB).pk)
    text = page(client, answer["Location"])
    assert "1 applied, 1 failed" in text and "Stopped at" in text and "Continue with the next" in text
    assert "102 PID-7" in page(client, f"{answer['Location']}?failed")
    assert client.post(f"{answer['Location']}/explode").status_code == 404
    assert client.post(f"{answer['Location']}/go-on").status_code == 302
    assert client.post(f"{answer['Location']}/go-on").status_code == 409
    assert client.post(f"{answer['Location']}/stop").status_code == 302
    assert "2 messages" in page(client, "/messages/work") and "1 of 3" in page(client, "/messages/work")
    assert client.get("/messages/replays/nothing").status_code == 404


def test_a_destination_is_paused_for_a_reason_and_resumed(user: User) -> None:
    send()
    client, there = signed_in(user), "/messages/destinations/HIS"
    assert client.post(f"{there}/pause", {}).status_code == 422
    assert client.post(f"{there}/pause", {"reason": "they move"}).status_code == 302
    text = page(client, there)
    assert "they move" in text and "Messages wait in order until somebody resumes" in text
    assert "paused" in page(client, "/messages/interfaces") and "HIS is paused" in page(client, "/status")
    assert client.post(f"{there}/pause", {"reason": "again"}).status_code == 409
    assert client.post(f"{there}/try-now").status_code == 409
    assert client.post(f"{there}/resume").status_code == 302
    assert client.post(f"{there}/resume").status_code == 409
    assert Destination.objects.get().paused_since is None
    assert client.post("/messages/destinations/NOBODY/pause", {"reason": "x"}).status_code == 404
