"""The HIS sends until it is answered, and hears what comes back once."""

import socket
import threading
from collections.abc import Iterator

import pytest

from simulator.messages import Message
from simulator.mllp import END, START, Listener, Sender, answer_of


@pytest.fixture
def listener() -> Iterator[Listener]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    listening = Listener(address)
    yield listening
    listening.close()


def message(control_id: str, kind: str = "ORM^O01", accession: str = "A1") -> Message:
    obr = "OBR" + "|" * 18 + accession
    raw = f"MSH|^~\\&|RISPACS|GENHOSP|HIS|GENHOSP|20260302||{kind}|{control_id}|P|2.5.1\r{obr}\r"
    return Message(kind, control_id, raw.encode())


def sender(address: tuple[str, int], said: list[str] | None = None) -> Sender:
    return Sender(address, threading.Event(), (said if said is not None else []).append)


def test_messages_are_answered_over_one_connection_and_counted(listener: Listener) -> None:
    his = sender(listener._server.server_address)

    assert [his.send(message(str(n))) for n in range(3)] == ["AA", "AA", "AA"]
    his.close()
    assert his.sent == 3
    assert listener.received.counts == {"ORM": 3}


def test_a_repeat_is_answered_and_counted_apart(listener: Listener) -> None:
    his = sender(listener._server.server_address)
    for _ in range(2):
        assert his.send(message("7", "ORU^R01", "A7")) == "AA"
    his.close()

    assert listener.received.counts == {"ORU": 1}
    assert listener.received.repeats == 1
    assert listener.received.results == {"A7": 1}


def test_a_dead_connection_is_opened_again_and_the_same_bytes_are_sent() -> None:
    seen: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for turn in range(2):
            connection, _ = server.accept()
            with connection:
                data = b""
                while END not in data:
                    data += connection.recv(4096)
                seen.append(data)
                if turn:
                    connection.sendall(START + b"MSH|^~\\&\rMSA|AA|5\r" + END)

    thread = threading.Thread(target=serve)
    thread.start()
    said: list[str] = []
    his = sender(server.getsockname(), said)
    assert his.send(message("5")) == "AA"
    his.close()
    thread.join(5)
    server.close()

    assert len(set(seen)) == 1
    assert len(said) == 1


def test_a_stopped_day_gives_up_on_an_answer() -> None:
    stop = threading.Event()
    stop.set()
    assert Sender(("127.0.0.1", 9), stop, print).send(message("1")) == ""


def test_only_msa_counts() -> None:
    assert answer_of(b"\x0bMSH|^~\\&|MSA|\rMSA|AE|42|why\r") == ("AE", "42")
    assert answer_of(b"garbage") == ("", "")
