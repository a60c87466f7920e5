"""A requestor that proposes one SOP Class in one transfer syntax and sends a dataset byte for byte.

It knows nothing of ours and checks nothing: what it is given goes over the wire (PS3.7 9.1.1, PS3.8 9.3).
"""

import socket
import struct
from types import TracebackType

MAX_PDU = 128 << 10


class Rejected(Exception):
    """The association or the presentation context was not accepted."""


class RawStore:
    """One association with one presentation context."""

    def __init__(
        self,
        port: int,
        sop_class: str,
        transfer_syntax: str,
        *,
        calling: str = "CT1",
        called: str = "RISPACS",
        timeout: float = 30,
    ) -> None:
        self.sop_class = sop_class
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(_associate_rq(sop_class, transfer_syntax, calling, called))
        kind, body = self._pdu()
        if kind != 2:
            self.sock.close()
            raise Rejected(f"PDU type {kind}: {body[:4].hex()}")
        if (result := _context_result(body)) != 0:
            self.sock.close()
            raise Rejected(f"presentation context, result {result}")

    def __enter__(self) -> "RawStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release() if kind is None else self.sock.close()

    def store(self, instance: str, dataset: bytes) -> tuple[int, str]:
        """Send one object; status and Error Comment of the answer."""
        self.send(instance, dataset)
        return self.answer()

    def send(self, instance: str, dataset: bytes) -> None:
        """Send a C-STORE-RQ and its dataset, without waiting for the answer."""
        self.sock.sendall(_pdata(_store_rq(self.sop_class, instance), is_command=True))
        size = MAX_PDU - 6
        starts = range(0, len(dataset), size) or [0]
        for start in starts:
            part = dataset[start : start + size]
            self.sock.sendall(_pdata(part, is_command=False, is_last=start == starts[-1]))

    def answer(self) -> tuple[int, str]:
        """Wait for a C-STORE-RSP."""
        kind, body = self._pdu()
        if kind != 4:
            raise ConnectionError(f"PDU type {kind} for an answer")
        elements = _elements(body[6:])
        comment = elements.get(0x0902, b"").decode("ascii", "replace").strip()
        return int.from_bytes(elements[0x0900], "little"), comment

    def release(self) -> None:
        self.sock.sendall(struct.pack(">BxI4x", 5, 4))
        self._pdu()
        self.sock.close()

    def _pdu(self) -> tuple[int, bytes]:
        kind, length = struct.unpack(">BxI", self._exactly(6))
        return kind, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            chunk = self.sock.recv(count - len(got))
            if not chunk:
                raise ConnectionError("closed")
            got += chunk
        return got


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def _associate_rq(sop_class: str, transfer_syntax: str, calling: str, called: str) -> bytes:
    context = _item(
        0x20, b"\x01\0\0\0" + _item(0x30, sop_class.encode()) + _item(0x40, transfer_syntax.encode())
    )
    user = _item(0x50, _item(0x51, struct.pack(">I", MAX_PDU)) + _item(0x52, b"1.2.3") + _item(0x55, b"RAW"))
    items = _item(0x10, b"1.2.840.10008.3.1.1.1") + context + user
    body = struct.pack(">HH16s16s32x", 1, 0, called.encode().ljust(16), calling.encode().ljust(16)) + items
    return struct.pack(">BxI", 1, len(body)) + body


def _context_result(body: bytes) -> int:
    """The result of the only presentation context (PS3.8 9.3.3.2)."""
    position = 68
    while position < len(body):
        kind, length = struct.unpack_from(">BxH", body, position)
        if kind == 0x21:
            return body[position + 6]
        position += 4 + length
    return -1


def _store_rq(sop_class: str, instance: str) -> bytes:
    def element(number: int, value: bytes) -> bytes:
        return struct.pack("<HHI", 0, number, len(value)) + value

    def uid(text: str) -> bytes:
        value = text.encode("latin-1")
        return value + b"\0" * (len(value) % 2)

    body = element(0x0002, uid(sop_class)) + b"".join(
        element(number, struct.pack("<H", value))
        for number, value in ((0x0100, 1), (0x0110, 1), (0x0700, 0), (0x0800, 1))
    )
    body += element(0x1000, uid(instance))
    return element(0x0000, struct.pack("<I", len(body))) + body


def _pdata(fragment: bytes, *, is_command: bool, is_last: bool = True) -> bytes:
    control = is_command | is_last << 1
    return struct.pack(">BxIIBB", 4, len(fragment) + 6, len(fragment) + 2, 1, control) + fragment


def _elements(command: bytes) -> dict[int, bytes]:
    elements = {}
    while command:
        _, number, length = struct.unpack_from("<HHI", command)
        elements[number] = command[8 : 8 + length]
        command = command[8 + length :]
    return elements
