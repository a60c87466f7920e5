"""Who is whom: merges, links and what parts them, in any order (ADT^A24, A37, A40; HL7 v2.5.1 3.3)."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from interfaces.hl7.inbound import inbox, sources
from interfaces.hl7.models import Source
from worklist.models import IdentityException, Order, Patient, PatientLink
from worklist.patients.patient_records import LinkRecord
from worklist.patients.record_links import Standing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]


def pid(value: str, name: str = "", authority: str = "GENHOSP") -> str:
    return f"PID|1||{value}^^^{authority}^MR||{name}"


def mrg(value: str) -> str:
    return f"MRG|{value}^^^GENHOSP^MR"


def send(raw: bytes, expected: str = "AA") -> bytes:
    answer = inbox.receive(raw, peer="")
    assert answer is not None and f"MSA|{expected}|".encode() in answer, answer
    return answer


def shown() -> dict[str, str]:
    return {p.value: p.current.value for p in Patient.objects.select_related("survivor")}


def opened() -> list[str]:
    return sorted(IdentityException.objects.filter(status="open").values_list("kind", flat=True))


def allow(**options: str) -> None:
    Source.objects.update(options={**Source.objects.get().options, **options})
    sources._kept.clear()


@pytest.mark.parametrize("joined", ["merge", "link", "one message"])
def test_what_was_joined_is_parted_with_all_that_is_its_own(say: Say, joined: str) -> None:
    order = ("ORC|NW|A1^HIS", "OBR|1|||71260^CT CHEST^C4" + "|" * 20 + "CT")
    send(say("ORM^O01", pid("P1", "BARS^ANNA"), *order))
    send(say("ADT^A04", pid("E1", "BARS^LENA", "MPI"), at=1))
    both = "PID|1||E1^^^MPI^MR~P1^^^GENHOSP^MR||BARS^LENA"
    said = {
        "merge": ("ADT^A40", pid("P2"), mrg("P1")),
        "link": ("ADT^A24", pid("E1", authority="MPI"), pid("P1")),
        "one message": ("ADT^A08", both),
    }[joined]
    send(say(*said, at=2))
    keeper = "P2" if joined == "merge" else "E1"
    assert shown()["P1"] == keeper
    send(say("ADT^A37", pid(keeper, authority="GENHOSP" if joined == "merge" else "MPI"), pid("P1"), at=3))
    assert shown()["P1"] == "P1" and shown()[keeper] == keeper
    patient = Order.objects.get().patient
    assert patient is not None
    assert (str(patient.current), patient.current.name) == ("P1^^^GENHOSP", "BARS^ANNA")
    assert not opened()
    if joined == "one message":
        assert not opened()
        send(say(*said, at=4))  # joins nobody whom the HIS has parted, and a person is told
        assert shown()["P1"] == "P1" and opened() == ["merges_conflict"]
    else:
        send(say(*said, at=4))
        assert shown()["P1"] == keeper


def test_an_unlink_that_comes_first_parts_what_was_linked_before_it(say: Say) -> None:
    send(say("ADT^A37", pid("P1"), pid("P2"), at=5))
    send(say("ADT^A24", pid("P1"), pid("P2"), at=1))
    send(say("ADT^A40", pid("P1"), mrg("P2"), at=2))
    assert shown() == {"P1": "P1", "P2": "P2"}


def test_a_link_retires_nobody_and_a_merge_of_a_linked_record_keeps_the_link(say: Say) -> None:
    send(say("ADT^A24", pid("P1", "BARS^ANNA"), pid("P2", "BARS^LENA")))
    send(say("ADT^A40", pid("P3", "BARS^LENA"), mrg("P2"), at=1))
    assert set(shown().values()) == {"P1"} and not opened()
    assert Patient.objects.get(value="P2").name == "BARS^LENA"


@pytest.mark.parametrize("trigger", ["A24", "A37"])
def test_two_different_patients_have_to_be_named(say: Say, trigger: str) -> None:
    assert b"|PID^2|100^" in send(say(f"ADT^{trigger}", pid("P1")), "AE")
    assert b"|PID^2^3|205^" in send(say(f"ADT^{trigger}", pid("P1"), pid("P1")), "AR")
    assert not Patient.objects.exists()


@pytest.mark.parametrize(
    ("merges", "text"),
    [
        ([("P1", "P2"), ("P1", "P3")], "merged elsewhere"),
        ([("P1", "P2"), ("P2", "P1")], "the surviving one into it"),
        ([("P1", "P2"), ("P2", "P3"), ("P3", "P1")], "the surviving one into it"),
    ],
)
def test_a_merge_that_contradicts_others_is_refused_unless_the_source_may(
    say: Say, merges: list[tuple[str, str]], text: str
) -> None:
    for number, (gone, keep) in enumerate(merges[:-1]):
        send(say("ADT^A40", pid(keep), mrg(gone), at=number))
    before, (gone, keep) = shown(), merges[-1]
    answer = send(say("ADT^A40", pid(keep, "NEW^NAME"), mrg(gone), at=8), "AR")
    assert b"|MRG^1^1|204^" in answer and text.encode() in answer
    assert shown() == before and not Patient.objects.filter(name="NEW^NAME").exists()
    assert opened() == ["merge_refused"]
    allow(contradicting_merges="latest")
    send(say("ADT^A40", pid(keep), mrg(gone), at=9))
    assert shown()[gone] == keep
    assert opened() == ["merge_refused", "merges_conflict"]


def test_what_says_the_same_again_is_no_contradiction(say: Say) -> None:
    for at, (gone, keep) in enumerate([("P1", "P2"), ("P2", "P3"), ("P1", "P2"), ("P1", "P3")]):
        send(say("ADT^A40", pid(keep), mrg(gone), at=at))
    assert set(shown().values()) == {"P3"} and not opened()


def test_in_one_message_too_a_merge_contradicts(say: Say) -> None:
    send(say("ADT^A40", pid("P2"), mrg("P1"), pid("P1"), mrg("P2")), "AR")
    assert not Patient.objects.exists() and not PatientLink.objects.exists()


def test_two_numbers_of_one_authority_link_by_option_and_overwrite_nobody(say: Say) -> None:
    send(say("ADT^A04", pid("B", "BARS^LENA")))
    send(say("ADT^A04", pid("A", "BARS^ANNA")))
    both = "PID|1||A^^^GENHOSP^MR~B^^^GENHOSP^MR~C^^^GENHOSP^MR||BARS^ANNE"
    send(say("ADT^A08", both, at=2), "AE")
    allow(two_identifiers="link")
    for at in (3, 4):
        send(say("ADT^A08", both, at=at))
    names = dict(Patient.objects.values_list("value", "name"))
    assert names == {"A": "BARS^ANNE", "B": "BARS^LENA", "C": "BARS^ANNE"}
    assert set(shown().values()) == {"A"}
    assert opened() == ["linked_by_message"] * 2
    send(say("ADT^A37", pid("A"), pid("B"), at=5))
    assert shown() == {"A": "A", "B": "B", "C": "A"}
    assert opened() == ["linked_by_message"]  # of A and C


class _Undo(Exception):
    pass


def run(messages: Sequence[tuple[int, bytes]]) -> tuple[set[int], Any]:
    """Which of these messages were accepted, and the state that they left; all of it is undone."""
    accepted, state = set(), None
    try:
        with transaction.atomic():
            for number, raw in messages:
                answer = inbox.receive(raw, peer="")
                assert answer is not None
                accepted |= {number} if b"MSA|AA|" in answer else set()
            links = PatientLink.objects.select_related("retired", "survivor")
            kept = sorted((x.retired.value, x.survivor.value, x.kind, x.conflict) for x in links)
            state = shown(), kept
            raise _Undo
    except _Undo:
        return accepted, state


Bond = tuple[int, str, str, str]


def reference(said: Sequence[tuple[str, str, str]]) -> dict[str, str]:
    """Under whom each shows: a plain model of what holds people together, told in order.

    A bond is when and how who was bound to whom: a retired one hangs under another by at most one merge, and
    links bind groups of those.
    """
    bonds: list[Bond] = []

    def shown() -> dict[str, str]:
        above = {gone: keep for _, kind, keep, gone in bonds if kind == "A40"}

        def top(one: str) -> str:
            return top(above[one]) if one in above else one

        for bond in [one for one in bonds if one[1] == "A24"]:
            keep, gone = top(bond[2]), top(bond[3])
            if keep == gone:
                bonds.remove(bond)
            else:
                above[gone] = keep
        return {one: top(one) for _, *pair in said for one in pair}

    def merged_into(one: str) -> list[str]:
        keeps = [keep for _, kind, keep, gone in bonds if kind == "A40" and gone == one]
        return [one, *merged_into(keeps[0])] if keeps else [one]

    def between(one: str, other: str, without: Sequence[Bond] = ()) -> list[Bond]:
        for bond in [bond for bond in bonds if one in bond[2:] and bond not in without]:
            far = bond[3] if bond[2] == one else bond[2]
            if far == other:
                return [bond]
            if found := between(far, other, [*without, bond]):
                return [bond, *found]
        return []

    for number, (kind, keep, gone) in enumerate(said):
        if kind == "A24":
            bonds.append((number, kind, keep, gone))
        elif kind == "A40" and merged_into(gone)[1:2] != [keep]:
            turned = {(keep, one) for one in merged_into(keep)[1:2]} if gone in merged_into(keep) else set()
            loose = {*turned, *((gone, one) for one in merged_into(gone)[1:2])}
            bonds = [one for one in bonds if one[1] == "A24" or (one[3], one[2]) not in loose]
            bonds.append((number, kind, keep, gone))
        elif kind == "A37" and (path := between(keep, gone)):
            direct = [one for one in path if {*one[2:]} == {keep, gone}]
            bonds.remove(direct[0] if direct else max(path))
        shown()
    return shown()


PEOPLE = st.sampled_from(["P1", "P2", "P3", "P4"])
LINKED_AND_MERGED = [
    ("A24", "P4", "P3"),
    ("A40", "P4", "P3"),
    ("A24", "P1", "P3"),
    ("A24", "P4", "P2"),
    ("A40", "P1", "P4"),
    ("A24", "P4", "P3"),
    ("A37", "P3", "P2"),
    ("A40", "P1", "P2"),
]
SAID = st.tuples(st.sampled_from(["A24", "A40", "A40", "A37"]), PEOPLE, PEOPLE).filter(
    lambda said: said[1] != said[2]
)


@settings(max_examples=500, deadline=None)
@given(said=st.lists(SAID, min_size=2, max_size=9))
def test_links_come_to_what_the_plain_model_says(said: list[tuple[str, str, str]]) -> None:
    kinds = {"A24": "link", "A40": "merge", "A37": "unlink"}
    links = [
        LinkRecord(number + 1, int(gone[1:]), int(keep[1:]), kinds[kind], f"{number:02}")
        for number, (kind, keep, gone) in enumerate(said)
    ]
    standing = Standing(links)
    assert {one: f"P{standing.root(int(one[1:]))}" for one in reference(said)} == reference(said)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(said=st.lists(SAID, min_size=2, max_size=8), seed=st.randoms(use_true_random=False))
@example(said=LINKED_AND_MERGED, seed=random.Random(0))
def test_in_any_order_what_is_accepted_decides_alone(
    monkeypatch: pytest.MonkeyPatch,
    said: list[tuple[str, str, str]],
    seed: random.Random,
) -> None:
    monkeypatch.setattr(inbox.timezone, "now", lambda: datetime(2026, 3, 2, 12, tzinfo=UTC))
    messages = [(number, message(number, kind, keep, gone)) for number, (kind, keep, gone) in enumerate(said)]
    arrivals = messages + seed.choices(messages, k=2)
    seed.shuffle(arrivals)
    accepted, state = run(arrivals)
    assert accepted >= {number for number, (kind, *_) in enumerate(said) if kind != "A40"}
    in_order = [messages[number] for number in sorted(accepted)]
    allow(contradicting_merges="latest")
    assert run(in_order) == (accepted, state)
    allow(contradicting_merges="refuse")
    assert state[0] == reference([said[number] for number in sorted(accepted)])


def message(number: int, kind: str, keep: str, gone: str) -> bytes:
    msh = f"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|202603020{800 + number}00+0000||ADT^{kind}|{number}|P|2.5.1"
    return ("\r".join([msh, pid(keep), mrg(gone) if kind == "A40" else pid(gone)]) + "\r").encode()
