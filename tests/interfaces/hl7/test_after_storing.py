"""A source that is answered once its messages are stored; they are applied afterwards, in their order."""

from collections.abc import Callable, Iterator

import pytest

from interfaces.hl7.inbound import inbox, message_application, sources
from interfaces.hl7.models import InboundMessage, Source
from ledger import notifier
from worklist.models import Order, Patient

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]
Say = Callable[..., bytes]
ORC, OBR = "ORC|NW|PL1^HIS", f"OBR|1|||1^CT head^L{'|' * 20}CT"


def pid(name: str = "BARS^ANNA", value: str = "P1") -> str:
    return f"PID|1||{value}^^^GENHOSP^MR||{name}||19700102|F"


@pytest.fixture(autouse=True)
def told(site: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A source that is answered on storing; whom the notifier told."""
    row = Source.objects.get()
    row.options["acknowledge"] = "after_storing"
    row.save()
    sources.forget()
    names: list[str] = []
    monkeypatch.setattr(notifier, "notify", names.append)
    yield names
    sources.forget()


def status_of(control_id: str) -> tuple[str, str, int]:
    row = InboundMessage.objects.get(control_id=control_id)
    return row.status, row.ack_code, row.attempts


def test_it_is_stored_answered_and_applied_later(say: Say, told: list[str]) -> None:
    raw = say("ORM^O01", pid(), ORC, OBR, control_id="m1")
    answer = inbox.receive(raw, peer="")
    assert answer is not None and b"MSA|AA|m1" in answer
    assert status_of("m1") == ("received", "AA", 0) and not Order.objects.exists()
    assert told == [inbox.WORK] and inbox.waits()
    assert inbox.receive(raw, peer="") == answer, "the same again is told the same"
    assert inbox.batch() == 1
    assert Order.objects.count() == 1 and status_of("m1") == ("applied", "AA", 1)
    assert inbox.receive(raw, peer="") == answer
    assert not inbox.waits() and inbox.batch() == 0


def test_what_the_header_alone_refuses_is_refused_at_once(say: Say) -> None:
    assert b"MSA|AR|" in (inbox.receive(say("ADT^Z99", pid()), peer="") or b"")
    assert b"MSA|AR|" in (inbox.receive(say("ADT^A08", pid(), control_id=""), peer="") or b"")


def test_what_fails_later_says_so_on_the_message_and_harms_nobody(say: Say) -> None:
    messages = [
        say(
            "ORM^O01",
            pid(value=f"P{n}"),
            f"ORC|NW|PL{n}^HIS" if n != 1 else "ORC|NW",
            OBR,
            control_id=f"m{n}",
        )
        for n in range(3)
    ]
    answers = inbox.receive_all([(raw, "") for raw in messages])
    assert all(b"MSA|AA|" in (answer or b"") for answer in answers)
    assert inbox.batch() == 3
    assert [status_of(f"m{n}")[:2] for n in range(3)] == [
        ("applied", "AA"),
        ("failed", "AA"),
        ("applied", "AA"),
    ]
    assert InboundMessage.objects.get(control_id="m1").error_code == 101


def test_of_a_backlog_the_order_is_kept_and_a_deadly_message_is_tried_alone(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the stamps are equal."""
    names = [f"BARS^N{n:03d}" for n in range(150)]
    for n, name in enumerate(names):
        inbox.receive(say("ADT^A08", pid(name), control_id=f"x{'ab'[n % 2]}{n}"), peer="")
    tried: list[int] = []
    process = message_application.process

    def deadly(messages: list[tuple[InboundMessage, object]]) -> object:
        tried.append(len(messages))
        if len(tried) == 1:
            raise KeyboardInterrupt  # as a kill, after the attempt is counted
        return process(messages)  # type: ignore[arg-type]

    monkeypatch.setattr(message_application, "process", deadly)
    with pytest.raises(KeyboardInterrupt):
        inbox.batch()
    while inbox.batch():
        pass
    assert tried[0] == inbox.TOGETHER and set(tried[1 : 1 + inbox.TOGETHER]) == {1}
    assert sum(tried[1:]) == len(names)
    assert Patient.objects.get().name == names[-1]
    assert set(InboundMessage.objects.values_list("status", flat=True)) == {"applied"}
