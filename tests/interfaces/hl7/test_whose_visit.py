"""Nobody gets another's visit, account, order or location by a message that names the wrong patient."""

from collections.abc import Callable
from typing import Any

import pytest

from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.models import Source
from worklist.models import IdentityException, Order, Patient, Visit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]


def pid(value: str, account: str = "") -> str:
    return f"PID|1||{value}^^^GENHOSP^MR||NAME^{value}||19700102|F{'|' * 10}{account}"


def pv1(visit: str, location: str = "") -> str:
    return f"PV1|1|I|{location}{'|' * 16}{visit}"


def mrg(value: str, account: str = "", visit: str = "") -> str:
    return f"MRG|{value}^^^GENHOSP^MR||{account}||{visit}"


def order(say: Say, number: str, patient: str, visit: str, account: str = "", at: int = 0) -> bytes:
    obr = "OBR|1|||71260^CT CHEST^C4" + "|" * 20 + "CT"
    placed = f"ORC|NW|{number}^HIS"
    return say("ORM^O01", pid(patient, account), pv1(visit, "WARD^1"), placed, obr, at=at)


def send(raw: bytes, expected: str = "AA") -> bytes:
    answer = inbox.receive(raw, peer="")
    assert answer is not None and f"MSA|{expected}|".encode() in answer, answer
    return answer


def state() -> Any:
    orders = Order.objects.select_related("patient", "visit")
    return (
        sorted((one.patient.value, one.location) for one in orders if one.patient),
        sorted(Visit.objects.values_list("number", "patient__value", "location", "into", "moved_to")),
        sorted(Patient.objects.values_list("value", flat=True)),
    )


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("ADT^A45", pid("X3"), mrg("X2", visit="V1"), pv1("V1")), "MRG^1^1"),
    (("ADT^A45", pid("X3"), mrg("Q999", visit="V1"), pv1("V1")), "MRG^1^1"),
    (("ADT^A45", pid("X3"), mrg("X1", visit="V1"), pv1("V2")), "PV1^1^19"),
    (("ADT^A45", pid("X3"), mrg("", visit="V1"), pv1("V1")), "MRG^1^1"),
    (("ADT^A44", pid("X3", "A9"), mrg("X2", account="A1")), "MRG^1^1"),
    (("ADT^A44", pid("X3", "A9"), mrg("Q999", account="A1")), "MRG^1^1"),
    (("ADT^A42", pid("X2"), mrg("X2", visit="V1"), pv1("V2")), "PID^1^3"),
    (("ADT^A42", pid("X1"), mrg("X2", visit="V1"), pv1("V3")), "MRG^1^1"),
    (("ADT^A42", pid("X1"), mrg("X1", visit="V1"), pv1("V2")), "PV1^1^19"),
    (("ADT^A50", pid("Q9"), mrg("Q9", visit="V1"), pv1("V9")), "PID^1^3"),
    (("ADT^A35", pid("X2", "A2"), mrg("X2", account="A1")), "PID^1^3"),
    (("ADT^A41", pid("X1", "A2"), mrg("X1", account="A1")), "PID^1^18"),
    (("ADT^A49", pid("X1", "A9"), mrg("X2", account="A1")), "MRG^1^1"),
    (("ADT^A02", pid("X2"), pv1("V1", "BOBS^2")), "PV1^1^19"),
    (("ADT^A08", pid("Q9"), pv1("V1", "BOBS^2")), "PV1^1^19"),
]


@pytest.mark.parametrize(("message", "place"), WRONG)
@pytest.mark.parametrize("later", [True, False])
def test_who_is_not_the_ones_whose_it_is_gets_nothing_and_a_person_is_told(
    say: Say, message: tuple[str, ...], place: str, later: bool
) -> None:
    send(order(say, "O1", "X1", "V1", "A1", at=10))
    send(order(say, "O2", "X2", "V2", "A2", at=10))
    before = state()
    answer = send(say(*message, at=20 if later else 5), "AE")
    assert f"|{place}|204^".encode() in answer
    assert state() == before
    row = IdentityException.objects.get()
    assert (row.kind, row.status) == ("visit_of_another", "open")
    assert row.patient is not None and row.said["identifiers"]


def test_a_move_to_the_one_whose_it_is_counts_only_if_it_was_before(say: Say) -> None:
    send(order(say, "O1", "X1", "V1", at=10))
    send(say("ADT^A45", pid("X1"), mrg("X2", visit="V1"), pv1("V1"), at=20), "AE")
    send(say("ADT^A45", pid("X1"), mrg("X2", visit="V1"), pv1("V1"), at=5))
    send(order(say, "O2", "X2", "V1", at=1))
    assert [one[0] for one in state()[0]] == ["X1", "X1"]


def test_an_order_with_the_visit_of_another_is_refused(say: Say) -> None:
    send(order(say, "O1", "X1", "V1"))
    assert b"|PV1^1^19|204^" in send(order(say, "O2", "X2", "V1", at=1), "AE")
    assert Order.objects.count() == 1
    assert IdentityException.objects.get().said["name"] == "NAME^X2"


def test_who_is_one_person_by_then_has_the_visits_of_both(say: Say) -> None:
    """Whatever is said first; and in the merge itself."""
    send(order(say, "O1", "X1", "V1"))
    late = order(say, "O2", "X2", "V1", at=1)
    send(late, "AE")
    send(say("ADT^A40", pid("X2"), mrg("X1"), pv1("V1"), at=2))
    assert IdentityException.objects.get().status == "closed"
    send(late.replace(b"|P|2.5.1", b"x|P|2.5.1"))
    send(say("ADT^A02", pid("X1"), pv1("V1", "NEW^1"), at=3))
    send(say("ADT^A45", pid("X3"), mrg("X2", visit="V1"), pv1("V1"), at=4))
    assert {one.patient.value for one in Order.objects.select_related("patient") if one.patient} == {"X3"}


def test_messages_of_one_batch_are_compared_as_they_are_applied(say: Say) -> None:
    messages = [
        order(say, "O1", "X1", "V1"),
        order(say, "O2", "X2", "V1", at=1),
        say("ADT^A45", pid("X3"), mrg("X1", visit="V1"), pv1("V1", "NEW^1"), at=2),
    ]
    answers = inbox.receive_all([(raw, "") for raw in messages])
    assert [b"MSA|AA|" in (one or b"") for one in answers] == [True, False, True]
    assert state()[0] == [("X3", "NEW^1")]


def test_a_move_that_is_said_again_is_none(say: Say) -> None:
    send(order(say, "O1", "X1", "V1"))
    for at in (2, 3):
        send(say("ADT^A45", pid("X3"), mrg("X1", visit="V1"), pv1("V1"), at=at))
    assert state()[0] == [("X3", "WARD^1")]


@pytest.mark.parametrize(("trigger", "number"), [("A45", "V1"), ("A45", "V9"), ("A42", "V9"), ("A50", "V9")])
@pytest.mark.parametrize("backwards", [False, True])
def test_what_is_said_of_the_visit_beside_it_counts(
    say: Say, trigger: str, number: str, backwards: bool
) -> None:
    keeper = "X3" if trigger == "A45" else "X1"
    told = (pid(keeper), mrg("X1", visit="V1"), pv1(number, "NEW^1"))
    messages = [order(say, "O1", "X1", "V1"), say(f"ADT^{trigger}", *told, at=2)]
    for raw in messages[::-1] if backwards else messages:
        send(raw)
    assert state()[0] == [(keeper, "NEW^1")]


def test_where_each_patient_counts_visits_anew_the_number_alone_names_none(say: Say) -> None:
    Source.objects.update(options={**Source.objects.get().options, "visit_numbers": "per_patient"})
    sources.forget()
    for patient in ("X1", "X2"):
        send(order(say, f"O{patient}", patient, "1"))
    send(say("ADT^A02", pid("X2"), pv1("1", "BOBS^2"), at=1))
    assert state()[0] == [("X1", "WARD^1"), ("X2", "BOBS^2")]
    send(say("ADT^A45", pid("X3"), mrg("X2", visit="1"), pv1("1", "NEW^3"), at=2))
    assert state()[0] == [("X1", "WARD^1"), ("X3", "NEW^3")]
    send(say("ADT^A42", pid("X1"), mrg("X1", visit="1"), pv1("2", "NEW^4"), at=3))
    assert state()[0] == [("X1", "NEW^4"), ("X3", "NEW^3")]
    assert not IdentityException.objects.exists()
