"""MLLP (HL7 v2.5.1 transport, release 1): the HIS's sender, and its listener for what comes back."""

import contextlib
import socket
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.messages import Message
from simulator.surroundings import Address

START, END = b"\x0b", b"\x1c\r"
PATIENCE = 30.0
"""Seconds for which an answer is waited for."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0


class Sender:
    """Sends one message at a time over one connection; a dead connection is opened again.

    A message without an answer is sent again, with the same bytes, until `stop` is set.
    """

    def __init__(self, address: Address, stop: threading.Event, say: Callable[[str], None]) -> None:
        self._address = address
        self._stop = stop
        self._say = say
        self._turn = threading.Lock()
        self._connection: socket.socket | None = None
        self.sent = 0
        self.answers: Counter[str] = Counter()

    def send(self, message: Message) -> str:
        """MSA-1 of the answer; empty if the day ended before there was one."""
        with self._turn:
            pause = FIRST_PAUSE
            while not self._stop.is_set():
                try:
                    code = self._try(message)
                except OSError as error:
                    self._drop()
                    if pause == FIRST_PAUSE:
                        self._say(f"HIS: no answer from HL7 ({error}); trying again")
                    self._stop.wait(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                    continue
                self.sent += 1
                self.answers[code] += 1
                return code
        return ""

    def close(self) -> None:
        """Close the connection."""
        with self._turn:
            self._drop()

    def _try(self, message: Message) -> str:
        if self._connection is None:
            self._connection = socket.create_connection(self._address, timeout=PATIENCE)
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.sendall(START + message.raw + END)
        code, control_id = answer_of(self._receive())
        if control_id != message.control_id:
            raise OSError(f"the answer is to {control_id!r}, not to {message.control_id!r}")
        return code

    def _receive(self) -> bytes:
        assert self._connection is not None
        buffer, end = b"", time.monotonic() + PATIENCE
        while END not in buffer:
            if time.monotonic() > end:
                raise TimeoutError("the answer does not end")
            data = self._connection.recv(65536)
            if not data:
                raise ConnectionError("closed without an answer")
            buffer += data
        return buffer

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
        self._connection = None


def answer_of(ack: bytes) -> tuple[str, str]:
    """MSA-1 and MSA-2 of an ACK."""
    for segment in ack.split(b"\r"):
        fields = segment.strip(b"\x0b\x1c\n").split(b"|")
        if fields[0] == b"MSA" and len(fields) > 2:
            return fields[1].decode(), fields[2].decode()
    return "", ""


@dataclass
class Received:
    """What the system told the HIS: counts by message type, and the accession numbers of each."""

    counts: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    results: Counter[str] = field(default_factory=Counter)
    turn: threading.Lock = field(default_factory=threading.Lock)
    _known: set[str] = field(default_factory=set)

    def take(self, raw: bytes) -> str:
        """Note a message; the control ID that the ACK has to name."""
        segments = [segment.split("|") for segment in raw.decode("utf-8", "replace").split("\r") if segment]
        header = segments[0] + [""] * 12
        kind, control_id = header[8].partition("^")[0], header[9]
        with self.turn:
            if control_id in self._known:
                self.repeats += 1
                return control_id
            self._known.add(control_id)
            self.counts[kind] += 1
            if kind == "ORU":
                for accession in {obr[18] for obr in segments if obr[0] == "OBR" and len(obr) > 18}:
                    self.results[accession] += 1
        return control_id


class Listener:
    """The HIS's own door: takes every message and answers AA."""

    def __init__(self, address: Address) -> None:
        self.received = Received()
        self._server = _Server(address, _Handler)
        self._server.received = self.received
        threading.Thread(target=self._server.serve_forever, name="his-listener", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    received: Received


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                buffer += data
                while END in buffer:
                    frame, buffer = buffer.split(END, 1)
                    self._answer(frame.lstrip(b"\r\n" + START))

    def _answer(self, raw: bytes) -> None:
        control_id = self.server.received.take(raw)
        now = time.strftime("%Y%m%d%H%M%S")
        ack = f"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|{now}||ACK|{control_id}|P|2.5.1\rMSA|AA|{control_id}\r"
        self.request.sendall(START + ack.encode() + END)
