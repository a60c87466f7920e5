"""Messages on pages: the list, a message taken apart, repair and replay, what goes out."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Facility, Role, User
from interfaces.hl7 import hl7_events
from interfaces.hl7.inbound import inbox, message_index
from interfaces.hl7.inspect import named_patient, work_list
from interfaces.hl7.models import Destination, InboundMessage, OutboundMessage
from interfaces.hl7.outbound import delivery_queues
from ledger.models import AuditEvent, Event
from tests.interfaces.hl7 import conftest as senders
from tests.web.markup import read
from tests.web.pages.world import person, signed_in
from tests.web.pages.world import receive as make_row
from web.pages.messages.message_rows import listed
from worklist.models import Order, Patient

pytestmark = pytest.mark.django_db
Say = Callable[..., bytes]
say, site = senders.say, senders.site
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F"
SCRIPT = "<script>alert(1)</script>"


def receive(raw: bytes) -> InboundMessage:
    inbox.receive(raw, peer="127.0.0.1")
    return InboundMessage.objects.latest("id")


def send(status: str = "waiting", number: int = 1, **values: Any) -> OutboundMessage:
    there, _ = Destination.objects.get_or_create(name="HIS", defaults={"host": "127.0.0.1", "port": 2576})
    row = OutboundMessage.objects.create(
        destination=there,
        key=str(number),
        message_type="ORU^R01^ORU_R01",
        control_id=f"OUT{number}",
        not_before=timezone.now(),
        status=status,
        **{"facts": {"about": [["patient", "x"]]}, **values},
    )
    message_index.keep_told(row)
    return row


def page(client: Client, path: str, expect: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == expect, response.content[:2000]
    return read(response)


def ids(text: str) -> list[str]:
    return re.findall(r'<tr id="message-([0-9a-f]{32})"', text)


# Who may


@pytest.mark.parametrize("role", list(Role))
def test_messages_are_for_those_who_integrate(facility: Facility, role: Role) -> None:
    client = signed_in(person(facility, role))
    row = make_row(1)
    may = role in (Role.INTEGRATOR, Role.ADMINISTRATOR)
    for path in ("", f"/{row.public_id}", f"/{row.public_id}/raw", f"/{row.public_id}/repair"):
        assert client.get(f"/messages{path}").status_code == (200 if may else 403)
    answer = client.post(f"/messages/{row.public_id}/replay", {"reason": "x"})
    assert answer.status_code in ((302,) if may else (403,))
    assert InboundMessage.objects.count() == (2 if may else 1)


@pytest.mark.parametrize("path", ["/messages/nonsense", "/messages/" + "0" * 32, "/messages/ä"])
def test_where_there_is_no_message_there_is_a_page(user: User, path: str) -> None:
    assert signed_in(user).get(path).status_code == 404


# The list


def test_an_empty_list_says_how_it_fills(user: User, settings: Any) -> None:
    settings.HL7_ADDRESS = ("127.0.0.1", 2575)
    client = signed_in(user)
    assert "A HIS sends to 127.0.0.1:2575" in page(client, "/messages")
    assert "No results with these filters" in page(client, "/messages?q=NOBODY")


@pytest.mark.usefixtures("site")
def test_a_row_says_who_what_and_with_which_effect(user: User, say: Say) -> None:
    row = receive(
        say(
            "ORM^O01",
            PID,
            "PV1|1|O",
            "ORC|NW|PL1^HIS",
            "OBR|1|PL1^HIS||70450^CT^C4" + "|" * 14 + "A1" + "|" * 6 + "CT",
        )
    )
    text = page(signed_in(user), "/messages")
    assert ids(text) == [row.public_id]
    patient, order = Patient.objects.get(), Order.objects.get()
    for part in (
        "HIS · GENHOSP",
        "ORM^O01",
        "BARS, ANNA",
        "A1",
        "applied",
        'class="ack AA"',
        "patient, order",
    ):
        assert part in text, part
    assert f"/patients/{patient.public_id}" in text and f"/orders/{order.public_id}" in text


@pytest.mark.usefixtures("site")
def test_a_message_in_trouble_names_its_patient_all_the_same(user: User, say: Say) -> None:
    receive(say("ADT^A08", PID))
    receive(say("ADT^A08", PID.replace("19700102", "1970-1-2")))
    text = page(signed_in(user), "/messages?status=trouble")
    assert len(ids(text)) == 1 and "102 PID-7" in text
    assert f"/patients/{Patient.objects.get().public_id}" in text


ANNAS_ORDER = "ORC|NW|PL1^HIS", "OBR|1|PL1^HIS||70450^CT^C4" + "|" * 14 + "A1" + "|" * 6 + "CT"
OTTO = "PID|1||P999^^^GENHOSP^MR||ÖTTER^OTTO||19700102|M"


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("is_here", [False, True])
def test_a_message_names_whom_it_says_and_not_whose_the_order_is(user: User, say: Say, is_here: bool) -> None:
    receive(say("ORM^O01", PID, *ANNAS_ORDER))
    if is_here:
        receive(say("ADT^A08", OTTO))
    row = receive(say("ORM^O01", OTTO, *ANNAS_ORDER))
    client, anna = signed_in(user), Patient.objects.get(value="P1")
    (group,) = work_list.groups()
    for path in ("/messages?status=trouble", f"/messages/work/{group.key}", f"/messages/{row.public_id}"):
        text = page(client, path)
        assert "ÖTTER, OTTO" in text and "P999" in text and "BARS, ANNA P1" in text.replace("</a>", ""), path
        if is_here:
            assert f"/patients/{Patient.objects.get(value='P999').public_id}" in text
    (shown,) = listed([row])
    assert (shown.patient.text, shown.patient.more, bool(shown.patient.url)) == (
        "ÖTTER, OTTO",
        "P999",
        is_here,
    )
    assert shown.error_text == "the order is another patient's; A1 is of BARS, ANNA P1"
    assert shown.anothers.url == f"/patients/{anna.public_id}"
    assert ids(page(client, "/messages?q=otter&status=trouble")) == [row.public_id]
    assert ids(page(client, "/messages?q=Ötter,+ot"))[0] == row.public_id
    assert row.public_id not in ids(page(client, "/messages?q=bars"))


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("authority", ["OTHER", "GENHOSP"])
def test_a_number_of_another_authority_leads_to_nobody(user: User, say: Say, authority: str) -> None:
    receive(say("ADT^A08", PID))
    row = receive(say("ADT^A08", PID.replace("GENHOSP", authority).replace("19700102", "1970-1-2")))
    (shown,) = listed([row])
    assert (shown.patient.more, bool(shown.patient.url)) == ("P1", authority == "GENHOSP")


def test_a_search_for_a_name_reads_as_many_failed_messages_as_it_says(
    user: User, site: Any, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [receive(say("ADT^A08", OTTO.replace("19700102", "1970-1-2"))) for _ in range(3)]
    monkeypatch.setattr(named_patient, "LOOKED", 2)
    assert ids(page(signed_in(user), "/messages?q=otter")) == [one.public_id for one in rows[:0:-1]]


def test_filters_and_order_are_in_the_url(user: User) -> None:
    now = timezone.now()
    old = make_row(1, received_at=now - timedelta(days=3), message_type="ADT^A08", source="RIS|X")
    bad = make_row(2, status="failed", error_code=102, error_location="PID^1^7", error_text="no date")
    out = send()
    client = signed_in(user)
    every = [out.public_id, bad.public_id, old.public_id]
    for query, wanted in {
        "": every,
        "sort=received": every[::-1],
        "direction=in": every[1:],
        "direction=out": every[:1],
        "status=failed": [bad.public_id],
        "status=trouble": [bad.public_id],
        "error=102": [bad.public_id],
        "type=ADT^A08": [old.public_id],
        "partner=RIS|X": [old.public_id],
        "partner=HIS": [out.public_id],
        "time=day": every[:2],
        "q=MSG2": [bad.public_id],
        "q=OUT1": [out.public_id],
        "until=2020-01-01T00:00": [],
        "since=2020-01-01T00:00": every,
        "since=nonsense&sort=nonsense&status=nonsense&error=x&page=x": every,
        "page=99": every,
    }.items():
        assert ids(page(client, f"/messages?{query}")) == wanted, query
    assert 'aria-sort="descending"' in page(client, "/messages?sort=-type")


def test_a_long_list_is_parted(user: User, django_assert_max_num_queries: Any) -> None:
    for number in range(120):
        make_row(number)
    client = signed_in(user)
    page(client, "/messages")
    with django_assert_max_num_queries(40):
        text = page(client, "/messages?page=2")
    assert len(ids(text)) == 50 and "51–100 of 120" in text
    assert AuditEvent.objects.filter(code="110112").exists()


# One message


@pytest.mark.usefixtures("site")
def test_a_message_is_shown_with_its_error_at_its_field(user: User, say: Say) -> None:
    row = receive(say("ADT^A08", PID.replace("19700102", "1970-1-2")))
    text = page(signed_in(user), f"/messages/{row.public_id}")
    assert "102 at" in text and '<a href="#line-2">PID-7</a>' in text
    assert text.count("<mark>1970-1-2</mark>") == 2, "in the raw line and in the tree"
    assert "Date time of birth" in text and "Patient identifier list" in text
    assert "MSA|AE|" in text and "It has no effect." in text


@pytest.mark.usefixtures("site")
def test_effects_lead_to_what_they_changed_and_back(user: User, say: Say) -> None:
    row = receive(say("ADT^A08", PID))
    client = signed_in(user)
    text = page(client, f"/messages/{row.public_id}")
    patient = f"/patients/{Patient.objects.get().public_id}"
    assert patient in text
    assert f"/messages/{row.public_id}" in page(client, patient)


@pytest.mark.usefixtures("site")
def test_a_message_full_of_script_does_nothing(user: User, say: Say) -> None:
    msh = f"MSH|^~\\&|{SCRIPT}|{SCRIPT}|RIS|RAD|20260302||ADT^A08|{SCRIPT}|P|2.5.1"
    pid = f"PID|{SCRIPT}|{SCRIPT}|{SCRIPT}^^^GENHOSP^MR|{SCRIPT}|{SCRIPT}^{SCRIPT}|{SCRIPT}|19700102|{SCRIPT}"
    for last in (pid, pid + f"\r{SCRIPT}|x", pid.replace("19700102", SCRIPT)):
        row = receive(f"{msh}\r{last}\r".encode())
        client = signed_in(user)
        for path in ("", f"/{row.public_id}", f"/{row.public_id}/repair", f"/{row.public_id}/segments/2"):
            text = page(client, f"/messages{path}")
            assert SCRIPT not in text and "alert(1)" in text
        raw = client.get(f"/messages/{row.public_id}/raw")
        assert raw["Content-Type"].startswith("text/plain") and raw["X-Content-Type-Options"] == "nosniff"
        checked = client.post(f"/messages/{row.public_id}/check", {"text": f"MSH|^~\\&|{SCRIPT}"})
        assert SCRIPT not in read(checked)


def test_a_huge_message_stays_usable(user: User) -> None:
    notes = "\r".join(f"NTE|{number}||{'words ' * 35}" for number in range(4500))
    raw = f"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|20260302||ADT^A08|BIG|P|2.5.1\r{PID}\r{notes}\r".encode()
    assert len(raw) > 950_000
    row = make_row(1, raw=raw)
    client = signed_in(user)
    text = page(client, f"/messages/{row.public_id}")
    assert len(text) < 400_000 and "Segments 1–250 of 4502 are shown" in text
    assert text.count("<details data-src=") == 238
    assert "words" in page(client, f"/messages/{row.public_id}/segments/4000")
    assert "Segments 4501–4502" in page(client, f"/messages/{row.public_id}?from=4500")
    assert "Segments 1–250" in page(client, f"/messages/{row.public_id}?from=999999")
    page(client, f"/messages/{row.public_id}/segments/5000", 404)
    document = make_row(2, raw=b"MSH|^~\\&|HIS\rOBX|1|ED|PDF||^^PDF^Base64^" + b"QUJD" * 250_000)
    text = page(client, f"/messages/{document.public_id}")
    assert len(text) < 30_000 and "more characters" in text


@pytest.mark.parametrize(
    "raw", [b"", b"\x00\x01\xff\xfe\x80", bytes(range(256)), b"MSH|", b"MSH|^^^^|\xff\rPID|\x0b"]
)
def test_rubbish_can_be_looked_at(user: User, raw: bytes) -> None:
    row = make_row(1, raw=raw, control_id="", message_type="", status="refused", ack_code="AR")
    client = signed_in(user)
    text = page(client, f"/messages/{row.public_id}")
    assert "without control ID" in text and "\x00" not in text
    assert client.get(f"/messages/{row.public_id}/raw?bytes").content == raw
    page(client, f"/messages/{row.public_id}/repair")
    assert ids(page(client, "/messages")) == [row.public_id]


# Repair and replay


@pytest.mark.usefixtures("site")
def test_a_message_is_repaired_from_ae_to_aa(user: User, say: Say) -> None:
    row = receive(say("ADT^A08", PID.replace("19700102", "1970-1-2"), charset="8859/1"))
    before = InboundMessage.objects.filter(pk=row.pk).values().get()
    client = signed_in(user)
    shown = page(client, f"/messages/{row.public_id}/repair")
    assert "1970-1-2" in shown and "No differences from the original" in shown
    text = (
        bytes(row.raw)
        .decode()
        .replace("1970-1-2", "19700102")
        .replace("BARS", "MÜLLER")
        .replace("\r", "\r\n")
    )
    checked = read(client.post(f"/messages/{row.public_id}/check", {"text": text}))
    assert "Valid" in checked and "<del>1970-1-2</del>" in checked and "<ins>19700102</ins>" in checked
    assert InboundMessage.objects.count() == 1, "a check applies nothing"
    answer = client.post(f"/messages/{row.public_id}/replay", {"text": text, "reason": "dashes"})
    again = InboundMessage.objects.latest("id")
    assert answer["Location"] == f"/messages/{again.public_id}"
    assert (row.ack_code, again.ack_code, again.replay_of_id) == ("AE", "AA", row.pk)
    assert Patient.objects.get().name == "MÜLLER^ANNA" and "MÜLLER".encode("latin-1") in bytes(again.raw)
    assert InboundMessage.objects.filter(pk=row.pk).values().get() == before | {"settled": "replayed"}
    shown = page(client, f"/messages/{again.public_id}")
    assert "Applied as a new message, answered AA" in shown and f"/messages/{row.public_id}" in shown
    shown = page(client, f"/messages/{row.public_id}")
    assert f"/messages/{again.public_id}" in shown and "dashes" in shown and "by Anna" in shown
    assert AuditEvent.objects.get(code="110107").actor == "anna"


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not begin with MSH"),
        ("nonsense", "does not begin with MSH"),
        ("MSH|^~\\&|H|G|R|R|20260302||ADT^A08|1|P|2.5.1||||||8859/1\nPID|山", "not in character set"),
        ("MSH|^~\\&|H|G|R|R|20260302||XXX^A08|1|P|2.5.1", "type is not taken"),
        ("MSH|^~\\&|H|G|R|R|20260302||ADT^A08||P|2.5.1", "control ID is missing"),
    ],
)
def test_a_repair_that_will_not_do_says_so_before(user: User, say: Say, text: str, says: str) -> None:
    row = receive(say("ADT^A08", PID))
    client = signed_in(user)
    assert says in read(client.post(f"/messages/{row.public_id}/check", {"text": text}))
    assert says in read(client.post(f"/messages/{row.public_id}/repair", {"text": text}))


@pytest.mark.usefixtures("site")
def test_a_replay_needs_a_reason_and_a_message(user: User, say: Say) -> None:
    row, out = receive(say("ADT^A08", PID)), send()
    client = signed_in(user)
    assert client.post(f"/messages/{row.public_id}/replay", {}).status_code == 422
    assert client.post(f"/messages/{row.public_id}/replay", {"reason": "x", "text": "no"}).status_code == 422
    assert client.post(f"/messages/{out.public_id}/replay", {"reason": "x"}).status_code == 404
    assert InboundMessage.objects.count() == 1 and not AuditEvent.objects.filter(code="110107").exists()
    assert client.post(f"/messages/{row.public_id}/replay", {"reason": "x"}).status_code == 302
    assert bytes(InboundMessage.objects.latest("id").raw) == bytes(row.raw)


# What goes out


def test_a_message_that_goes_out_shows_facts_bytes_and_what_may_be_done(user: User) -> None:
    raw = b"MSH|^~\\&|RISPACS\rPID|1||P1"
    ack = b"MSH|^~\\&|HIS\rMSA|AE|OUT1\rERR||PID^1^3|204|E"
    row = send("held", raw=raw, ack=ack, ack_code="AE", attempts=2, last_error="AE 204 unknown")
    text = page(signed_in(user), f"/messages/{row.public_id}")
    for part in ("AE 204 unknown", "at PID-3", "<mark>P1</mark>", "MSA|AE|OUT1", "Release…", "Skip…"):
        assert part in text, part
    assert "Hold…" not in text and "Resend…" not in text
    fresh = send(number=2)
    assert "written when it is first sent" in page(signed_in(user), f"/messages/{fresh.public_id}")


@pytest.mark.parametrize(
    ("before", "act", "after"),
    [
        ("waiting", "hold", "held"),
        ("waiting", "skip", "skipped"),
        ("held", "release", "waiting"),
        ("stopped", "skip", "skipped"),
        ("delivered", "resend", "waiting"),
    ],
)
def test_people_steer_what_goes_out(user: User, before: str, act: str, after: str) -> None:
    row = send(before)
    client = signed_in(user)
    url = f"/messages/{row.public_id}/{act}"
    assert client.post(url, {"reason": " "}).status_code == 422
    assert client.post(url, {"reason": "told by phone"}).status_code == 302
    row.refresh_from_db()
    assert row.status == after
    event = Event.objects.get(subjects__type="message", kind__startswith="hl7.message")
    assert (event.actor, event.details["reason"]) == ("Anna", "told by phone")
    assert AuditEvent.objects.filter(objects_named=[{"type": "message", "id": row.public_id}]).exists()
    assert client.post(url, {"reason": "again"}).status_code == 409
    assert client.get(url).status_code == 405


def test_acts_that_do_not_fit_are_refused(user: User) -> None:
    client = signed_in(user)
    inbound, row = make_row(1), send()
    assert client.post(f"/messages/{inbound.public_id}/hold", {"reason": "x"}).status_code == 404
    assert client.post(f"/messages/{row.public_id}/explode", {"reason": "x"}).status_code == 404


def test_a_queue_says_how_long_it_is_and_why_it_stands(user: User) -> None:
    stuck = send("held", ordering_key="L", last_error="AE 204 unknown patient")
    waiting = [send(number=number, ordering_key="L") for number in (2, 3)]
    send("delivered", number=4)
    Destination.objects.update(stalled_since=timezone.now())
    client = signed_in(user)
    text = page(client, "/messages/destinations/HIS")
    assert ids(text) == [stuck.public_id, *(row.public_id for row in waiting)]
    assert "AE 204 unknown patient" in text and "Sending stopped" in text
    shown = page(client, "/messages")
    assert "sending stopped" in shown and "1 needs a decision, 2 behind" in shown
    page(client, "/messages/destinations/NOBODY", 404)


def test_a_paused_destination_has_no_next_try(user: User) -> None:
    row = send(attempts=1, last_error="gone")
    Destination.objects.update(paused_since=timezone.now(), paused_why="upgrade")
    client = signed_in(user)
    text = page(client, "/messages/destinations/HIS") + page(client, f"/messages/{row.public_id}")
    assert "just now" not in re.findall(r"<tbody>.*?</tbody>", text)[0].partition("waiting")[2]
    assert "Sending is paused" in text and "by itself" not in text
    assert delivery_queues.queue_of(Destination.objects.get()).next_try is None


@pytest.mark.usefixtures("site")
def test_a_place_is_written_in_one_way(user: User, say: Say) -> None:
    wrong = PID.replace("19700102", "1970-1-2")
    row = receive(say("ADT^A08", wrong))
    for path in ("", "/repair"):
        text = page(signed_in(user), f"/messages/{row.public_id}{path}")
        assert "PID-7" in text and "PID^1^7" not in text.replace("|PID^1^7|", "")  # as it was answered
    said = hl7_events.LEFT_OUT.say({"locations": ["PID^1^7", "OBR^2^4^1^1", "somewhere"]})
    assert said.endswith("at PID-7, OBR[2]-4.1, somewhere")
