"""What messages disagree on about who somebody is: refused, and listed for a person to look at."""

from collections.abc import Callable

import pytest

from interfaces.hl7.inbound import (
    adt,
    appointments,
    doubts_settled,
    inbox,
    orders,
    outside_results,
    sources,
)
from interfaces.hl7.inbound.triggers import TRIGGERS
from interfaces.hl7.inspect.dry_run import dry_run
from interfaces.hl7.models import InboundMessage, Source
from ledger import events
from worklist.models import IdentityException, IdentityExceptionKind, Order, Patient, RequestedProcedure

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]


def pid(value: str, name: str = "BARS^ANNA") -> str:
    return f"PID|1||{value}^^^GENHOSP^MR||{name}||19700102|F"


def obr(accession: str = "") -> str:
    return f"OBR|1|||1^CT head^L{'|' * 14}{accession}||||||CT"


def send(*messages: bytes) -> bytes:
    """Messages one after the other; the last answer."""
    return [inbox.receive(raw, peer="") for raw in messages][-1] or b""


def order(say: Say, n: int, who: str, *, accession: str = "", uid: str = "", control: str = "NW") -> bytes:
    zds = [f"ZDS|{uid}^^Application^DICOM"] if uid else []
    orc = f"ORC|{control}|PL{n}^HIS"
    return say("ORM^O01", pid(who), orc, obr(accession), *zds, at=n, control_id=f"m{n}")


@pytest.mark.parametrize("given", [{"accession": "ACC1"}, {"uid": "1.2.3.4"}])
@pytest.mark.parametrize("at_once", [1, 2])
def test_one_number_is_never_two_peoples(say: Say, given: dict[str, str], at_once: int) -> None:
    messages = [order(say, 1, "P1", **given), order(say, 2, "P2", **given)]
    for start in range(0, 2, at_once):
        answer = inbox.receive_all([(raw, "") for raw in messages[start : start + at_once]])[-1] or b""
    place = b"OBR^1^18" if "accession" in given else b"ZDS^1^1"
    assert b"MSA|AE|" in answer and b"|" + place + b"|205^" in answer
    assert [one.patient.value for one in Order.objects.select_related("patient") if one.patient] == ["P1"]
    row = IdentityException.objects.get()
    assert (row.kind, row.status, row.patient and row.patient.value) == ("shared_number", "open", "P1")
    assert row.said["identifiers"] == ["P2^^^GENHOSP"]
    assert "another patient's" in row.text


def test_what_is_one_persons_may_have_one_number_and_so_may_what_follows_a_cancelled_order(say: Say) -> None:
    send(order(say, 1, "P1", accession="ACC1"), order(say, 2, "P1", accession="ACC1"))
    send(order(say, 3, "P3", accession="ACC3"), order(say, 4, "P3", control="CA"))
    send(say("ADT^A40", pid("P1"), "MRG|P9^^^GENHOSP^MR", at=5, control_id="m5"))
    assert b"MSA|AA|" in send(order(say, 6, "P9", accession="ACC1"))
    send(say("ORM^O01", pid("P3"), "ORC|CA|PL3^HIS", at=7, control_id="m7"))
    assert b"MSA|AA|" in send(order(say, 8, "P8", accession="ACC3"))
    assert not IdentityException.objects.exists()


def test_a_number_that_only_serves_as_accession_number_gives_way(say: Say) -> None:
    """Two placers that count alike."""
    for n, (who, namespace) in enumerate([("P1", "HIS"), ("P2", "ED"), ("P2", "ED")]):
        raw = say("ORM^O01", pid(who), f"ORC|NW|1001^{namespace}", obr(), at=n, control_id=f"m{n}")
        assert b"MSA|AA|" in send(raw)
    ours, theirs = Order.objects.order_by("pk")
    assert ours.accession_number == "1001"
    assert theirs.accession_number not in ("", "1001")


def test_the_same_doubt_is_one_until_it_is_none(say: Say) -> None:
    send(order(say, 1, "P1"), order(say, 2, "P1"))
    wrong = [
        say("ORM^O01", pid("P2"), "ORC|XO|PL1^HIS", obr(), at=9 + n, control_id=f"w{n}") for n in range(3)
    ]
    send(*wrong)
    row = IdentityException.objects.get()
    assert (row.kind, row.times, row.order) == ("other_patient", 3, Order.objects.earliest("pk"))
    message = InboundMessage.objects.get(control_id="w2")
    assert row.source == f"hl7:{message.public_id}"
    opened = [one for one in events.timeline("order", str(row.order and row.order.public_id))]
    assert [one.kind for one in opened].count("identity.exception_opened") == 1
    send(say("ADT^A40", pid("P2"), "MRG|P1^^^GENHOSP^MR", at=20, control_id="a40"))
    row.refresh_from_db()
    assert (row.status, row.end_reason) == ("closed", "both are one person now")
    assert b"MSA|AA|" in send(wrong[0].replace(b"|w0|", b"|w9|"))
    assert RequestedProcedure.objects.count() == 2


TWO_ORDERS = [("P1", "PU1^HIS|FU1^RIS"), ("P2", "PU2^HIS|FU2^RIS")]
ONE_KIND_EACH = [("P1", "PU1^HIS"), ("P2", "|FU2^RIS")]
SAME_PERSON = [("P1", numbers) for _, numbers in TWO_ORDERS]


@pytest.mark.once
@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("control", ["CA", "DC", "HD", "RL", "SC", "XO", "NW"])
@pytest.mark.parametrize("whose", ["", "P1", "P2"])
@pytest.mark.parametrize(
    ("known", "named"),
    [
        (TWO_ORDERS, "PU1^HIS|FU2^RIS"),
        (TWO_ORDERS, "PU2|FU1^RIS"),
        (SAME_PERSON, "PU1^HIS|FU2^RIS"),
        (ONE_KIND_EACH, "PU1^HIS|FU2^RIS"),
        (TWO_ORDERS[1:], "PU6^HIS|FU2^RIS"),
        (TWO_ORDERS[:1], "PU1^HIS|FU6^RIS"),
    ],
)
def test_numbers_of_two_orders_are_never_one_order(
    say: Say, known: list[tuple[str, str]], named: str, whose: str, control: str, at_once: bool
) -> None:
    """Whatever the message does, and whomever it names."""
    if control in ("NW", "XO") and not whose:
        whose = "P1"
    placed = [
        say("ORM^O01", pid(who), f"ORC|NW|{numbers}", obr(), at=n, control_id=f"k{n}")
        for n, (who, numbers) in enumerate(known)
    ]
    status = "||SC" if control == "SC" else ""
    segments = [pid(whose)] if whose else []
    content = [obr()] if control in ("NW", "XO") else []
    wrong = say("ORM^O01", *segments, f"ORC|{control}|{named}{status}", *content, at=9, control_id="wrong")
    inbox.receive_all([(raw, "") for raw in placed]) if not at_once else None
    before = [] if at_once else orders_there()
    tried = None if at_once else dry_run(wrong)
    messages = [(raw, "") for raw in ([*placed, wrong] if at_once else [wrong])]
    answer = inbox.receive_all(messages)[-1] or b""
    assert b"MSA|AE|wrong" in answer and b"|204^" in answer
    assert tried is None or (tried.problem is not None and tried.problem.code == 204)
    if whose in ("", "P1") and len(known) == 2:
        assert b"||ORC^1^3|204^" in answer
    assert at_once or orders_there() == before
    assert {one["status"] for one in orders_there()} == {"scheduled"}
    assert Order.objects.count() == len(known)
    row = IdentityException.objects.get()
    assert row.kind == "contradicting_numbers" or (len(known) == 1 and whose)


def orders_there() -> list[dict[str, object]]:
    return list(Order.objects.order_by("pk").values())


def test_what_is_known_under_one_number_each_is_joined_and_a_patient_merge_makes_way(say: Say) -> None:
    send(
        *[
            say("ORM^O01", pid(who), f"ORC|NW|{numbers}", obr(), control_id=who)
            for who, numbers in ONE_KIND_EACH
        ]
    )
    join = say("ORM^O01", "ORC|SC|PU1^HIS|FU2^RIS||SC", at=3, control_id="j1")
    assert b"204^" in send(join)
    send(say("ADT^A40", pid("P1"), "MRG|P2^^^GENHOSP^MR", at=4, control_id="a40"))
    assert b"MSA|AA|" in send(join.replace(b"|j1|", b"|j2|"))
    assert Order.objects.get().numbers.count() == 2
    other = say("ORM^O01", pid("P1"), "ORC|XO|PU1^HIS|FU1^PACS", obr(), at=5, control_id="n")
    assert b"MSA|AA|" in send(other), "a number of another namespace"


def test_of_several_orders_in_one_message_the_one_that_contradicts_is_told(say: Say) -> None:
    send(
        *[
            say("ORM^O01", pid(who), f"ORC|NW|{named}", obr(), control_id=who)
            for who, named in SAME_PERSON[:1]
        ]
    )
    pair = ["ORC|NW|PU7^HIS", obr(), "ORC|NW|PU8^HIS|FU1^RIS", obr()]
    assert b"||ORC^2^3|204^" in send(say("ORM^O01", pid("P1"), *pair, at=3, control_id="pair"))
    assert Order.objects.count() == 1


OF_ONE = sorted(
    key
    for key, handler in TRIGGERS.items()
    if handler
    in (adt.register, adt.delete, adt.change_allergies, orders.read, outside_results.read, appointments.read)
)


@pytest.mark.parametrize(("code", "event"), OF_ONE)
@pytest.mark.parametrize("between", [True, False])
def test_a_message_of_one_patient_names_no_second_one(say: Say, code: str, event: str, between: bool) -> None:
    """Whatever follows the second PID would be said of the first."""
    parts = [
        "SCH||7||||R",
        "PV1|1|O",
        "IAM|1||Latex|||A",
        "ORC|NW|PL1^HIS|FL1",
        obr(),
        "OBX|1|TX|||ok||||||F",
    ]
    second = [pid("P2", "REAL^RITA"), "ORC|NW|PL2^HIS|FL2", obr()] if between else [pid("P2", "REAL^RITA")]
    answer = send(say(f"{code}^{event}", pid("P1"), *parts, *second))
    assert b"MSA|AE|" in answer and b"||PID^2|100^" in answer
    assert not Patient.objects.exists() and not Order.objects.exists()


def test_a_doubt_of_any_kind_says_who_is_here_and_whom_the_message_names(say: Say) -> None:
    link = {**Source.objects.get().options, "two_identifiers": "link"}
    latest = {**link, "contradicting_merges": "latest"}

    def merge(gone: str, keep: str, at: int) -> bytes:
        return say("ADT^A40", pid(keep, "NEW^NAME"), f"MRG|{gone}^^^GENHOSP^MR", at=at)

    def booked(start: int) -> bytes:
        sch = f"SCH|AP{start}^RIS|||||^Routine||||||^^^20260310{start:02d}0000{'|' * 15}PL1^HIS"
        return say("SIU^S12", sch, pid("P2"), "RGS|1", "AIS|1||1^CT head^L", at=start)

    for number in ("P1", "P2", "P3", "P4"):
        send(say("ADT^A04", pid(number), "PV1|1|I" + "|" * 17 + f"V{number}"))
    send(order(say, 1, "P1", accession="ACC1"), merge("P3", "P4", 2))
    send(order(say, 2, "P2", accession="ACC1"))
    send(say("ORM^O01", pid("P2"), "ORC|XO|PL1^HIS", obr(), at=3), booked(9))
    send(say("ADT^A02", pid("P2"), "PV1|1|I" + "|" * 17 + "VP1", at=4))
    send(say("ADT^A45", pid("P2"), "MRG|P4^^^GENHOSP^MR||||VP1", "PV1|1|I" + "|" * 17 + "VP1", at=4))
    send(say("ORM^O01", pid("P4"), "ORC|NW|PL9^HIS|FI9^RIS", obr(), at=4))
    send(say("ORM^O01", pid("P1"), "ORC|SC|PL1^HIS|FI9^RIS||SC", at=5))
    reported = "OBR|1||R7^LAB|71260^CT^C4" + "|" * 14 + "ACC1" + "|" * 7 + "F"
    send(say("ORU^R01", pid("P2"), reported, "OBX|1|TX|1^Text||Normal||||||F", at=5))
    send(merge("P3", "P1", 5))
    send(merge("P3", "P9", 5))
    for options in (link, latest):
        Source.objects.update(options=options)
        sources.forget()
    send(say("ADT^A08", "PID|1||P1^^^GENHOSP^MR~P5^^^GENHOSP^MR||BARS^ANNA||19700102|F", at=6))
    send(merge("P3", "P2", 7))
    rows = list(IdentityException.objects.select_related("patient", "other"))
    assert {row.kind for row in rows} == set(IdentityExceptionKind.values)
    for row in rows:
        assert row.patient is not None and row.other is not None, (row.kind, row.text)
        assert row.said["identifiers"] and row.said["name"], (row.kind, row.said)
        assert row.said["birth_date"] == "19700102" and row.said["sex"], (row.kind, row.said)


def test_a_replay_counts_nothing_and_ends_the_doubt_once_it_is_applied(say: Say) -> None:
    send(order(say, 1, "P1"), order(say, 1, "P2"))
    failed = InboundMessage.objects.latest("id")
    inbox.replay(failed)
    row = IdentityException.objects.get()
    assert (row.status, row.times) == ("open", 1)
    repaired = bytes(failed.raw).replace(b"P2^^^", b"P1^^^")
    inbox.replay(failed, raw=repaired)
    row.refresh_from_db()
    assert (row.status, row.ended_by) == ("closed", "") and "applied again" in row.end_reason


@pytest.mark.parametrize(("sender", "status"), [("HIS", "closed"), ("ELSE", "open")])
def test_a_later_message_of_the_same_sender_with_the_right_patient_ends_it(
    say: Say, sender: str, status: str
) -> None:
    send(order(say, 1, "P1"), order(say, 1, "P2"))
    assert doubts_settled.look() == 0, "what came before is no correction"
    send(order(say, 1, "P1", control="XO").replace(b"|HIS|GENHOSP|", f"|{sender}|GENHOSP|".encode()))
    doubts_settled.look()
    row = IdentityException.objects.get()
    assert row.status == status
    if status == "closed":
        assert "later message" in row.end_reason and doubts_settled.look() == 0
