"""Which of several procedures an OBR without IDs speaks of: that of its number, its code, its place."""

import itertools
from collections.abc import Callable

import pytest

from interfaces.hl7.inbound import inbox
from worklist.models import Order, RequestedProcedure

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F"
CHEST, ABDOMEN, HEAD = "71260^CT CHEST^C4", "74177^CT ABDOMEN^C4", "70450^CT HEAD^C4"


def obr(place: int, code: str, *, accession: str = "", start: str = "") -> str:
    return f"OBR|{place}|||{code}{'|' * 14}{accession}||||||CT{'|' * 12}{start}"


def send(*messages: bytes) -> None:
    for raw in messages:
        answer = inbox.receive(raw, peer="") or b""
        assert b"MSA|AA|" in answer, answer


def seen() -> list[tuple[str, str, str]]:
    rows = RequestedProcedure.objects.prefetch_related("steps").order_by("code")
    return [
        (row.code, row.accession_number, f"{step.start:%H}" if step.start else "")
        for row in rows
        for step in row.steps.all()
    ]


def messages(say: Say, *, accessions: bool) -> list[bytes]:
    """An order of two, a change of the second alone, and one of the first alone."""
    a, b = ("ANDA", "ANDB") if accessions else ("", "")
    both = [obr(1, CHEST, accession=a, start="20261201080000+0000"), obr(2, ABDOMEN, accession=b)]
    return [
        say("ORM^O01", PID, "ORC|NW|PL1^HIS", *both, at=0, control_id="m0"),
        say(
            "ORM^O01",
            PID,
            "ORC|XO|PL1^HIS",
            obr(1, ABDOMEN, accession=b, start="20261201110000+0000"),
            at=1,
            control_id="m1",
        ),
        say(
            "ORM^O01",
            PID,
            "ORC|XO|PL1^HIS",
            obr(2, CHEST, accession=a, start="20261201090000+0000"),
            at=2,
            control_id="m2",
        ),
    ]


@pytest.mark.parametrize("accessions", [False, True])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_change_of_one_is_of_the_one_it_names_in_any_order(
    say: Say, accessions: bool, order: tuple[int, ...]
) -> None:
    sent = messages(say, accessions=accessions)
    send(*(sent[n] for n in order))
    a, b = ("ANDA", "ANDB") if accessions else ("", "")
    assert seen() == [("71260", a, "09"), ("74177", b, "11")]


def test_by_its_accession_number_even_where_its_code_is_another(say: Say) -> None:
    sent = messages(say, accessions=True)
    send(sent[0])
    other = obr(1, HEAD, accession="ANDB")
    send(say("ORM^O01", PID, "ORC|XO|PL1^HIS", other, at=5, control_id="m5"))
    assert [(code, number) for code, number, _ in seen()] == [("70450", "ANDB"), ("71260", "ANDA")]


def test_the_only_one_may_change_its_code(say: Say) -> None:
    for at, code in enumerate((CHEST, ABDOMEN, HEAD)):
        send(say("ORM^O01", PID, "ORC|XO|PL1^HIS", obr(1, code), at=at, control_id=f"m{at}"))
    assert [code for code, _, _ in seen()] == ["70450"]


def test_all_again_in_their_places_may_change_codes(say: Say) -> None:
    send(messages(say, accessions=False)[0])
    both = [obr(1, HEAD), obr(2, ABDOMEN)]
    send(say("ORM^O01", PID, "ORC|XO|PL1^HIS", *both, at=5, control_id="m5"))
    assert [code for code, _, _ in seen()] == ["70450", "74177"]
    assert Order.objects.count() == 1
