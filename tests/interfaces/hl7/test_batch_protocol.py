"""Batches and their answers (HL7 v2.5.1 2.10.3)."""

from collections.abc import Callable

import pytest

from interfaces.hl7.wire import batch_protocol
from tests.interfaces.hl7.test_mllp import PID, Running, running  # noqa: F401
from worklist.models import Order

Say = Callable[..., bytes]
FHS, BHS = (
    b"FHS|^~\\&|HIS|GENHOSP|RIS|RAD|20260302||||F7\r",
    b"BHS|^~\\&|HIS|GENHOSP|RIS|RAD|20260302||||B7\r",
)
M, ACK = b"MSH|^~\\&|HIS\rPID|1\r", b"MSH|^~\\&|RIS\rMSA|AA|1\r"


def lines(payload: bytes, *answers: bytes) -> list[list[str]]:
    answer = batch_protocol.answer(payload, answers)
    return [line.split("|") for line in answer.decode().split("\r") if line]


def test_a_batch_is_answered_by_one_with_the_names_turned_round() -> None:
    header, msh, msa, trailer = lines(BHS + M + b"BTS|1\r", ACK)
    assert header[:6] == ["BHS", "^~\\&", "RIS", "RAD", "HIS", "GENHOSP"]
    assert header[11] == "B7" and header[10]
    assert (msh[0], msa[1], trailer) == ("MSH", "AA", ["BTS", "1"])


def test_each_batch_of_a_file_has_its_own_answers() -> None:
    found = lines(FHS + BHS + M + M + b"BTS|2\r" + BHS + M + b"BTS|1\rFTS|2\r", ACK, ACK, ACK)
    names = [line[0] for line in found if line[0] not in ("MSH",)]
    assert names == ["FHS", "BHS", "MSA", "MSA", "BTS", "BHS", "MSA", "BTS", "FTS"]
    assert [line[1] for line in found if line[0] in ("BTS", "FTS")] == ["2", "1", "2"]


@pytest.mark.parametrize("trailer", [b"", b"BTS\r", b"FTS|1\r"])
def test_what_is_not_closed_is_closed_in_the_answer(trailer: bytes) -> None:
    assert lines(BHS + M + trailer, ACK)[-1] == ["BTS", "1"]


def test_a_batch_that_counts_otherwise_than_what_came_is_told() -> None:
    assert lines(BHS + M + b"BTS|3\r", ACK)[-1] == ["BTS", "1", "3 said, 1 came"]


def test_messages_without_an_answer_are_counted_all_the_same() -> None:
    assert [line[0] for line in lines(BHS + M + b"BTS|1\r", b"")] == ["BHS", "BTS"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("site")
def test_over_mllp_a_batch_is_one_frame_and_so_is_its_answer(say: Say, running: Running) -> None:  # noqa: F811
    orders = [
        say("ORM^O01", PID, f"ORC|NW|PL{n}^HIS", f"OBR|1|PL{n}^HIS||71260^CT^C4{'|' * 20}CT") for n in (1, 2)
    ]
    wrong = say("ADT^A08", PID.replace("19700102", "yesterday"))
    with running.peer() as peer:
        for _ in range(2):  # the same again has the same answer
            peer.send(BHS + orders[0] + wrong + orders[1] + b"BTS|3\r")
            answer = peer.frame()
            codes = [line.split(b"|")[1] for line in answer.split(b"\r") if line.startswith(b"MSA")]
            assert answer.startswith(b"BHS|") and codes == [b"AA", b"AE", b"AA"]
            assert answer.endswith(b"BTS|3\r")
        peer.send(say("ADT^A08", PID))
        assert peer.frame().startswith(b"MSH|"), "a message alone is answered as before"
    assert Order.objects.count() == 2
