"""Enhanced mode (HL7 v2.5.1 2.9.3): stored, then applied, told by two acknowledgments; in and out."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.models import Destination, InboundMessage, OutboundMessage, OutboundStatus, Source
from interfaces.hl7.outbound import acknowledgments, delivery, outbox
from interfaces.hl7.site import HL7InFile
from ledger import clock
from ledger.models import Event, Job
from tests.interfaces.hl7.test_delivery import AA, Receiver, answer, both, deliver, enqueue, pacs, receiver
from tests.interfaces.hl7.test_mllp import Running, running
from worklist.models import Patient

__all__ = ["pacs", "receiver", "running"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F"
WRONG = PID.replace("19700102", "yesterday")


@pytest.fixture(autouse=True)
def enhanced(site: object) -> Iterator[None]:
    declare()
    yield
    sources._kept.clear()


def declare(**options: object) -> None:
    Source.objects.update(options={**Source.objects.get().options, "enhanced": True, **options})
    sources._kept.clear()


def wanting(raw: bytes, accept: str, application: str) -> bytes:
    """The message with MSH-15 and MSH-16."""
    msh, rest = raw.split(b"\r", 1)
    end = msh.index(b"|2.5.1") + 6
    return msh[:end] + f"|||{accept}|{application}".encode() + b"\r" + rest


def exchange(raw: bytes) -> list[str]:
    """MSA-1 of all that is sent back, in its order."""
    sent: list[bytes] = []
    last = inbox.receive(raw, peer="", accept=lambda place, answer: sent.append(answer))
    return [code(one) for one in [*sent, last or b""] if one]


def code(ack: bytes) -> str:
    return next(s for s in ack.decode().split("\r") if s.startswith("MSA")).split("|")[1]


@pytest.mark.parametrize(
    ("accept", "application", "fine", "wrong", "unsupported"),
    [
        ("AL", "AL", ["CA", "AA"], ["CA", "AE"], ["CR"]),
        ("AL", "NE", ["CA"], ["CE"], ["CR"]),
        ("AL", "ER", ["CA"], ["CA", "AE"], ["CR"]),
        ("NE", "AL", ["AA"], ["AE"], ["AR"]),
        ("NE", "NE", [], [], []),
        ("ER", "ER", [], ["AE"], ["CR"]),
        ("SU", "SU", ["CA", "AA"], [], []),
        ("", "", ["AA"], ["AE"], ["AR"]),
    ],
)
def test_a_sender_gets_what_msh_15_and_16_ask_for_and_the_same_when_it_repeats(
    say: Say, accept: str, application: str, fine: list[str], wrong: list[str], unsupported: list[str]
) -> None:
    messages = [say("ADT^A08", PID), say("ADT^A08", WRONG), say("ADT^A99", PID)]
    for _ in range(2):
        told = [exchange(wanting(raw, accept, application)) for raw in messages]
        assert told == [fine, wrong, unsupported]
    assert InboundMessage.objects.filter(status="applied").count() == 1, "told or not"


def test_what_is_accepted_is_stored_and_not_yet_applied(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []

    def accept(place: int, ack: bytes) -> None:
        seen.append((code(ack), Patient.objects.count()))

    raw = wanting(say("ADT^A08", PID), "AL", "AL")
    ended = inbox.receive(raw, peer="", accept=accept)
    assert seen == [("CA", 0)] and code(ended or b"") == "AA" and Patient.objects.count() == 1


def test_the_two_acknowledgments_are_messages_of_their_own(say: Say) -> None:
    sent: list[bytes] = []
    raw = wanting(say("ADT^A08", PID, control_id="7"), "AL", "AL")
    last = inbox.receive(raw, peer="", accept=lambda place, ack: sent.append(ack))
    ids = {ack.split(b"|")[9] for ack in (*sent, last or b"")}
    assert len(ids) == 2 and all(b"|7\r" in ack for ack in (*sent, last or b""))


def test_both_come_over_the_wire_and_the_senders_acceptance_of_the_second_ends_it(
    running: Running, say: Say
) -> None:
    with running.peer() as peer:
        peer.send(wanting(say("ADT^A08", PID, control_id="1"), "AL", "AL"))
        assert [peer.read(), peer.read()] == ["CA 1", "AA 1"]
        own = bytes(InboundMessage.objects.get().ack).split(b"|")[9].decode()
        peer.send(say("ACK^A08", f"MSA|CA|{own}"), wanting(say("ADT^A08", PID, control_id="2"), "AL", "NE"))
        assert peer.read() == "CA 2", "an accept acknowledgment is never acknowledged"
    assert InboundMessage.objects.filter(message_type="ACK^A08", status="applied").exists()


def test_application_acknowledgments_go_to_a_destination_where_the_source_says_so(
    say: Say, pacs: Destination, receiver: Receiver
) -> None:
    declare(application_acks="HIS")
    assert exchange(wanting(say("ADT^A08", PID, control_id="1"), "AL", "AL")) == ["CA"]
    assert exchange(wanting(say("ADT^A08", WRONG, control_id="2"), "AL", "AL")) == ["CA"]
    assert exchange(wanting(say("ADT^A08", PID, control_id="1"), "AL", "AL")) == ["CA"]
    receiver.script = [answer("CA"), answer("CA")]
    deliver()
    first, second = [text.decode().split("\r") for text in receiver.received]
    assert first[0].split("|")[8] == "ACK^A08^ACK" and first[0].split("|")[14:16] == ["AL", "NE"]
    assert first[1] == "MSA|AA|1" and second[1].startswith("MSA|AE|2")
    assert second[2].split("|")[2:5] == ["PID^1^7", "102^^HL70357", "E"]
    assert set(OutboundMessage.objects.values_list("status", flat=True)) == {"delivered"}


def test_the_destination_of_acknowledgments_has_to_be_there() -> None:
    source = {"name": "HIS", "enhanced": True, "application_acks": "HIS"}
    with pytest.raises(ValueError, match="application_acks"):
        HL7InFile.model_validate({"sources": [source]})
    HL7InFile.model_validate({"sources": [source], "destinations": [{"name": "HIS", "address": "h:1"}]})


# As sender


@pytest.fixture
def asks(pacs: Destination) -> Destination:
    """A destination that answers in enhanced mode."""
    pacs.options = {"enhanced": True, "application_wait": 60}
    pacs.save()
    return pacs


def state(message: OutboundMessage) -> tuple[str, str]:
    message.refresh_from_db()
    return message.status, message.ack_code


def happened(kind: str) -> int:
    return Event.objects.filter(kind=f"hl7.{kind}").count()


@pytest.mark.parametrize(
    ("script", "status", "alarm"),
    [
        (both(answer("CA"), AA), ("delivered", "AA"), 0),
        (both(answer("CA"), answer("AE", "102")), ("held", "AE"), 1),
        (both(answer("CA"), answer("AR", "207")), ("held", "AR"), 1),
        (AA, ("delivered", "AA"), 0),
        (answer("CR"), ("stopped", "CR"), 0),
    ],
)
def test_a_message_counts_as_delivered_once_it_was_applied_there(
    asks: Destination, receiver: Receiver, script: Any, status: tuple[str, str], alarm: int
) -> None:
    receiver.script = [script]
    message = enqueue()
    deliver()
    assert state(message) == status and happened("message_refused_later") == alarm
    assert receiver.received[0].split(b"\r")[0].split(b"|")[14:16] == [b"AL", b"AL"]


def test_ca_then_ae_is_held_even_where_nobody_declared_enhanced_mode(
    pacs: Destination, receiver: Receiver
) -> None:
    receiver.script = [both(answer("CA"), answer("AE", "102"))]
    message = enqueue()
    deliver()
    assert state(message) == ("held", "AE") and happened("message_refused_later") == 1


def test_the_application_may_answer_to_our_listener(
    asks: Destination, receiver: Receiver, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "DRAIN", 0.4)
    receiver.script = [answer("CA"), answer("CA")]
    first, second, other = enqueue("A"), enqueue("A"), enqueue("B")
    deliver()
    assert [state(one)[0] for one in (first, second, other)] == ["accepted", "waiting", "accepted"]
    assert inbox.receive(say("ACK^O01", f"MSA|AA|{first.control_id}"), peer="") == b""
    assert inbox.receive(say("ACK^O01", f"MSA|AE|{other.control_id}"), peer="") == b""
    assert state(first) == ("delivered", "AA") and state(other) == ("held", "AE")
    assert Job.objects.get(kind=outbox.JOB).state == "new", "what had to follow it may go"
    deliver()
    assert state(second)[0] == "delivered"


def test_what_is_never_confirmed_is_held_and_told(
    asks: Destination, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "DRAIN", 0.3)
    receiver.script = [answer("CA")]
    message = enqueue()
    deliver()
    assert acknowledgments.hold_unconfirmed() == 0 and state(message)[0] == "accepted"
    later = clock.now() + timedelta(seconds=61)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert acknowledgments.hold_unconfirmed() == 1
    assert state(message)[0] == "held" and happened("message_unconfirmed") == 1
    assert message.last_error


def test_an_answer_that_comes_after_all_releases_what_was_held_for_it(asks: Destination, say: Say) -> None:
    message = enqueue()
    OutboundMessage.objects.update(status=OutboundStatus.HELD, ack_code="CA")
    inbox.receive(say("ACK^O01", f"MSA|AA|{message.control_id}"), peer="")
    assert state(message) == ("delivered", "AA")


@pytest.mark.parametrize(
    ("msa", "error"),
    [
        ("MSA|AA|NEVERSENTFROMHERE", 204),
        ("MSA|AA|", 101),
        ("MSA|YES|X", 103),
        ("MSA|CA|0123456789ABCDEF0123", 204),
    ],
)
def test_an_acknowledgment_of_nothing_is_told_as_such(say: Say, msa: str, error: int) -> None:
    assert inbox.receive(say("ACK^O01", msa), peer="") == b""
    assert InboundMessage.objects.get().error_code == error
    assert happened("stray_acknowledgment_received") == 1


def test_a_wrong_msa_2_on_our_connection_is_told_once_and_counts_for_nothing(
    pacs: Destination, receiver: Receiver
) -> None:
    elsewhere = OutboundMessage.objects.create(
        destination=Destination.objects.create(name="EMR", host="h", port=1, is_active=False),
        key="k",
        kind="results",
        message_type="ORU^R01",
        control_id="OFANOTHER",
        facts={},
        not_before=clock.now(),
    )
    receiver.script = [both(answer("AA", control_id="OFANOTHER"), answer("AA", control_id="X"), AA)]
    message = enqueue()
    deliver()
    assert state(message)[0] == "delivered" and state(elsewhere)[0] == "waiting"
    event = Event.objects.get(kind="hl7.stray_acknowledgment")
    assert event.details == {"code": "AA", "named": "OFANOTHER"}
