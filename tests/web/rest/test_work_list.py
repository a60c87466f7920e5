"""`/hl7/work-list`, `/hl7/replays`, `/hl7/destinations`: what engineers do on the pages, by programs."""

from collections.abc import Callable

import pytest

from accounts.models import Facility, Role, User
from interfaces.hl7.inbound import inbox
from interfaces.hl7.inspect import bulk_replay
from interfaces.hl7.models import Destination, InboundMessage
from ledger import jobs
from ledger.models import Job
from tests.web.pages.test_messages import send
from tests.web.rest.conftest import Api

pytestmark = pytest.mark.django_db
Say = Callable[..., bytes]
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||{}|F"


def receive(say: Say, number: int, birth_date: str = "1970-1-2") -> InboundMessage:
    inbox.receive(say("ADT^A08", PID.format(birth_date), control_id=f"W{number}"), peer="127.0.0.1")
    return InboundMessage.objects.latest("id")


@pytest.mark.usefixtures("site")
def test_messages_are_worked_off_by_group_and_by_id(say: Say, api: Api) -> None:
    rows = [receive(say, number) for number in range(3)]
    (group,) = api.get("/hl7/work-list")["results"]
    assert (group["code"], group["place"], group["number"]) == ("102", "PID-7", 3)
    found = api.get(f"/hl7/work-list/{group['id']}", limit=2)
    assert found["count"] == 3 and [one["control_id"] for one in found["results"]] == ["W0", "W1"]
    act = {"act": "ignore", "ids": [rows[0].public_id], "reason": "a test"}
    assert api.post("/hl7/work-list/acts", act) == {"changed": 1}
    assert api.post("/hl7/work-list/acts", act | {"act": "put-back"}) == {"changed": 1}
    assert api.post("/hl7/work-list/acts", {"act": "assign", "group": group["id"], "to": "anna"}) == {
        "changed": 3
    }
    api.post("/hl7/work-list/acts", {"act": "ignore", "group": group["id"]}, 422)
    api.post("/hl7/work-list/acts", {"act": "done", "ids": ["0" * 32]}, 422)
    api.post("/hl7/work-list/acts", {"act": "done", "group": group["id"], "ids": []})
    assert api.get("/hl7/work-list")["count"] == 0
    api.get(f"/hl7/work-list/{group['id']}", 404)


@pytest.mark.usefixtures("site")
def test_a_replay_says_how_far_it_is(say: Say, api: Api) -> None:
    rows = [receive(say, number) for number in range(2)]
    body = {"ids": [row.public_id for row in rows], "reason": "try"}
    run = api.post("/hl7/replays", body)
    assert (run["state"], run["total"]) == ("running", 2)
    api.post("/hl7/replays", body, 409)
    jobs.run(Job.objects.get(kind=bulk_replay.JOB).pk)
    run = api.get(f"/hl7/replays/{run['id']}")
    assert (run["state"], run["failed"]) == ("stopped", 1)
    assert api.get(f"/hl7/messages/{run['failures'][0]}")["replay_of"] == rows[0].public_id
    assert api.post(f"/hl7/replays/{run['id']}/continue", {"reason": "go on"})["state"] == "running"
    assert api.post(f"/hl7/replays/{run['id']}/stop", {"reason": "enough"})["state"] == "ended"
    api.get("/hl7/replays/nothing", 404)


def test_destinations_and_messages_to_them_are_steered(api: Api, facility: Facility) -> None:
    row = send("held", last_error="AE 204")
    assert api.post("/hl7/destinations/HIS/pause", {"reason": "they move"})["paused_since"]
    api.post("/hl7/destinations/HIS/pause", {"reason": "they move"}, 409)
    api.post("/hl7/destinations/HIS/try-now", None, 409)
    assert api.post("/hl7/destinations/HIS/resume", {"reason": "moved"})["paused_since"] is None
    api.post("/hl7/destinations/HIS/try-now")
    assert api.post(f"/hl7/messages/{row.public_id}/release", {"reason": "x"})["status"] == "waiting"
    assert api.post(f"/hl7/messages/{row.public_id}/hold", {"reason": "x"})["status"] == "held"
    api.post(f"/hl7/messages/{row.public_id}/explode", {"reason": "x"}, 404)
    group = api.get("/hl7/work-list")["results"][0]["id"]
    api.post("/hl7/work-list/acts", {"act": "skip", "group": group}, 422)
    assert api.post("/hl7/work-list/acts", {"act": "skip", "group": group, "reason": "x"}) == {"changed": 1}


def test_who_may_not_see_messages_changes_nothing(employ: Callable[..., User], facility: Facility) -> None:
    row, api = send("held"), Api(employ("tess", Role.TECHNOLOGIST))
    api.get("/hl7/work-list", 403)
    api.post("/hl7/destinations/HIS/pause", {"reason": "x"}, 403)
    api.post(f"/hl7/messages/{row.public_id}/release", {"reason": "x"}, 403)
    assert Destination.objects.get().paused_since is None
