"""Accounts, visits and numbers: merged, moved, given anew (ADT^A35, A36, A41 to A51; HL7 v2.5.1 3.3)."""

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from interfaces.hl7.inbound import inbox
from worklist.models import IdentityException, Order, Patient, Visit
from worklist.patients.visit_owner import VisitOwner

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]


def pid(value: str, account: str = "", also: str = "", external: str = "") -> str:
    cx = f"{value}^^^GENHOSP^MR" + (f"~{also}^^^GENHOSP^PI" if also else "")
    external = f"{external}^^^MPI" if external else ""
    return f"PID|1|{external}|{cx}||NAME^{value}{'|' * 13}{account}"


def pv1(visit: str) -> str:
    return f"PV1|1|O{'|' * 17}{visit}"


def mrg(value: str, *, account: str = "", external: str = "", visit: str = "") -> str:
    return f"MRG|{value}^^^GENHOSP^MR||{account}|{external}|{visit}"


def order(say: Say, number: str, patient: str, account: str, visit: str, at: int) -> bytes:
    obr = "OBR|1|||71260^CT CHEST^C4" + "|" * 20 + "CT"
    return say("ORM^O01", pid(patient, account), pv1(visit), f"ORC|NW|{number}^HIS", obr, at=at)


def send(raw: bytes, expected: str = "AA") -> bytes:
    answer = inbox.receive(raw, peer="")
    assert answer is not None and f"MSA|{expected}|".encode() in answer, answer
    return answer


def whose() -> dict[str, str]:
    """Of whom each order is."""
    rows = Order.objects.prefetch_related("numbers").select_related("patient")
    return {one.numbers.all()[0].value: one.patient.value for one in rows if one.patient}


def visits() -> dict[str, tuple[str, str]]:
    """Under which number each goes on, and whose it is."""
    return {one.number: (one.current.number, one.patient.value) for one in Visit.objects.all()}


class _Undo(Exception):
    pass


def state_after(arrivals: Sequence[bytes]) -> tuple[object, set[bytes]]:
    """What they left, and which of them were accepted; all of it is undone."""
    accepted, state = set(), None
    try:
        with transaction.atomic():
            accepted = {raw for raw in arrivals if b"MSA|AA|" in (inbox.receive(raw, peer="") or b"")}
            state = whose(), visits()
            raise _Undo
    except _Undo:
        return state, accepted


def settled_after(arrivals: Sequence[bytes]) -> object:
    """What they left once those that were refused were applied again; all of it is undone."""
    state: object = None
    try:
        with transaction.atomic():
            waiting = list(arrivals)
            for _ in arrivals:
                again = [raw.replace(b"|P|2.5.1", b"x|P|2.5.1") for raw in waiting]
                waiting = [raw for raw in again if b"MSA|AA|" not in (inbox.receive(raw, peer="") or b"")]
            assert not waiting, waiting
            state = whose(), visits()
            raise _Undo
    except _Undo:
        return state


def test_a_moved_visit_takes_its_orders_along_in_any_order(say: Say) -> None:
    """A45: and what comes late and was said before goes with it, what is said later does not.

    What names another than the one whose the visit is by then is refused, and has its effect when it is
    applied again.
    """
    sent = [
        order(say, "O1", "P1", "A1", "V1", 1),
        order(say, "O2", "P1", "A1", "V2", 2),
        say("ADT^A45", pid("P2", "A2"), mrg("P1", account="A1", visit="V1"), pv1("V1"), at=3),
        say("ADT^A08", pid("P2", "A2"), pv1("V1"), at=4),
    ]
    states = [settled_after(arrivals) for arrivals in itertools.permutations(sent)]
    assert states[0] == ({"O1": "P2", "O2": "P1"}, {"V1": ("V1", "P2"), "V2": ("V2", "P1")})
    assert all(state == states[0] for state in states)
    before = [state_after(arrivals) for arrivals in itertools.permutations(sent[:3])]
    assert all(accepted == set(sent[:3]) for _, accepted in before)


def test_a_moved_account_takes_its_visits_and_their_orders_along_in_any_order(say: Say) -> None:
    """A44, with another number for the account in the right hands."""
    sent = [
        order(say, "O1", "P1", "A1", "V1", 1),
        order(say, "O2", "P1", "A9", "V2", 2),
        say("ADT^A44", pid("P2", "A2"), mrg("P1", account="A1"), at=3),
        say("ADT^A41", pid("P2", "A3"), mrg("P2", account="A2"), at=4),
    ]
    states = [settled_after(arrivals) for arrivals in itertools.permutations(sent)]
    orders, found = states[0]  # type: ignore[misc]
    assert orders == {"O1": "P2", "O2": "P1"}
    assert (found["V1"], found["V2"], found["A1"]) == (("V1", "P2"), ("V2", "P1"), ("A3", "P2"))
    assert all(state == states[0] for state in states)


def test_an_order_says_itself_whose_it_is_once_it_was_said_after_the_move(say: Say) -> None:
    send(order(say, "O1", "P1", "A1", "V1", 1))
    send(say("ADT^A44", pid("P2", "A1"), mrg("P1", account="A1"), at=2))
    send(say("ADT^A44", pid("P1", "A1"), mrg("P2", account="A1"), at=3))
    assert whose() == {"O1": "P1"}
    send(say("ADT^A44", pid("P2", "A1"), mrg("P1", account="A1"), at=4))
    send(order(say, "O1", "P2", "A1", "V1", 5))
    assert whose() == {"O1": "P2"}
    assert b"|PID^1^3|204^" in send(order(say, "O1", "P1", "A1", "V1", 6), "AE")


VISITS = st.sampled_from(["V1", "V2", "V3"])
NUMBERED = st.sampled_from(["A1", "A2", "A3"])
PEOPLE = st.sampled_from(["P1", "P2", "P3"])
SAID = st.one_of(
    st.tuples(st.just("order"), PEOPLE, st.just(""), VISITS, PEOPLE),
    st.tuples(st.just("A44"), PEOPLE, NUMBERED, NUMBERED, PEOPLE),
    st.tuples(st.just("A45"), PEOPLE, st.just(""), VISITS, PEOPLE),
    st.tuples(st.just("A42"), PEOPLE, st.just(("V1", "V2")) | st.just(("V2", "V3")), st.just(""), PEOPLE),
    st.tuples(st.just("A41"), PEOPLE, st.just(("A1", "A2")) | st.just(("A2", "A3")), st.just(""), PEOPLE),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(said=st.lists(SAID, min_size=2, max_size=6), seed=st.randoms(use_true_random=False))
def test_in_any_order_of_arrival_with_repeats_what_is_accepted_decides_alone(
    say: Say, said: list[tuple[str, str, Any, str, str]], seed: random.Random
) -> None:
    """Orders, and accounts and visits that are moved and go on under other numbers, whosever they are."""
    accounts, sent = {"V1": "A1", "V2": "A2", "V3": ""}, []
    for at, (kind, who, what, visit, held) in enumerate(said):
        if kind == "order":
            sent.append(order(say, f"O{at}", who, accounts[visit], visit, at))
        elif kind == "A44":
            sent.append(
                say("ADT^A44", pid(who, max(what, visit)), mrg(held, account=min(what, visit)), at=at)
            )
        elif kind == "A45":
            sent.append(say("ADT^A45", pid(who, accounts[visit]), mrg(held, visit=visit), pv1(visit), at=at))
        elif kind == "A42":
            sent.append(say("ADT^A42", pid(who), mrg(who, visit=what[0]), pv1(what[1]), at=at))
        else:
            sent.append(say("ADT^A41", pid(who, what[1]), mrg(who, account=what[0]), at=at))
    arrivals = sent + seed.choices(sent, k=2)
    seed.shuffle(arrivals)
    state, accepted = state_after(arrivals)
    checks = ("check_visit", "check_merge", "check_move")
    with pytest.MonkeyPatch.context() as patched:
        for name in checks:
            patched.setattr(VisitOwner, name, lambda *_: None)
        assert state_after([raw for raw in sent if raw in accepted]) == (state, accepted)


@pytest.mark.parametrize(
    ("trigger", "kept", "gone"),
    [("A42", "V2", "V1"), ("A50", "V2", "V1"), ("A35", "A2", "A1"), ("A49", "A2", "A1")],
)
def test_what_has_another_number_goes_on_under_it(say: Say, trigger: str, kept: str, gone: str) -> None:
    is_visit = gone == "V1"
    told = [pid("P1", "A2"), mrg("P1", account="A1", visit="V1"), *([pv1("V2")] if is_visit else [])]
    sent = [order(say, "O1", "P1", "" if is_visit else "A1", "V1" if is_visit else "", 1)]
    sent.append(say(f"ADT^{trigger}", *told, at=2))
    for arrivals in (sent, sent[::-1]):
        (orders, found), _ = state_after(arrivals)  # type: ignore[misc]
        assert (orders, found[gone][0], found[kept][0]) == ({"O1": "P1"}, kept, kept)


def test_patients_and_accounts_are_merged_together(say: Say) -> None:
    send(say("ADT^A36", pid("P1", "A1"), mrg("P0", account="A0")))
    assert Patient.objects.get(value="P0").current.value == "P1"
    assert visits()["A0"] == ("A1", "P1")


@pytest.mark.parametrize("trigger", ["A42", "A50"])
def test_a_circle_of_visits_and_a_visit_into_itself_are_refused(say: Say, trigger: str) -> None:
    send(say(f"ADT^{trigger}", pid("P1"), mrg("P1", visit="V1"), pv1("V2")))
    turned = say(f"ADT^{trigger}", pid("P1"), mrg("P1", visit="V2"), pv1("V1"), at=1)
    assert b"|MRG^1^5|204^" in send(turned, "AR")
    same = say(f"ADT^{trigger}", pid("P1"), mrg("P1", visit="V2"), pv1("V2"), at=2)
    assert b"|MRG^1^5|205^" in send(same, "AR")
    assert visits()["V1"][0] == "V2"


@pytest.mark.parametrize(
    ("message", "place"),
    [
        (("ADT^A35", pid("P1"), mrg("P1", account="A1")), b"|PID^1^18|101^"),
        (("ADT^A41", pid("P1", "A1"), mrg("P1")), b"|MRG^1^3|101^"),
        (("ADT^A42", pid("P1"), mrg("P1", visit="V1")), b"|PV1|100^"),
        (("ADT^A45", pid("P1"), mrg("P1", visit="V1"), pv1("")), b"|PV1^1^19|101^"),
        (("ADT^A44", pid("P1")), b"|MRG|100^"),
        (("ADT^A43", pid("P1"), mrg("P1")), b"|PID^1^2|101^"),
        (("ADT^A43", pid("P1", external="E1"), mrg("P1")), b"|MRG^1^4|101^"),
    ],
)
def test_what_is_missing_is_told_with_its_place(say: Say, message: tuple[str, ...], place: bytes) -> None:
    assert place in send(say(*message), "AE")
    assert not Patient.objects.exists()


@pytest.mark.parametrize("named", ["external", "listed"])
def test_a_number_is_moved_from_one_person_to_another(say: Say, named: str) -> None:
    """A43: with the orders that it came with, away from all that joined it to the wrong one."""
    send(order(say, "O1", "P1", "", "", 1))
    if named == "external":
        wrong, right = "E1^^^MPI^MR", "E2^^^MPI^MR"
        told = (pid("P1", external="E2"), "MRG|P1^^^GENHOSP^MR|||E1^^^MPI")
    else:
        wrong, right = "E1^^^GENHOSP^MR", "E2^^^GENHOSP^PI"
        told = ("PID|1||P1^^^GENHOSP^MR~E2^^^MPI^PI", "MRG|P1^^^GENHOSP^MR~E1^^^MPI^MR")
    send(say("ADT^A24", "PID|1||E1^^^MPI^MR||WRONG", pid("P1"), at=2))
    assert Patient.objects.get(value="P1").current.value == "E1"
    send(say("ADT^A43", *told, at=3))
    one = Patient.objects.get(value="P1")
    assert {one.current.value, *one.current.absorbed.values_list("value", flat=True)} == {"P1", "E2"}
    assert Patient.objects.get(value="E1").survivor is None
    assert wrong != right and not IdentityException.objects.exists()


@pytest.mark.parametrize(("trigger", "external"), [("A47", False), ("A46", True), ("A39", True)])
def test_a_new_number_shows_with_all_that_came_under_the_old_one(
    say: Say, trigger: str, external: bool
) -> None:
    send(order(say, "O1", "OLD", "", "", 1))
    old = "MRG||||OLD^^^GENHOSP" if external else mrg("OLD")
    new = "PID|1|NEW^^^GENHOSP|NEW^^^GENHOSP^MR||NAME^NEW"
    send(say(f"ADT^{trigger}", new, old, at=2))
    assert Patient.objects.get(value="OLD").current.value == "NEW"


@pytest.mark.parametrize("trigger", ["A48", "A51"])
def test_alternate_numbers_change_nothing_that_is_kept(say: Say, trigger: str) -> None:
    send(say(f"ADT^{trigger}", pid("P1"), "MRG||ALT1||||ALT2", pv1("V1")))
    assert visits() == {"V1": ("V1", "P1")}
