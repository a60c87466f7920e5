"""Messages that wait at the same moment are received together, and none harms another."""

from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import pytest
from django.db import IntegrityError, connection

from accounts import site_version
from interfaces.hl7.inbound import inbox, message_application, sources, translation
from interfaces.hl7.models import InboundMessage
from ledger.models import Event
from worklist.batches import batch
from worklist.change_set import ChangeSet
from worklist.models import AssigningAuthority, Order, Patient, PatientLink

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]
PID = "PID|1||P{}^^^GENHOSP^MR||BARS^ANNA||19700102|F"


def receive(*messages: bytes) -> list[str]:
    """MSA-1 and, of what is refused, ERR-3.1 and ERR-2 of each answer."""
    return [answer_of(answer) for answer in inbox.receive_all([(raw, "") for raw in messages])]


def answer_of(answer: bytes | None) -> str:
    assert answer is not None
    segments = [segment.split("|") for segment in answer.decode().split("\r")]
    code = next(fields[1] for fields in segments if fields[0] == "MSA")
    wrong = [f"{fields[3].split('^')[0]} {fields[2]}" for fields in segments if fields[0] == "ERR"]
    return " ".join([code, *wrong])


def orders(say: Say, count: int, bad: int = -1, first: int = 0) -> bytes:
    """A message of many orders, one of which may name no code that is known."""
    groups = []
    for n in range(first, first + count):
        modality = "" if n == bad else "CT"
        groups += [f"ORC|NW|A{n}^HIS", f"OBR|1|A{n}^HIS||71260^CT^C4{'|' * 20}{modality}"]
    return say("ORM^O01", PID.format(1), *groups)


def commits() -> Any:
    """Counts the transactions of a block that tell what became of messages."""
    found: list[str] = []
    real = message_application._in_turn

    def in_turn(messages: Any) -> Any:
        found.append("turn")
        return real(messages)

    return patch.object(message_application, "_in_turn", in_turn), found


def test_an_order_that_changes_nothing_takes_at_most_twelve_statements(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is asked of the database, but for beginning and ending the two transactions."""
    monkeypatch.setattr(site_version, "LOOKED_AT", 3600)
    monkeypatch.setattr(sources, "KEPT", 3600)
    newest, again, older = (
        say("ORM^O01", PID.format(1), "ORC|NW|A^HIS|F^RIS", f"OBR|1|||1^2^3{'|' * 20}CT", at=at)
        for at in (5, 2, 1)
    )
    found: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        found.append(sql)
        return execute(sql, *rest)

    receive(newest)
    receive(again)
    with connection.execute_wrapper(note):
        assert receive(older) == ["AA"]
    asked = [sql for sql in found if not sql.startswith("BEGIN")]
    assert 8 < len(asked) <= 12, asked


def test_they_are_applied_in_one_transaction_in_their_order(say: Say) -> None:
    wrapper, found = commits()
    with wrapper:
        answers = receive(*(say("ADT^A08", PID.format(n % 2), at=n) for n in range(6)))
    assert answers == ["AA"] * 6 and len(found) == 1
    assert Patient.objects.count() == 2 and InboundMessage.objects.filter(status="applied").count() == 6


def test_one_that_is_refused_harms_no_other(say: Say) -> None:
    bad = PID.format(2).replace("19700102", "yesterday")
    messages = [say("ADT^A08", PID.format(1)), say("ADT^A08", bad), say("ADT^A08", PID.format(3))]
    wrapper, found = commits()
    with wrapper:
        assert receive(*messages) == ["AA", "AE 102 PID^1^7", "AA"]
    assert len(found) == 1, "the refusal is recorded with the rest"
    assert set(Patient.objects.values_list("value", flat=True)) == {"P1", "P3"}


def test_an_order_of_another_patient_harms_no_neighbour(say: Say) -> None:
    def one(number: int, patient: int, placer: str) -> bytes:
        segments = (PID.format(patient), f"ORC|NW|{placer}^HIS", f"OBR|1|||71260^CT^C4{'|' * 20}CT")
        return say("ORM^O01", *segments, control_id=f"m{number}")

    found = receive(one(1, 1, "A"), one(2, 2, "A"), one(3, 2, "B"))
    assert found == ["AA", "AE 204 PID^1^3", "AA"]
    orders = Order.objects.order_by("numbers__value").values_list("numbers__value", "patient__value")
    assert list(orders) == [("A", "P1"), ("B", "P2")]


def test_one_that_the_database_refuses_is_applied_alone(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    real = batch.apply

    def apply(changes: Sequence[ChangeSet], *rest: Any) -> Any:
        applied = real(changes, *rest)
        if any(one.groups[0].registration.identifiers[0].value == "P2" for one in changes):  # type: ignore[union-attr]
            raise IntegrityError("it is impossible")
        return applied

    monkeypatch.setattr(batch, "apply", apply)
    answers = receive(*(say("ADT^A08", PID.format(n)) for n in (1, 2, 3)))
    assert [answer[:6] for answer in answers] == ["AA", "AR 207", "AA"]
    assert set(Patient.objects.values_list("value", flat=True)) == {"P1", "P3"}
    assert Event.objects.filter(kind="patient.updated").count() == 2


def test_the_same_bytes_twice_at_once_are_one_message(say: Say) -> None:
    raw, other = say("ADT^A08", PID.format(1)), say("ADT^A08", PID.format(2))
    answers = inbox.receive_all([(raw, ""), (other, ""), (raw, "")])
    assert answers[0] == answers[2] != answers[1]
    message = InboundMessage.objects.order_by("id").first()
    assert message is not None and (message.times_received, message.attempts) == (2, 1)
    assert Event.objects.filter(kind="patient.updated").count() == 2


def test_a_control_id_that_comes_twice_at_once_is_flagged(say: Say) -> None:
    receive(*(say("ADT^A08", PID.format(1), at=n, control_id="1") for n in range(2)))
    flags = InboundMessage.objects.order_by("id").values_list("control_id_reused", flat=True)
    assert list(flags) == [False, True]


def test_what_has_no_msh_is_not_answered_and_the_others_are(say: Say) -> None:
    answers = inbox.receive_all([(b"PID|1\r", ""), (say("ADT^A08", PID.format(1)), "")])
    assert answers[0] is None and answer_of(answers[1]) == "AA"


class TestManyGroups:
    """A message with many orders or merges is applied in portions; others get their turn in between."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(message_application, "PORTION", 2)

    def test_each_portion_is_a_transaction(self, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[int] = []
        monkeypatch.setattr(message_application.time, "sleep", lambda _: seen.append(Order.objects.count()))
        assert receive(orders(say, 5)) == ["AA"]
        assert seen == [2, 4, 5]
        assert InboundMessage.objects.get().groups_applied == 5

    def test_a_refusal_of_the_last_changes_nothing(self, say: Say) -> None:
        assert receive(orders(say, 5, bad=4)) == ["AE 103 OBR^5^4"]
        assert not Order.objects.exists() and not Patient.objects.exists()

    def test_what_a_crash_left_is_finished_and_nothing_is_done_twice(
        self, say: Say, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Killed(BaseException):
            pass

        def die(_: float) -> None:
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(message_application.time, "sleep", die)
            with pytest.raises(Killed):
                receive(orders(say, 5))
        message = InboundMessage.objects.get()
        assert (message.status, message.groups_applied) == ("received", 2) and Order.objects.count() == 2
        inbox.catch_up()
        message.refresh_from_db()
        assert (message.status, message.attempts) == ("applied", 2) and Order.objects.count() == 5
        assert Event.objects.filter(kind="order.stated").count() == 5

    def test_who_comes_second_goes_on_where_the_quicker_one_is(
        self, say: Say, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quicker = iter([4])

        def meanwhile(_: float) -> None:
            if (applied := next(quicker, None)) is not None:
                InboundMessage.objects.update(groups_applied=applied)

        monkeypatch.setattr(message_application.time, "sleep", meanwhile)
        assert receive(orders(say, 5)) == ["AA"]
        assert Order.objects.count() == 3, "the quicker one has applied the two in between"

    def test_a_database_that_fails_in_between_is_ar_and_the_rest_comes_with_the_resend(
        self, say: Say, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, calls = batch.apply, iter([0, 1])

        def apply(*arguments: Any) -> Any:
            if next(calls, 0):
                raise IntegrityError("it is impossible")
            return real(*arguments)

        raw = orders(say, 5)
        with monkeypatch.context() as patched:
            patched.setattr(batch, "apply", apply)
            assert receive(raw)[0].startswith("AR 207")
        assert Order.objects.count() == 2
        assert receive(raw) == ["AA"]
        assert Order.objects.count() == 5 and Event.objects.filter(kind="order.stated").count() == 5


def test_merges_of_one_message_are_all_there(say: Say) -> None:
    pairs = [part for n in range(1, 120) for part in (PID.format(0), f"MRG|P{n}^^^GENHOSP^MR")]
    assert receive(say("ADT^A40", *pairs)) == ["AA"]
    assert PatientLink.objects.count() == 119
    assert Patient.objects.filter(survivor__value="P0").count() == 119


@pytest.mark.parametrize("name", ["ORC", "OBR", "MRG"])
def test_more_groups_than_a_message_may_have_are_refused(
    say: Say, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(translation, "MOST_GROUPS", 2)
    pairs = [part for n in range(1, 4) for part in (PID.format(0), f"MRG|P{n}^^^GENHOSP^MR")]
    one = say("ORM^O01", PID.format(1), "ORC|NW|A^HIS", *(f"OBR|{n}|A^HIS||1^2^3" for n in range(3)))
    raw = {"ORC": orders(say, 3), "OBR": one, "MRG": say("ADT^A40", *pairs)}[name]
    assert receive(raw) == [f"AE 100 {name}^3"]
    assert not Patient.objects.exists() and InboundMessage.objects.get().status == "failed"


OID = "1.2.91.81.1&ISO"


def authorities() -> list[tuple[str, str]]:
    rows = AssigningAuthority.objects.filter(universal_id="1.2.91.81.1")
    return list(rows.values_list("namespace", "universal_id"))


def named(identifiers: str) -> str:
    return f"PID|1||{identifiers}||BARS^ANNA||19700102|F"


@pytest.mark.parametrize("together", [True, False], ids=["in one message", "in messages of one batch"])
def test_an_authority_that_is_named_by_both_and_by_its_oid_alone_is_one(say: Say, together: bool) -> None:
    both, alone = f"QA^^^QHOSP&{OID}", f"QN^^^&{OID}"
    messages = [named(f"{both}~{alone}")] if together else [named(both), named(alone)]
    answers = receive(*(say("ADT^A08", pid, at=n) for n, pid in enumerate(messages)))
    assert set(answers) == {"AA"} and authorities() == [("QHOSP", "1.2.91.81.1")]
    assert receive(say("ADT^A08", named("QA^^^QHOSP"), at=9)) == ["AA"]
    assert Patient.objects.filter(value="QA").count() == 1


def test_an_authority_that_another_process_made_is_found_by_its_oid_at_once(say: Say) -> None:
    assert receive(say("ADT^A08", PID.format(1))) == ["AA"], "and what the site says is kept in memory now"
    made = AssigningAuthority(namespace="STBUTH", universal_id="1.2.91.81.1", universal_id_type="ISO")
    AssigningAuthority.objects.bulk_create([made])  # which tells this process nothing
    assert receive(say("ADT^A08", named(f"ST1^^^&{OID}"), at=5)) == ["AA"]
    assert Patient.objects.get(value="ST1").authority.namespace == "STBUTH"


def test_an_authority_that_a_message_made_is_told_to_other_processes(say: Say) -> None:
    before = site_version.version()
    assert receive(say("ADT^A08", named(f"QA^^^QHOSP&{OID}"))) == ["AA"]
    assert site_version.version() != before


@pytest.mark.parametrize("field", [2, 3, 8, 9], ids=["MSH-3", "MSH-4", "MSH-9", "MSH-10"])
def test_what_no_column_takes_in_a_header_harms_no_neighbour(say: Say, field: int) -> None:
    segments = say("ADT^A08", PID.format(2)).split(b"\r")
    header = segments[0].split(b"|")
    header[field] += b"\\X00\\"
    bad = b"\r".join([b"|".join(header), *segments[1:]])
    messages = [say("ADT^A08", PID.format(1)), bad, say("ADT^A08", PID.format(3))]
    answers = inbox.receive_all([(raw, "") for raw in messages])
    assert answer_of(answers[0]) == answer_of(answers[2]) == "AA"
    assert InboundMessage.objects.count() == 3, "and it is kept"
