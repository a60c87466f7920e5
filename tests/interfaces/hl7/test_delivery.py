"""What goes out arrives: at least once, as the same bytes, in the order of its ordering_key.

The receiver is a real socket that follows a script: one act for each message that it reads.
"""

import itertools
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Facility
from archive.models import Study
from archive.signals import study_reconciled
from interfaces.hl7.models import Destination, OutboundMessage, OutboundStatus
from interfaces.hl7.outbound import acknowledgments, delivery, mllp_client, outbox
from interfaces.hl7.outbound.message_types import OutboundMessageType
from interfaces.hl7.outbound.messages import ORDER_STATUS
from interfaces.hl7.syntax import er7
from interfaces.hl7.wire import framing
from ledger import clock, jobs
from ledger.errors import Conflict, Invalid
from ledger.models import Event, Job, JobState
from tests.actors import integrator
from worklist.models import AssigningAuthority, Order, OrderNumber, Patient, RequestedProcedure

pytestmark = pytest.mark.django_db(transaction=True)

Act = Callable[[socket.socket, str], bool]
"""What the receiver does with a connection and an MSH-10; False closes the connection."""


def answer(code: str, error: str = "", control_id: str = "") -> Act:
    def act(peer: socket.socket, sent: str) -> bool:
        err = f"ERR|||{error}|E\r" if error else ""
        text = f"MSH|^~\\&|THEM||||20260302||ACK|1|P|2.5.1\rMSA|{code}|{control_id or sent}\r{err}"
        peer.sendall(framing.frame(text.encode()))
        return True

    return act


def both(*acts: Act) -> Act:
    return lambda peer, sent: all([act(peer, sent) for act in acts])


def says(data: bytes) -> Act:
    return lambda peer, sent: peer.sendall(data) is None


def late(peer: socket.socket, sent: str) -> bool:
    time.sleep(0.4)
    try:
        return answer("AA")(peer, sent)
    except OSError:
        return False


def silent(peer: socket.socket, sent: str) -> bool:
    return True


def closes(peer: socket.socket, sent: str) -> bool:
    return False


AA = answer("AA")


class Receiver:
    """Listens, notes every payload and does the next act of its script; after its end it says AA."""

    def __init__(self) -> None:
        self.script: list[Act] = []
        self.received: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.start()

    def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._peers: list[socket.socket] = []
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        for each in (self._listener, *self._peers):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    @property
    def ids(self) -> list[str]:
        return [er7.read_header(payload).control_id for payload in self.received]

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            self._peers.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        deframer = framing.Deframer()
        with peer:
            try:
                while data := peer.recv(65536):
                    for payload in deframer.feed(data):
                        self.received.append(payload)
                        act = self.script.pop(0) if self.script else AA
                        if not act(peer, er7.read_header(payload).control_id):
                            return
            except OSError:
                return


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def pacs(receiver: Receiver, facility: Facility, monkeypatch: pytest.MonkeyPatch) -> Destination:
    monkeypatch.setattr(mllp_client, "ANSWER_WAIT", 0.25)
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 0.15)
    monkeypatch.setattr(delivery, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(mllp_client, "SILENCE_FOR_CR", 0.05)
    delivery.register()
    return Destination.objects.create(
        name="HIS", host="127.0.0.1", port=receiver.port, application="HIS", facility_name="GEN|EAST"
    )


numbers = itertools.count(1)


def enqueue(ordering_key: str = "", **patient: Any) -> OutboundMessage:
    """A message with the facts of an order in process."""
    number = next(numbers)
    facts = {
        "about": [("order", f"o{number}")],
        "facility": "GENHOSP",
        "control": "SC",
        "status": "IP",
        "placer": [f"P{number}", "HIS"],
        "filler": ["F^1", "R&S"],
        "accession_number": "A|1",
        "patient": {
            "identifier": "00~4711",
            "type": "MR",
            "authority": ["GEN&CO", "1.2.3", "ISO"],
            "name": "O'Neil^Jörg\\n^M^Dr.^III=鈴木^一郎",
            "birth_date": "197001",
            "sex": "",
            **patient,
        },
        "procedures": [
            {
                "id": "RP1",
                "code": "CT^1",
                "scheme": "99L",
                "description": "Head | neck\r\nMSH|x",
                "start": "",
            },
            {
                "id": "RP2",
                "code": "CT2",
                "scheme": "99L",
                "description": "Thorax",
                "start": "20260302080000+0000",
            },
        ],
        "study_instance_uid": "1.2.3.4",
        "study_started": "20260302081500",
        "when": "20260302082000+0000",
    }
    with transaction.atomic():
        outbox.enqueue(message_type=ORDER_STATUS, key=f"k{number}", facts=facts, ordering_key=ordering_key)
    return OutboundMessage.objects.get(key=f"k{number}")


def deliver(rounds: int = 1) -> Job:
    """Run the job as the workers would, as often as it becomes due, at most `rounds` times."""
    job = Job.objects.get(kind=outbox.JOB, key="HIS")
    for _ in range(rounds):
        ends = time.monotonic() + 0.5
        while not Job.objects.filter(pk=job.pk, not_before__lte=clock.now()).exists():
            assert time.monotonic() < ends, "not due within the longest pause"
            time.sleep(0.01)
        jobs.run(job.pk)
        job.refresh_from_db()
        if job.state == JobState.DONE:
            break
    return job


def happened(kind: str) -> int:
    return Event.objects.filter(kind=kind).count()


def test_a_message_is_delivered_with_its_answer(pacs: Destination, receiver: Receiver) -> None:
    message = enqueue()
    assert deliver().state == JobState.DONE
    message.refresh_from_db()
    assert message.status == OutboundStatus.DELIVERED
    assert (message.ack_code, message.attempts) == ("AA", 1)
    assert b"MSA|AA|" + message.control_id.encode() in bytes(message.ack)
    assert receiver.received == [bytes(message.raw)]
    assert Event.objects.filter(kind="hl7.message_delivered", subjects__type="order").exists()
    assert not happened("hl7.queue_standing") and not happened("hl7.queue_moving")


def test_a_commit_acknowledgment_suffices(pacs: Destination, receiver: Receiver) -> None:
    """2.9.3: with CA the receiver has stored it."""
    receiver.script = [answer("CA")]
    message = enqueue()
    deliver()
    message.refresh_from_db()
    assert message.status == OutboundStatus.DELIVERED


def test_many_go_over_one_connection_in_their_order(pacs: Destination, receiver: Receiver) -> None:
    sent = [enqueue(ordering_key=f"p{n % 3}").control_id for n in range(9)]
    deliver()
    assert receiver.ids == sent
    assert receiver.connections == 1


def test_asking_twice_makes_one_message_for_each_active_destination(pacs: Destination) -> None:
    Destination.objects.create(name="EMR", host="127.0.0.1", port=1)
    Destination.objects.create(name="OLD", host="127.0.0.1", port=1, is_active=False)
    for _ in range(2):
        with transaction.atomic():
            outbox.enqueue(message_type=ORDER_STATUS, key="k", facts={})
    rows = OutboundMessage.objects.order_by("destination__name")
    assert [row.destination.name for row in rows] == ["EMR", "HIS"]
    assert all(re.fullmatch("[A-Z2-7]{20}", row.control_id) for row in rows)
    assert rows[0].control_id != rows[1].control_id
    assert set(Job.objects.values_list("kind", "key")) == {("hl7.deliver", "EMR"), ("hl7.deliver", "HIS")}


def test_what_is_rolled_back_is_not_sent(pacs: Destination) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        outbox.enqueue(message_type=ORDER_STATUS, key="k", facts={})
        raise RuntimeError
    assert not OutboundMessage.objects.exists() and not Job.objects.exists()


@pytest.mark.parametrize(
    "trouble",
    [
        late,
        silent,
        closes,
        says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        says(framing.frame(b"\xff\xfe\x00garbage")),
        says(framing.frame(b"MSH|^~\\&|A\rMSA|AA\r")),
        says(b"\x0bMSH|^~\\&|half an ack"),
        says(b"x" * 100_000),
        answer("AA", control_id="ANOTHER"),
        answer("XX"),
    ],
    ids=["late", "never", "closes", "http", "garbage", "no MSA-2", "half", "flood", "wrong id", "wrong code"],
)
def test_what_is_no_answer_counts_for_nothing(pacs: Destination, receiver: Receiver, trouble: Act) -> None:
    receiver.script = [trouble]
    first, second = enqueue(), enqueue()
    job = deliver()
    first.refresh_from_db()
    assert (job.state, job.errors) == (JobState.RETRY, 0)
    assert first.status == OutboundStatus.WAITING and first.last_error and not first.ack
    assert happened("hl7.queue_standing") == 1
    deliver(rounds=3)
    assert receiver.ids == [first.control_id, first.control_id, second.control_id]
    assert receiver.received[0] == receiver.received[1]
    first.refresh_from_db()
    assert (first.status, first.attempts, first.last_error) == (OutboundStatus.DELIVERED, 2, "")
    assert happened("hl7.queue_moving") == 1


def test_the_right_answer_is_taken_from_among_others(pacs: Destination, receiver: Receiver) -> None:
    receiver.script = [both(says(b"junk"), answer("AE", control_id="OTHER"), AA)]
    message = enqueue()
    deliver()
    message.refresh_from_db()
    assert (message.status, message.ack_code) == (OutboundStatus.DELIVERED, "AA")


def test_an_answer_without_its_last_byte_counts(pacs: Destination, receiver: Receiver) -> None:
    def act(peer: socket.socket, sent: str) -> bool:
        peer.sendall(framing.frame(f"MSH|^~\\&|T\rMSA|AA|{sent}\r".encode())[:-1])
        return True

    receiver.script = [act]
    message = enqueue()
    deliver()
    message.refresh_from_db()
    assert message.status == OutboundStatus.DELIVERED


@pytest.mark.parametrize(
    ("code", "error", "status"),
    [
        ("AE", "", "held"),
        ("AE", "207^^HL70357", "held"),
        ("CE", "", "held"),
        ("AR", "204^^HL70357", "held"),
        ("AR", "205^^HL70357", "held"),
        ("AR", "101^^HL70357", "held"),
        ("AR", "200^^HL70357", "stopped"),
        ("AR", "203^^HL70357", "stopped"),
        ("CR", "", "stopped"),
    ],
)
def test_a_refused_message_waits_for_a_person_and_its_lane_with_it(
    pacs: Destination, receiver: Receiver, code: str, error: str, status: str
) -> None:
    receiver.script = [answer(code, error)]
    first, same, other, none = enqueue("ann"), enqueue("ann"), enqueue("ben"), enqueue()
    assert deliver().state == JobState.DONE
    first.refresh_from_db()
    assert (first.status, first.ack_code) == (status, code)
    assert first.last_error.startswith(code)
    assert happened(f"hl7.message_{status}") == 1
    assert receiver.ids == [first.control_id, other.control_id, none.control_id]
    outbox.release(first, by=integrator("anna"), reason="mapped")
    deliver()
    assert receiver.ids[3:] == [first.control_id, same.control_id]
    assert receiver.received[3] == receiver.received[0]


@pytest.mark.parametrize("error", ["206^^HL70357", "207^^HL70357", "", "500^ours"])
def test_a_receiver_that_is_busy_gets_the_same_bytes_again(
    pacs: Destination, receiver: Receiver, error: str
) -> None:
    receiver.script = [answer("AR", error)]
    first, same, other = enqueue("ann"), enqueue("ann"), enqueue("ben")
    deliver(rounds=3)
    assert receiver.ids == [first.control_id, other.control_id, first.control_id, same.control_id]
    assert receiver.received[0] == receiver.received[2]
    first.refresh_from_db()
    assert (first.status, first.attempts) == (OutboundStatus.DELIVERED, 2)
    assert not happened("hl7.queue_standing")


def test_a_receiver_that_refuses_everything_is_left_alone_for_a_while(
    pacs: Destination, receiver: Receiver
) -> None:
    receiver.script = [answer("AR", "207")] * 3
    sent = [enqueue(f"p{n}").control_id for n in range(5)]
    assert deliver().state == JobState.RETRY
    assert receiver.ids == sent[:3]
    assert happened("hl7.queue_standing") == 1
    deliver(rounds=5)
    assert set(receiver.ids[3:]) == set(sent) and len(receiver.ids) == 8
    assert happened("hl7.queue_moving") == 1


def test_an_error_of_before_2_5_is_understood() -> None:
    """2.15.5.1: ERR-1 has the code in its fourth component; MSA-6 in the versions before."""
    ack = b"MSH|^~\\&|T\rMSA|AR|X|text\rERR|PID^1^3^204&Unknown\r"
    found = acknowledgments.read_answer(ack)
    assert found and (found.errors, found.status, found.text) == ({204}, OutboundStatus.HELD, "text")
    found = acknowledgments.read_answer(b"MSH|^~\\&|T\rMSA|AR|X||||203\r")
    assert found and found.status == OutboundStatus.STOPPED


def test_nobody_listens_and_that_is_told_once(pacs: Destination, receiver: Receiver) -> None:
    receiver.stop()
    message = enqueue()
    for _ in range(4):
        assert deliver().state == JobState.RETRY
    pacs.refresh_from_db()
    message.refresh_from_db()
    assert pacs.stalled_since and happened("hl7.queue_standing") == 1
    assert message.attempts == 4 and "no connection" in message.last_error
    receiver.start()
    assert deliver(rounds=2).state == JobState.DONE
    pacs.refresh_from_db()
    assert receiver.received == [bytes(OutboundMessage.objects.get().raw)]
    assert pacs.stalled_since is None and happened("hl7.queue_moving") == 1


def test_a_new_message_does_not_shorten_the_pause(
    pacs: Destination, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 60.0)
    monkeypatch.setattr(delivery, "LONGEST_PAUSE", 60.0)
    receiver.script = [closes]
    first = enqueue("ann")
    deliver()
    enqueue("ben")
    job = deliver()
    assert receiver.ids == [first.control_id]
    assert job.state == JobState.NEW and job.not_before > clock.now() + timedelta(seconds=40)


def test_the_pause_doubles_up_to_five_minutes() -> None:
    longest = [delivery._pause(OutboundMessage(attempts=n)).total_seconds() for n in (1, 2, 5, 9, 500)]
    for pause, most in zip(longest, [1, 2, 16, 256, 300], strict=True):
        assert 0.75 * most <= pause <= most


def test_a_receiver_that_restarts_gets_everything(pacs: Destination, receiver: Receiver) -> None:
    def restart(peer: socket.socket, sent: str) -> bool:
        receiver.stop()
        receiver.start()
        return False

    receiver.script = [AA, restart]
    sent = [enqueue("ann").control_id for _ in range(4)]
    deliver(rounds=4)
    assert list(dict.fromkeys(receiver.ids)) == sent
    assert len(receiver.ids) == 5
    assert not OutboundMessage.objects.exclude(status=OutboundStatus.DELIVERED).exists()


def test_a_receiver_may_close_after_each_message(pacs: Destination, receiver: Receiver) -> None:
    def answer_and_close(peer: socket.socket, sent: str) -> bool:
        return AA(peer, sent) and False

    receiver.script = [answer_and_close] * 4
    for _ in range(4):
        enqueue()
    assert deliver().state == JobState.DONE
    assert not happened("hl7.queue_standing")


def test_a_drain_is_bounded_and_goes_on(
    pacs: Destination, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "DRAIN", 0.0)
    for _ in range(3):
        enqueue()
    job = deliver()
    assert job.state == JobState.NEW and not receiver.received
    monkeypatch.setattr(delivery, "DRAIN", 20.0)
    assert deliver().state == JobState.DONE
    assert len(receiver.received) == 3


def test_a_sender_that_lost_its_claim_stops(
    pacs: Destination, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = enqueue()
    enqueue()
    renew = jobs.renew

    def lost_after_first(claim: jobs.Claim) -> bool:
        if receiver.received:
            Job.objects.filter(pk=claim.id).update(claim_no=claim.claim_no + 1)
        return renew(claim)

    monkeypatch.setattr(jobs, "renew", lost_after_first)
    deliver()
    assert receiver.ids == [first.control_id]


def test_the_claim_is_renewed_while_an_answer_is_awaited(
    pacs: Destination, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = []
    renew = jobs.renew
    monkeypatch.setattr(mllp_client, "KEEP_EVERY", 0.05)
    monkeypatch.setattr(jobs, "renew", lambda claim: renewed.append(1) or renew(claim))
    receiver.script = [silent]
    enqueue()
    deliver()
    assert len(renewed) >= 4


class Killed(BaseException):
    """Ends a worker in the midst, as SIGKILL does: nothing after it runs but what closes sockets."""


@pytest.mark.parametrize(
    ("place", "duplicates"),
    [("oru.before_send", 0), ("oru.after_send", 1), ("oru.after_ack", 1), ("oru.after_commit", 0)],
)
def test_a_killed_sender_repeats_at_most_one_message(
    pacs: Destination, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, place: str, duplicates: int
) -> None:
    def kill(name: str) -> None:
        if name == place:
            raise Killed

    sent = [enqueue("ann").control_id for _ in range(3)]
    with monkeypatch.context() as patch, pytest.raises(Killed):
        for module in (delivery, mllp_client):
            patch.setattr(module, "crashpoint", kill)
        deliver()
    assert Job.objects.get().state == JobState.CLAIMED
    Job.objects.update(lease_until=clock.now() - timedelta(seconds=1))
    assert deliver().state == JobState.DONE
    ends = time.monotonic() + 0.4
    while len(receiver.received) < 3 + duplicates and time.monotonic() < ends:
        time.sleep(0.01)
    assert sorted(receiver.ids) == sorted(sent + sent[:duplicates])
    assert len(set(receiver.received)) == 3
    assert happened("hl7.message_delivered") == 3


def test_bytes_are_frozen_before_the_first_sending(pacs: Destination, receiver: Receiver) -> None:
    receiver.script = [closes]
    message = enqueue()
    deliver()
    Destination.objects.update(version="2.3.1", application="RENAMED")
    deliver(rounds=2)
    assert receiver.received[0] == receiver.received[1]
    message.refresh_from_db()
    assert message.status == OutboundStatus.DELIVERED


def test_what_can_not_be_written_is_held(pacs: Destination, receiver: Receiver) -> None:
    stranger = OutboundMessageType("of another version", "XXX^Y01", lambda *of: [], lambda facts: ("", ""))
    with transaction.atomic():
        outbox.enqueue(message_type=stranger, key="k", facts={})
    other = enqueue()
    deliver()
    message = OutboundMessage.objects.get(key="k")
    assert message.status == OutboundStatus.HELD and "nobody writes" in message.last_error
    assert message.raw is None
    assert receiver.ids == [other.control_id]


def test_people_hold_skip_and_resend(pacs: Destination, receiver: Receiver) -> None:
    first, second = enqueue("ann"), enqueue("ann")
    outbox.hold(first, by=integrator("anna"), reason="wait for the merge")
    deliver()
    assert receiver.ids == []
    outbox.skip(first, by=integrator("anna"), reason="not needed")
    deliver()
    outbox.resend(second, by=integrator("anna"), reason="lost over there")
    deliver()
    assert receiver.ids == [second.control_id, second.control_id]
    assert receiver.received[0] == receiver.received[1]
    assert Event.objects.get(kind="hl7.message_skipped").actor == "anna"
    with pytest.raises(Conflict):
        outbox.hold(second, by=integrator("anna"), reason="too late")


def test_values_survive_their_separators(pacs: Destination, receiver: Receiver) -> None:
    """2.7: what looks like a delimiter or a segment end in a value is none on the wire."""
    enqueue()
    deliver()
    message = er7.parse(receiver.received[0])
    assert [segment.name for segment in message.segments] == ["MSH", "PID", "ORC", "OBR", "ORC", "OBR", "ZDS"]
    expected = {
        "MSH-3": "RISPACS",
        "MSH-4": "GENHOSP",
        "MSH-5": "HIS",
        "MSH-6": "GEN|EAST",
        "MSH-9.3": "ORM_O01",
        "MSH-12": "2.5.1",
        "MSH-18": "UNICODE UTF-8",
        "PID-3": "00~4711",
        "PID-3.4.1": "GEN&CO",
        "PID-3.4.2": "1.2.3",
        "PID-3.5": "MR",
        "PID-5.1": "O'Neil",
        "PID-5.2": "Jörg\\n",
        "PID-5.4": "III",
        "PID-5.5": "Dr.",
        "PID-5.8": "A",
        "PID-5[2].1": "鈴木",
        "PID-5[2].8": "I",
        "PID-7": "197001",
        "PID-8": "U",
        "ORC-1": "SC",
        "ORC-3": "F^1",
        "ORC-3.2": "R&S",
        "ORC-5": "IP",
        "ORC[2]-7.4": "20260302080000+0000",
        "OBR-4": "CT^1",
        "OBR-4.2": "Head | neck\r\nMSH|x",
        "OBR-7": "20260302081500",
        "OBR-18": "A|1",
        "OBR[2]-19": "RP2",
        "OBR[2]-36": "20260302080000+0000",
        "ZDS-1": "1.2.3.4",
        "ZDS-1.4": "DICOM",
    }
    assert {path: message.get(path) for path in expected} == expected


@pytest.mark.parametrize("version", ["2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6"])
def test_a_message_is_written_in_the_version_of_its_destination(pacs: Destination, version: str) -> None:
    pacs.version = version
    message = enqueue()
    raw = outbox.write(message, pacs)
    assert raw == outbox.write(OutboundMessage.objects.get(pk=message.pk), pacs)
    header = er7.read_header(raw)
    assert (header.version, header.structure) == (version, "ORM_O01" if version > "2.3" else "")
    assert er7.parse(raw).get("PID-5[2].1") == ("" if version < "2.3.1" else "鈴木")


def test_a_version_that_lacks_the_message_is_an_error(pacs: Destination) -> None:
    message = enqueue()
    for version in ("2.8", "9.9"):
        pacs.version = version
        with pytest.raises(Invalid):
            outbox.write(message, pacs)


def test_an_unknown_name_is_said_to_be_unspecified(pacs: Destination) -> None:
    """PID-5 is required (3.4.2.5); HL70200 has U for a name that is not known."""
    assert er7.parse(outbox.write(enqueue(name=""), pacs)).get("PID-5.7") == "U"


def test_a_reconciled_study_tells_that_its_orders_are_in_process(
    pacs: Destination, facility: Facility, receiver: Receiver
) -> None:
    authority = AssigningAuthority.objects.create(namespace="GEN")
    survivor = Patient.objects.create(facility=facility, authority=authority, value="1", name="Doe^Jane")
    retired = Patient.objects.create(facility=facility, authority=authority, value="2", survivor=survivor)
    now = timezone.now()
    order = Order.objects.create(
        facility=facility,
        patient=retired,
        accession_number="ACC1",
        first_received_at=now,
        status="started",
    )
    OrderNumber.objects.create(order=order, kind="placer", value="P1", namespace="HIS")
    study = Study.objects.create(
        facility=facility,
        study_instance_uid="1.2.840.1",
        study_date="20260302",
        study_time="081500.123",
        first_received_at=now,
        last_received_at=now,
    )
    for number in (1, 2):
        study.procedures.add(
            RequestedProcedure.objects.create(
                order=order, requested_procedure_id=f"RP{number}", study_instance_uid="1.2.840.1"
            )
        )
    for _ in range(2):
        with transaction.atomic():
            study_reconciled.send(sender=None, study=study, outcome="matched", origin_text="verdict:1")
    message = OutboundMessage.objects.get()
    assert message.key == f"study:1.2.840.1:order:{order.public_id}:IP"
    assert message.ordering_key == survivor.public_id
    deliver()
    arrived = er7.parse(receiver.received[0])
    found = {
        path: arrived.get(path) for path in ("PID-3", "PID-5", "ORC-2", "ORC-2.2", "OBR-18", "OBR[2]-19")
    }
    assert found == {
        "PID-3": "1",
        "PID-5": "Doe",
        "ORC-2": "P1",
        "ORC-2.2": "HIS",
        "OBR-18": "ACC1",
        "OBR[2]-19": "RP2",
    }
    assert (arrived.get("OBR-7"), arrived.get("ZDS-1")) == ("20260302081500+0100", "1.2.840.1")
