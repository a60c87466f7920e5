"""The inbox: stored, then applied, then answered; a repeat has no second effect."""

import time
from collections.abc import Callable

import pytest
from django.db import OperationalError

from interfaces.hl7.inbound import inbox, sources, triggers
from interfaces.hl7.models import InboundMessage, Source
from ledger.models import Event
from worklist.models import Order, Patient

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F"


def receive(raw: bytes) -> bytes:
    answer = inbox.receive(raw, peer="127.0.0.1")
    assert answer is not None
    return answer


def field(answer: bytes, segment: str, n: int) -> str:
    found = next(s for s in answer.decode().split("\r") if s.startswith(segment))
    return found.split("|")[n]


def test_an_applied_message_is_kept_and_accepted(say: Say) -> None:
    raw = say("ADT^A08^ADT_A01", PID)
    answer = receive(raw)
    message = InboundMessage.objects.get()
    assert (field(answer, "MSA", 1), field(answer, "MSA", 2)) == ("AA", message.control_id)
    assert field(answer, "MSH", 8) == "ACK^A08^ACK"
    assert bytes(message.raw) == raw and bytes(message.ack) == answer
    assert message.status == "applied" and Patient.objects.get().name == "BARS^ANNA"
    assert Event.objects.filter(source=f"hl7:{message.public_id}", kind="patient.updated").exists()


def test_the_same_bytes_get_the_same_answer_and_have_no_second_effect(say: Say) -> None:
    raw = say("ADT^A08", PID)
    assert receive(raw) == receive(raw) == receive(raw)
    message = InboundMessage.objects.get()
    assert message.times_received == 3 and Event.objects.count() == 1


def test_other_bytes_under_the_same_control_id_are_processed_and_flagged(say: Say) -> None:
    receive(say("ADT^A08", PID, control_id="1"))
    receive(say("ADT^A08", PID.replace("ANNA", "ANNE"), at=1, control_id="1"))
    flags = InboundMessage.objects.order_by("id").values_list("control_id_reused", flat=True)
    assert list(flags) == [False, True] and Patient.objects.get().name == "BARS^ANNE"


@pytest.mark.parametrize(
    ("kind", "segments", "code", "error", "location", "status"),
    [
        ("ADT^A08", ["PID|1||||BARS^ANNA"], "AE", "101", "PID^1^3", "failed"),
        ("ADT^A08", [PID.replace("19700102", "1970-1-2")], "AE", "102", "PID^1^7", "failed"),
        ("ADT^A08", [PID.replace("19700102", "yesterday")], "AE", "102", "PID^1^7", "failed"),
        ("ADT^A08", [], "AE", "100", "PID", "failed"),
        ("ADT^A40", [PID, "MRG|P1^^^GENHOSP^MR"], "AR", "205", "MRG^1^1", "refused"),
        ("SIU^S18", [PID], "AR", "201", "MSH^1^9^1^2", "refused"),
        ("ZZZ^Z01", [PID], "AR", "200", "MSH^1^9", "refused"),
        ("ORM^O01", [PID], "AE", "100", "ORC", "failed"),
        ("ORM^O01", [PID, "ORC|NW", "OBR|1"], "AE", "101", "ORC^1^2", "failed"),
        ("ORM^O01", [PID, "ORC|OC|PL1^HIS"], "AE", "103", "ORC^1^1", "failed"),
    ],
)
def test_what_can_not_be_applied_is_answered_with_its_place_and_kept(
    say: Say, kind: str, segments: list[str], code: str, error: str, location: str, status: str
) -> None:
    answer = receive(say(kind, *segments))
    message = InboundMessage.objects.get()
    assert field(answer, "MSA", 1) == code == message.ack_code
    assert field(answer, "ERR", 3).split("^")[0] == error
    assert field(answer, "ERR", 2) == location == message.error_location
    assert (message.status, str(message.error_code)) == (status, error)
    assert not Patient.objects.exists() and not Order.objects.exists(), "nothing was changed"


def test_a_message_without_control_id_is_refused_and_kept(say: Say) -> None:
    answer = receive(say("ADT^A08", PID, control_id=""))
    assert (field(answer, "MSA", 1), field(answer, "MSA", 2)) == ("AR", "")
    assert field(answer, "ERR", 3).startswith("101")
    assert InboundMessage.objects.get().status == "refused"


def test_without_msh_there_is_no_answer() -> None:
    assert inbox.receive(b"PID|1||P1\r", peer="") is None
    assert not InboundMessage.objects.exists()


def test_bytes_that_do_not_decode_are_an_error_with_their_position(say: Say) -> None:
    raw = say("ADT^A08", PID, charset="UNICODE UTF-8").replace(b"BARS", b"B\xffRS")
    answer = receive(raw)
    assert field(answer, "MSA", 1) == "AE" and field(answer, "ERR", 2).startswith("PID^1^5")


def test_an_unexpected_error_is_ar_207_and_says_nothing_of_the_patient(
    say: Say, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(reading: object) -> None:
        raise RuntimeError(PID)

    monkeypatch.setitem(triggers.TRIGGERS, ("ADT", "A08"), fail)  # type: ignore[arg-type]
    answer = receive(say("ADT^A08", PID))
    assert (field(answer, "MSA", 1), field(answer, "ERR", 3)[:3]) == ("AR", "207")
    assert "BARS" not in caplog.text and b"BARS" not in answer


def test_a_broken_transaction_is_tried_again(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = triggers.TRIGGERS["ADT", "A08"], []

    def once(reading: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise OperationalError("deadlock detected")
        return real(reading)  # type: ignore[arg-type]

    monkeypatch.setitem(triggers.TRIGGERS, ("ADT", "A08"), once)  # type: ignore[arg-type]
    assert field(receive(say("ADT^A08", PID)), "MSA", 1) == "AA"
    assert len(calls) == 2


def test_a_message_left_behind_is_applied_later_and_given_up_after_three_deaths(say: Say) -> None:
    receive(say("ADT^A08", PID))
    left = {"status": "received", "ack": b"", "received_at": "2026-03-02T08:00:00Z"}
    InboundMessage.objects.update(**left)
    assert inbox.waits() and inbox.batch() == 1
    assert InboundMessage.objects.get().status == "applied" and not inbox.waits()
    InboundMessage.objects.update(**left, attempts=3)
    inbox.batch()
    message = InboundMessage.objects.get()
    assert (message.status, message.error_code, message.ack_code) == ("failed", 207, "AR")
    assert "died 3 times" in message.error_text


def test_what_was_left_behind_and_comes_again_is_applied_at_once(say: Say) -> None:
    raw = say("ADT^A08", PID)
    receive(raw)
    InboundMessage.objects.update(status="received", ack=b"")
    assert field(receive(raw), "MSA", 1) == "AA"
    message = InboundMessage.objects.get()
    assert (message.status, message.times_received, message.attempts) == ("applied", 2, 2)
    assert receive(raw) == bytes(message.ack)


def test_a_message_that_kills_the_process_is_given_up_though_it_comes_again_and_again(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(reading: object) -> None:
        raise Killed

    raw = say("ADT^A08", PID)
    with monkeypatch.context() as patched:
        patched.setitem(triggers.TRIGGERS, ("ADT", "A08"), die)  # type: ignore[arg-type]
        for _ in range(3):
            with pytest.raises(Killed):
                inbox.receive(raw, peer="")
        assert field(receive(raw), "ERR", 3).startswith("207")
    message = InboundMessage.objects.get()
    assert (message.status, message.times_received) == ("failed", 4)
    assert receive(raw) == bytes(message.ack), "it stays given up; a person may replay it"
    assert inbox.replay(message).status == "applied"


def test_what_failed_for_our_fault_is_applied_when_it_comes_again(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(reading: object) -> None:
        raise OperationalError("the disk is full")

    raw = say("ADT^A08", PID)
    with monkeypatch.context() as patched:
        patched.setitem(triggers.TRIGGERS, ("ADT", "A08"), fail)  # type: ignore[arg-type]
        for _ in range(5):
            assert field(receive(raw), "MSA", 1) == "AR"
    assert field(receive(raw), "MSA", 1) == "AA"
    message = InboundMessage.objects.get()
    assert (message.status, message.error_code, message.error_text) == ("applied", None, "")


def test_who_comes_second_with_the_same_message_changes_nothing(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweeper and the listener may both take what was left behind."""
    real, raw = triggers.TRIGGERS["ADT", "A08"], say("ADT^A08", PID)

    def slow(reading: object) -> object:
        InboundMessage.objects.update(status="applied", ack=b"the quicker one's")
        return real(reading)  # type: ignore[arg-type]

    monkeypatch.setitem(triggers.TRIGGERS, ("ADT", "A08"), slow)  # type: ignore[arg-type]
    InboundMessage.objects.all().delete()
    assert receive(raw) == b"the quicker one's" and not Patient.objects.exists()


def test_the_listener_catches_up_when_it_starts(say: Say) -> None:
    for at in range(3):
        receive(say("ADT^A08", PID, at=at))
    InboundMessage.objects.update(status="received", ack=b"")
    inbox.catch_up()
    assert set(InboundMessage.objects.values_list("status", flat=True)) == {"applied"}


def test_an_acknowledgment_is_never_acknowledged(say: Say) -> None:
    """2.9.2: two systems would go on for ever."""
    assert receive(say("ACK^A01", "MSA|AA|X1")) == b""
    assert InboundMessage.objects.get().status == "refused"
    assert receive(say("ADT^A08", PID))


@pytest.mark.parametrize(
    "padded", ["BARS\0^ANNA", "BARS^ANNA\0\0", "BARS^ANNA^\0", "BARS&\0^ANNA", "BARS^ANNA~\0"]
)
def test_nul_at_the_end_of_a_value_pads(say: Say, padded: str) -> None:
    raw = say("ADT^A08", PID.replace("BARS^ANNA", padded) + "\0\0", control_id="M1\0") + b"\0\0\0"
    assert field(receive(raw), "MSA", 1) == "AA"
    assert Patient.objects.get().name == "BARS^ANNA" and bytes(InboundMessage.objects.get().raw) == raw


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("ANNA", "AN\0NA"), "PID^1^5"),
        (("BARS", "\0\0BARS"), "PID^1^5"),
        (("P1^", "P\0001^"), "PID^1^3"),
        (("|M1|", "|M\0001|"), "MSH^1^10"),
        (("PID|", "P\0ID|"), "PID^1"),
    ],
)
def test_nul_within_a_value_is_refused_with_its_place(say: Say, change: tuple[str, str], place: str) -> None:
    """Without it, it would be another value."""
    raw = say("ADT^A08", PID, control_id="M1").decode().replace(*change).encode()
    answer = receive(raw)
    assert (field(answer, "MSA", 1), field(answer, "MSA", 2)) == ("AE", "M1")
    row = InboundMessage.objects.get()
    assert (row.error_code, row.error_location) == (102, place) and bytes(row.raw) == raw
    assert not Patient.objects.exists()


def test_much_nul_costs_little(say: Say) -> None:
    started = time.monotonic()
    for filling in ("A" + "\0" * 200_000 + "B", "A\0" * 100_000):
        receive(say("ADT^A08", PID.replace("ANNA", filling)))
    assert time.monotonic() - started < 5


def test_a_name_that_dicom_can_not_hold_is_flagged(say: Say) -> None:
    receive(say("ADT^A08", PID.replace("ANNA", "AN=NA")))
    event = Event.objects.get(kind="hl7.characters_replaced")
    assert event.details == {"locations": ["PID^1^5"]} and Patient.objects.get().name == "BARS^AN_NA"


@pytest.mark.parametrize(
    ("options", "change", "error", "location"),
    [
        ({"processing_ids": ["P"]}, (b"|P|", b"|T|"), "202", "MSH^1^11"),
        ({}, (b"|2.5.1|", b"|2.9|"), "203", "MSH^1^12"),
        ({}, (b"|2.5.1|", b"|2.10|"), "203", "MSH^1^12"),
        ({"receivers": ["PACS"]}, (b"", b""), "204", "MSH^1^5"),
    ],
)
def test_what_a_source_may_not_send_is_refused(
    say: Say, options: dict[str, object], change: tuple[bytes, bytes], error: str, location: str
) -> None:
    Source.objects.update(options={**Source.objects.get().options, **options})
    sources._kept.clear()
    answer = receive(say("ADT^A08", PID).replace(*change, 1))
    assert (field(answer, "MSA", 1), field(answer, "ERR", 2)) == ("AR", location)
    assert field(answer, "ERR", 3).startswith(error) and not Patient.objects.exists()


@pytest.mark.parametrize("version", ["2.1", "2.3.1", "2.5^DEU", "2.5.1-X", "2.8.2", ""])
def test_versions_are_taken_with_what_follows_them(say: Say, version: str) -> None:
    answer = receive(say("ADT^A08", PID).replace(b"|2.5.1|", f"|{version}|".encode()))
    assert field(answer, "MSA", 1) == "AA"


def test_a_repaired_message_is_replayed_as_a_new_row_that_names_the_old(say: Say) -> None:
    receive(say("ADT^A08", PID.replace("19700102", "yesterday")))
    failed = InboundMessage.objects.get()
    repaired = inbox.replay(failed, bytes(failed.raw).replace(b"yesterday", b"19700102"))
    assert repaired.status == "applied" and repaired.replay_of == failed
    failed.refresh_from_db()
    assert failed.status == "failed" and Patient.objects.get().birth_date == "19700102"
    assert inbox.replay(failed).replay_number == 2


def test_a_clock_that_is_ahead_is_flagged(say: Say) -> None:
    receive(say("ADT^A08", PID).replace(b"20260302", b"29990302"))
    assert InboundMessage.objects.get().clock_ahead


def test_a_long_message_is_kept_whole_and_found_by_its_numbers(say: Say) -> None:
    raw = say("ADT^A08", PID, "NTE|1||" + "Grüße 鈴木 " * 200_000, control_id="long")
    short = say("ADT^A08", PID, at=1)
    answers = inbox.receive_all([(raw, ""), (short, ""), (raw, "")])
    assert [field(answer or b"", "MSA", 1) for answer in answers] == ["AA"] * 3
    row = InboundMessage.objects.get(control_id="long")
    assert bytes(row.raw) == raw and row.times_received == 2
    assert set(row.keys.values_list("kind", "value")) == {("patient", "P1")}
