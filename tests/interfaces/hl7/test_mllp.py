"""The listener over real sockets (HL7 v2.5.1 C.4; faults F19 to F27)."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError

from interfaces.hl7.inbound import message_store, triggers
from interfaces.hl7.models import InboundMessage, OpenConnections
from interfaces.hl7.wire import framing, mllp
from interfaces.hl7.wire.connection_list import ConnectionList
from interfaces.hl7.wire.mllp import Listener, Timing
from ledger import heartbeat
from worklist.models import Order, Patient, ScheduledProcedureStep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site")]
Say = Callable[..., bytes]
PID = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F"


class Running:
    """A listener in a thread of its own."""

    def __init__(self) -> None:
        threads = 1 if settings.USING_SQLITE else 4
        timing = Timing(frame=0.6, silence=0.05, send=2.0)
        self.listener = Listener("127.0.0.1", 0, threads=threads, timing=timing)
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self.listener.listening.wait(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.listener.serve(self._stop)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)

    def join(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()

    @contextmanager
    def peer(self) -> Iterator["Peer"]:
        with socket.create_connection(("127.0.0.1", self.listener.port), 20) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield Peer(connection)


class Peer:
    """A sender."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._deframer = framing.Deframer()
        self._waiting: list[bytes] = []

    def send(self, *messages: bytes) -> None:
        self.socket.sendall(b"".join(framing.frame(message) for message in messages))

    def frame(self) -> bytes:
        """The next answer; empty when the listener closed."""
        while not self._waiting:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return b""
            if not data:
                return b""
            self._waiting += self._deframer.feed(data)
        return self._waiting.pop(0)

    def read(self) -> str:
        """MSA-1 and MSA-2 of the next answer; empty when the listener closed."""
        answer = self.frame().decode()
        msa = next((s for s in answer.split("\r") if s.startswith("MSA")), "")
        return " ".join(msa.split("|")[1:3])


@pytest.fixture
def running() -> Iterator[Running]:
    running = Running()
    yield running
    running.stop()
    running.join()


def eventually(look: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not look():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_order_over_the_wire_is_on_the_worklist_when_it_is_acknowledged(
    running: Running, say: Say
) -> None:
    order = say(
        "ORM^O01", PID, "ORC|NW|PL1^HIS", "OBR|1|PL1^HIS||71260^CT CHEST^C4" + "|" * 20 + "CT", control_id="1"
    )
    with running.peer() as peer:
        peer.send(order)
        assert peer.read() == "AA 1"
        step = ScheduledProcedureStep.objects.get()
        assert (step.modality, step.on_worklist) == ("CT", True)


def test_frames_that_come_together_are_answered_in_their_order(running: Running, say: Say) -> None:
    with running.peer() as peer:
        peer.send(*(say("ADT^A08", PID, at=n, control_id=str(n)) for n in range(5)))
        assert [peer.read() for _ in range(5)] == [f"AA {n}" for n in range(5)]


def test_messages_of_one_frame_are_each_answered(running: Running, say: Say) -> None:
    messages = [
        say("ADT^A08", PID, control_id="a"),
        say("ADT^A99", control_id="b"),
        say("ADT^A08", PID, control_id="c"),
    ]
    with running.peer() as peer:
        peer.send(b"".join(messages))
        assert [peer.read() for _ in range(3)] == ["AA a", "AR b", "AA c"]


def test_a_frame_may_be_cut_anywhere_and_stay_idle_before_and_after(running: Running, say: Say) -> None:
    with running.peer() as peer:
        time.sleep(0.8)  # longer than a frame may take: only a frame that has begun has a deadline
        for byte in framing.frame(say("ADT^A08", PID, control_id="1")):
            peer.socket.send(bytes([byte]))
        assert peer.read() == "AA 1"
        time.sleep(0.8)
        peer.send(say("ADT^A08", PID, control_id="2"))
        assert peer.read() == "AA 2"


def test_a_frame_without_its_last_byte_is_answered(running: Running, say: Say) -> None:
    with running.peer() as peer:
        peer.socket.sendall(framing.VT + say("ADT^A08", PID, control_id="1") + framing.FS)
        assert peer.read() == "AA 1"


@pytest.mark.parametrize("pause", [None, 0.1])
def test_a_frame_that_does_not_end_is_cut(running: Running, pause: float | None) -> None:
    """F20, F21: the deadline is the frame's, so a byte now and then doesn't help."""
    began = time.monotonic()
    with running.peer() as peer:
        peer.socket.sendall(framing.VT + b"MSH|^~\\&|")
        if pause:
            try:
                for _ in range(20):
                    peer.socket.sendall(b"x")
                    time.sleep(pause)
            except OSError:
                pass
        assert peer.read() == ""
    assert 0.5 < time.monotonic() - began < 5
    assert running.listener.counters.cut == 1 and not InboundMessage.objects.exists()


def test_half_a_frame_and_then_the_end_is_nothing(running: Running) -> None:
    with running.peer() as peer:
        peer.socket.sendall(framing.VT + b"MSH|^~\\&|HIS")
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.read() == ""
    eventually(lambda: not running.listener.open_connections)
    assert not InboundMessage.objects.exists()


def test_what_is_no_message_is_counted_and_the_connection_closed(running: Running) -> None:
    with running.peer() as peer:
        peer.send(b"PID|1||P1")
        assert peer.read() == ""
    assert running.listener.counters.without_msh == 1 and not InboundMessage.objects.exists()


def test_a_frame_over_the_cap_is_cut(running: Running) -> None:
    """F24."""
    with running.peer() as peer:
        try:
            peer.socket.sendall(framing.VT + b"MSH|" + b"x" * (framing.MAX_BYTES + 65536))
        except OSError:
            pass
        assert peer.read() == ""
    assert running.listener.counters.cut == 1 and not InboundMessage.objects.exists()


def test_who_speaks_something_else_is_cut(running: Running) -> None:
    with running.peer() as peer:
        try:
            for _ in range(3):
                peer.socket.sendall(b"GET / HTTP/1.1\r\n" * 4096)
        except OSError:
            pass
        assert peer.read() == ""


def test_connections_over_the_limit_are_refused_at_once(
    running: Running, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F25."""
    monkeypatch.setattr(mllp, "MAX_CONNECTIONS", 2)
    with running.peer() as one, running.peer():
        eventually(lambda: len(running.listener.open_connections) == 2)
        with running.peer() as third:
            began = time.monotonic()
            assert third.read() == "" and time.monotonic() - began < 2
        one.send(say("ADT^A08", PID, control_id="1"))
        assert one.read() == "AA 1"
    assert running.listener.counters.refused == 1


def test_two_connections_of_one_source_each_get_their_own_answers(running: Running, say: Say) -> None:
    with running.peer() as one, running.peer() as two:
        for number in range(10):
            one.send(say("ADT^A08", PID, at=number, control_id=f"one{number}"))
            two.send(say("ADT^A08", PID.replace("P1", "P2"), at=number, control_id=f"two{number}"))
        for number in range(10):
            assert (one.read(), two.read()) == (f"AA one{number}", f"AA two{number}")
    assert Patient.objects.count() == 2


def test_what_could_not_be_stored_is_not_answered(
    running: Running, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OperationalError("database or disk is full")

    with running.peer() as peer, monkeypatch.context() as patched:
        patched.setattr(message_store, "store", full)
        peer.send(say("ADT^A08", PID))
        assert peer.read() == ""
    with running.peer() as peer:
        peer.send(say("ADT^A08", PID, control_id="2"))
        assert peer.read() == "AA 2"


def test_a_stop_lets_the_message_in_flight_end(
    running: Running, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F19."""
    real, begun = triggers.TRIGGERS["ADT", "A08"], threading.Event()

    def slow(reading: object) -> object:
        begun.set()
        time.sleep(0.5)
        return real(reading)  # type: ignore[arg-type]

    monkeypatch.setitem(triggers.TRIGGERS, ("ADT", "A08"), slow)  # type: ignore[arg-type]
    with running.peer() as busy, running.peer() as idle:
        busy.send(say("ADT^A08", PID, control_id="1"), say("ADT^A08", PID, at=1, control_id="2"))
        assert begun.wait(10)
        running.stop()
        assert idle.read() == ""
        assert busy.read() == "AA 1"
        assert busy.read() == "", "what was not begun is not answered, and will come again"
        running.join()
    assert list(InboundMessage.objects.values_list("control_id", "status")) == [("1", "applied")]
    with pytest.raises(ConnectionRefusedError), running.peer():
        pass


def test_files_are_taken_as_messages_are(
    say: Say, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A batch file (2.10.3): its messages without FHS, BHS, BTS and FTS."""
    orders = [
        say("ORM^O01", PID, f"ORC|NW|PL{n}^HIS", f"OBR|1|PL{n}^HIS||71260^CT^C4" + "|" * 20 + "CT")
        for n in range(2)
    ]
    path = tmp_path / "batch.hl7"
    path.write_bytes(b"FHS|^~\\&|HIS\rBHS|^~\\&|HIS\r" + b"".join(orders) + b"BTS|2\rFTS|1\r")
    for _ in range(2):
        call_command("hl7", "import", str(path))
        assert capsys.readouterr().out == f"{path}: 2 messages: AA, AA\n"
    assert Order.objects.count() == 2 and InboundMessage.objects.filter(times_received=2).count() == 2


def test_who_is_connected_since_when_is_written_down(running: Running, say: Say) -> None:
    heartbeat.beat("hl7")
    connected = running.listener.connected
    with running.peer() as named, running.peer():
        named.send(say("ADT^A08", PID, control_id="M1"))
        assert named.read() == "AA M1"
        wait_until(lambda: connected_now(connected) == {"HIS|GENHOSP": 1, "": 1})
        since = OpenConnections.objects.get(source="HIS|GENHOSP").since
        named.send(say("ADT^A08", PID, control_id="M2"))
        assert named.read() == "AA M2"
        assert connected_now(connected) == {"HIS|GENHOSP": 1, "": 1}
        assert OpenConnections.objects.get(source="HIS|GENHOSP").since == since
    wait_until(lambda: connected_now(connected) == {})


def connected_now(connected: ConnectionList) -> dict[str, int]:
    connected.write()
    return dict(OpenConnections.objects.values_list("source", "number"))


def wait_until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not look():
        assert time.monotonic() < end
        time.sleep(0.05)
