"""Every real message over one connection: each is answered by its control ID and kept."""

import re
import socket
from collections import Counter

import pytest

from tests.clients.system import ROOT, System, answer_code

FOLDER = ROOT.parent / "shared" / "data" / "hl7"
pytestmark = [
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the real messages (../shared/data/hl7) are not here"),
    pytest.mark.timeout(600),
]
HEADER = re.compile(rb"(?:\xef\xbb\xbf|[\s\0])*MSH[!-/:-@\[-`{-~]")
"""What begins a message, after a byte order mark or blanks."""


class Connection:
    """One MLLP connection, opened again where the listener closed it."""

    def __init__(self, port: int) -> None:
        self.port, self.opened = port, 0
        self._socket: socket.socket | None = None
        self._buffer = b""

    def tell(self, message: bytes) -> socket.socket:
        """Send a message, and wait for nothing."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self.port), 60)
            self.opened += 1
            self._buffer = b""
        self._socket.sendall(b"\x0b" + message + b"\x1c\r")
        return self._socket

    def ask(self, message: bytes) -> bytes | None:
        """The answer to a message; None where the connection was closed instead."""
        opened = self.tell(message)
        while b"\x1c\r" not in self._buffer:
            data = opened.recv(65536)
            if not data:
                self._socket = None
                return None
            self._buffer += data
        frame, self._buffer = self._buffer.split(b"\x1c\r", 1)
        return frame.lstrip(b"\x0b")


def messages_of(content: bytes) -> list[bytes]:
    """A file's messages: split where a line begins with MSH and a separator; else the whole file."""
    starts = [found.start() for found in re.finditer(rb"(?:\A|(?<=[\r\n\x0b]))MSH[!-/:-@\[-`{-~]", content)]
    ends = [*starts[1:], len(content)]
    parts = [content[a:b].strip(b"\x0b\x1c\r\n") for a, b in zip(starts, ends, strict=False)]
    return parts or [content]


def field(message: bytes, n: int) -> bytes:
    """MSH-n, past the second, as the message's own separator has it."""
    header = re.split(rb"[\r\n]", message[message.find(b"MSH") :], maxsplit=1)[0]
    fields = header.split(header[3:4])
    return fields[n - 1].strip() if len(fields) >= n else b""


def control_id(message: bytes) -> bytes:
    return field(message, 10)


def is_acknowledgment(message: bytes) -> bool:
    return bool(HEADER.match(message) and re.match(rb"ACK\b", field(message, 9)))


def test_each_real_message_is_answered_and_kept(system: System) -> None:
    connection = Connection(system.hl7_port)
    outcome: Counter[str] = Counter()
    sent = []
    for path in sorted(p for p in FOLDER.rglob("*") if p.is_file()):
        for message in messages_of(path.read_bytes()):
            if is_acknowledgment(message):  # an answer would be taken for that to the next message
                connection.tell(message)
                sent.append(message)
                outcome["never acknowledged"] += 1
                continue
            answer = connection.ask(message)
            has_header = HEADER.match(message)
            if answer is None:
                assert not has_header, f"{path.name}: closed, though it has an MSH"
                outcome["without MSH, connection closed"] += 1
                continue
            sent.append(message)
            code = answer_code(answer)
            assert code in ("AA", "AE", "AR"), (path.name, answer)
            named = next(s for s in answer.split(b"\r") if s.startswith(b"MSA")).split(answer[3:4])[2]
            if control_id(message):
                assert named == control_id(message), (path.name, named)
            else:
                assert (code, named) == ("AR", b""), (path.name, answer)
                outcome["without MSH-10"] += 1
            outcome[code] += 1
    print(dict(outcome), "connections:", connection.opened)
    assert connection.opened <= 1 + outcome["without MSH, connection closed"], "none killed the listener"
    kept = system.api("/hl7/messages", direction="in", limit="1")["count"]
    assert kept >= len(set(sent)), "all lie in the message store"
    assert system.is_ready()
