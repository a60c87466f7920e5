"""`/hl7/messages`: what came, what was answered, what it did; again, as it came or repaired."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Facility
from interfaces.hl7.inbound import inbox
from interfaces.hl7.models import Destination, InboundMessage, OutboundMessage
from ledger.models import AuditEvent
from tests.web.rest.conftest import Api
from worklist.models import Patient

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F"


def receive(raw: bytes) -> InboundMessage:
    inbox.receive(raw, peer="127.0.0.1")
    return InboundMessage.objects.latest("id")


def send(facility: Facility) -> OutboundMessage:
    there = Destination.objects.create(name="HIS", host="127.0.0.1", port=2576)
    return OutboundMessage.objects.create(
        destination=there,
        key="1",
        message_type="ORM^O01",
        control_id="OUT1",
        facts={},
        not_before=timezone.now(),
        last_error="refused the connection",
    )


def test_an_applied_message_shows_its_effects(say: Say, api: Api) -> None:
    row = receive(say("ADT^A08^ADT_A01", PID, control_id="M1"))
    (message,) = api.get("/hl7/messages", control_id="M1")["results"]
    assert message == api.get(f"/hl7/messages/{row.public_id}")
    assert (message["direction"], message["type"], message["status"]) == ("in", "ADT^A08", "applied")
    assert (message["ack"], message["error"], message["partner"]) == ("AA", None, "HIS|GENHOSP")
    assert message["raw"].split("\r")[1] == PID
    (effect,) = message["effects"]
    assert effect["kind"] == "patient.updated"
    assert effect["about"] == [{"type": "patient", "id": Patient.objects.get().public_id}]


def test_a_message_with_an_error_says_where(say: Say, api: Api) -> None:
    receive(say("ADT^A08", PID.replace("19700102", "1970-1-2")))
    (message,) = api.get("/hl7/messages", status="failed")["results"]
    assert (message["ack"], message["error"]["code"], message["error"]["location"]) == ("AE", 102, "PID^1^7")
    assert message["error"]["text"] and message["effects"] == []


@pytest.mark.parametrize(
    ("charset", "raw", "shown"),
    [
        ("8859/1", "MÜLLER".encode("latin-1"), "MÜLLER"),
        ("UNICODE UTF-8", "МИР".encode(), "МИР"),
        ("", b"M\xdcLLER", "MÜLLER"),
        ("NONSENSE", "MÜLLER".encode(), "MÜLLER"),
        ("NONSENSE", b"M\xdcLLER", "MÜLLER"),
    ],
)
def test_every_message_can_be_shown(api: Api, say: Say, charset: str, raw: bytes, shown: str) -> None:
    content = say("ADT^A08", PID.replace("BARS", "@"), charset=charset)
    row = receive(content.replace(b"@", raw))
    assert f"{shown}^ANNA" in api.get(f"/hl7/messages/{row.public_id}")["raw"]


def test_messages_that_go_out_are_listed_with_those_that_came(say: Say, api: Api, facility: Facility) -> None:
    receive(say("ADT^A08", PID))
    send(facility)
    assert [message["direction"] for message in api.get("/hl7/messages")["results"]] == ["out", "in"]
    assert [m["direction"] for m in api.get("/hl7/messages", limit=1, offset=1)["results"]] == ["in"]
    (message,) = api.get("/hl7/messages", direction="out", status="waiting")["results"]
    assert (message["raw"], message["ack"], message["partner"]) == (None, "", "HIS")
    assert message["error"] == {"code": None, "location": "", "text": "refused the connection"}
    assert api.get("/hl7/messages", direction="in")["count"] == 1
    api.get("/hl7/messages", 422, direction="sideways")
    api.post(f"/hl7/messages/{message['id']}/replay", None, 409)


def test_a_repaired_message_is_applied_as_a_new_one(say: Say, api: Api) -> None:
    row = receive(say("ADT^A08", PID.replace("19700102", "1970-1-2"), charset="8859/1"))
    raw = api.get(f"/hl7/messages/{row.public_id}")["raw"]
    repaired = raw.replace("1970-1-2", "19700102").replace("BARS", "MÜLLER").replace("\r", "\n")
    again = api.post(f"/hl7/messages/{row.public_id}/replay", {"raw": repaired})
    assert (again["status"], again["ack"], again["replay_of"]) == ("applied", "AA", row.public_id)
    assert Patient.objects.get().name == "MÜLLER^ANNA"
    assert "MÜLLER".encode("latin-1") in bytes(InboundMessage.objects.latest("id").raw)
    assert api.get(f"/hl7/messages/{row.public_id}")["status"] == "failed", "what came stays as it was"
    assert AuditEvent.objects.get(code="110107").objects_named == [{"type": "message", "id": row.public_id}]


def test_a_message_is_applied_again_as_it_came(say: Say, api: Api) -> None:
    row = receive(say("ADT^A08", PID))
    for body in (None, {}, {"raw": None}):
        again = api.post(f"/hl7/messages/{row.public_id}/replay", body)
        assert again["replay_of"] == row.public_id and again["raw"] == bytes(row.raw).decode()


@pytest.mark.parametrize(
    "raw", ["", "nonsense", "MSH", "MSH|^~\\&|H|G|R|R|20260302||ADT^A08|1|P|2.5.1||||||8859/1\rPID|山"]
)
def test_a_repair_that_is_no_message_is_refused(say: Say, api: Api, raw: str) -> None:
    row = receive(say("ADT^A08", PID))
    problem = api.post(f"/hl7/messages/{row.public_id}/replay", {"raw": raw}, 422)
    assert problem["errors"][0]["field"] == "raw"
    assert InboundMessage.objects.count() == 1 and not AuditEvent.objects.filter(code="110107").exists()


@pytest.mark.once
def test_a_list_of_fifty_takes_as_many_queries_as_one_of_two(
    say: Say,
    api: Api,
    django_assert_max_num_queries: Any,
) -> None:
    for number in range(50):
        receive(say("ADT^A08", PID.replace("P1", f"P{number}")))
    api.get("/hl7/messages")
    with django_assert_max_num_queries(8):
        found = api.get("/hl7/messages")
    assert (found["count"], len(found["results"])) == (50, 50)
    assert all(message["effects"] for message in found["results"])


@pytest.mark.usefixtures("site")
def test_messages_are_found_by_name_field_value_and_text(say: Say, api: Api) -> None:
    for number in range(3):
        inbox.receive(say("ADT^A08", PID, control_id=f"F{number}"), peer="127.0.0.1")
    assert api.get("/hl7/messages", q="bars")["count"] == 3
    part = api.get("/hl7/messages", q="PID-5=BARS", limit=2)
    assert [one["control_id"] for one in part["results"]] == ["F2", "F1"] and part["more"]
    part = api.get("/hl7/messages", q="PID-5=BARS", limit=2, before=part["more"])
    assert [one["control_id"] for one in part["results"]] == ["F0"] and part["more"] is None
    assert api.get("/hl7/messages", q='"no such text"')["count"] == 0
    assert api.get("/hl7/messages", type="ADT^A08", partner="HIS|GENHOSP")["count"] == 3
    assert api.get("/hl7/messages", since="2999-01-01T00:00:00Z")["count"] == 0
    api.get("/hl7/messages", 422, q="PID-5=X", before="nonsense")
