"""An acceptor under test, and a peer that speaks PS3.8 byte by byte, well or badly."""

import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom import Dataset

from interfaces.dicom.message_exchange.command_set import CommandField, encode_command
from interfaces.dicom.message_exchange.dimse_service import (
    STORAGE_CLASSES,
    OperationAnswer,
    OperationRequest,
    OperationService,
    QueryRequest,
    QueryResult,
    QueryService,
    Services,
    StoreOutcome,
    StoreRequest,
    StoreService,
)
from interfaces.dicom.services import verification
from interfaces.dicom.upper_layer.acceptor import Acceptor
from interfaces.dicom.upper_layer.acceptor_config import AcceptorConfig, AssociationFacts

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
MWL = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.70"

ECHO_CONTEXT, CT_CONTEXT, MWL_CONTEXT, MPPS_CONTEXT = 1, 3, 5, 7
CONTEXTS = [
    (ECHO_CONTEXT, VERIFICATION, [IMPLICIT]),
    (CT_CONTEXT, CT, [EXPLICIT]),
    (MWL_CONTEXT, MWL, [IMPLICIT]),
    (MPPS_CONTEXT, MPPS, [EXPLICIT]),
]


@dataclass
class Received:
    """What the store service saw."""

    class_uid: str
    instance_uid: str
    transfer_syntax: str
    calling_ae: str
    size: int
    sha256: str
    file: bytes
    dataset: bytes


@dataclass
class World:
    """The services' side: what they got, and what they are told to do."""

    received: list[Received] = field(default_factory=list)
    ended: list[AssociationFacts] = field(default_factory=list)
    operations: list[OperationRequest] = field(default_factory=list)
    threads_done: int = 0
    status: int = 0
    comment: str = ""
    matches: int = 3
    filler: str = ""
    pace: float = 0.0
    yielded: int = 0
    closed: int = 0
    on_store: Callable[[StoreRequest], None] | None = None

    def store(self, request: StoreRequest) -> StoreOutcome:
        if self.on_store:
            self.on_store(request)
        spool = request.spool
        content = spool.path.read_bytes()
        self.received.append(
            Received(
                request.affected_sop_class_uid,
                request.affected_sop_instance_uid,
                request.transfer_syntax,
                request.calling_ae,
                spool.size,
                spool.sha256,
                content,
                content[spool.dataset_offset :],
            )
        )
        return StoreOutcome(self.status, self.comment)

    def find(self, request: QueryRequest) -> Iterator[QueryResult]:
        asked = request.identifier
        try:
            for number in range(self.matches):
                match = Dataset()
                match.PatientID = f"{asked.get('PatientID', '')}{number}"
                if self.filler:
                    match.PatientComments = self.filler
                self.yielded += 1
                yield QueryResult(0xFF00, match)
                if self.pace:
                    time.sleep(self.pace)
        finally:
            self.closed += 1

    def operate(self, request: OperationRequest) -> OperationAnswer:
        self.operations.append(request)
        return OperationAnswer(self.status, comment=self.comment, sop_instance_uid=request.sop_instance_uid)

    def thread_done(self) -> None:
        self.threads_done += 1


def threads() -> int:
    """Threads of acceptors that serve a connection."""
    return sum(thread.name.startswith("dicom-") for thread in threading.enumerate())


def until(condition: Callable[[], object], seconds: float = 3) -> None:
    """Wait for a condition, or fail."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


@contextmanager
def running(directory: Path, world: World, **settings: Any) -> Iterator[Acceptor]:
    """Run an acceptor with short deadlines."""
    services = Services(
        (
            verification.SERVICE,
            QueryService("find", frozenset({MWL}), CommandField.C_FIND_RQ, world.find),
            StoreService("store", STORAGE_CLASSES, CommandField.C_STORE_RQ, world.store),
            OperationService("operate", frozenset({MPPS}), CommandField.N_CREATE_RQ, world.operate),
        )
    )
    values: dict[str, Any] = {
        "ae_title": "RIS",
        "spool_dir": directory / "spool",
        "association_timeout": 0.6,
        "pdu_timeout": 0.6,
        "artim_timeout": 0.4,
        "tls_timeout": 0.6,
        "idle_timeout": 30,
        "on_association_end": world.ended.append,
        "thread_done": world.thread_done,
        **settings,
    }
    acceptor = Acceptor(AcceptorConfig(**values), services)
    server = threading.Thread(target=acceptor.serve, name="serve")
    server.start()
    try:
        yield acceptor
    finally:
        acceptor.stop(2)
        server.join(5)
        assert not server.is_alive()


def pending(acceptor: Acceptor) -> int:
    """Connections that have not associated yet."""
    return len(acceptor.gate._pending)


def associated(acceptor: Acceptor) -> int:
    return len(acceptor.gate._associated)


def spooled(acceptor: Acceptor) -> list[str]:
    """Names of spool files that are there now."""
    return [name for name in os.listdir(acceptor.config.spool_dir) if name.endswith(".part")]


def pdu(kind: int, body: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BxI", kind, len(body) if length is None else length) + body


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def context(context_id: int, abstract: str, transfer: list[str]) -> bytes:
    syntaxes = b"".join(item(0x40, uid.encode()) for uid in transfer)
    return item(0x20, bytes((context_id, 0, 0, 0)) + item(0x30, abstract.encode()) + syntaxes)


def associate_rq(
    contexts: list[tuple[int, str, list[str]]] | None = None,
    *,
    called: bytes = b"RIS",
    calling: bytes = b"CT1",
    application: bytes = b"1.2.840.10008.3.1.1.1",
    user: bytes = b"",
    max_length: int = 16384,
    version: int = 1,
) -> bytes:
    items = item(0x10, application) + b"".join(context(*row) for row in contexts or CONTEXTS)
    user = item(0x51, struct.pack(">I", max_length)) + item(0x52, b"1.2.3") + user + item(0x55, b"TEST")
    fixed = struct.pack(">HH16s16s32x", version, 0, called.ljust(16), calling.ljust(16))
    return pdu(1, fixed + items + item(0x50, user))


def pdv(context_id: int, control: int, fragment: bytes) -> bytes:
    return struct.pack(">IBB", len(fragment) + 2, context_id, control) + fragment


def command(context_id: int, data: bytes) -> bytes:
    return pdu(4, pdv(context_id, 3, data))


def data(context_id: int, *fragments: bytes) -> bytes:
    """A data set as one PDU a fragment."""
    last = len(fragments) - 1
    return b"".join(
        pdu(4, pdv(context_id, 2 if n == last else 0, fragment)) for n, fragment in enumerate(fragments)
    )


def echo_rq(message_id: int = 1) -> bytes:
    return encode_command({2: VERIFICATION, 0x100: 0x30, 0x110: message_id, 0x800: 0x0101})


def store_rq(instance: str | bytes = "1.2.3.4", message_id: int = 1, sop_class: str = CT) -> bytes:
    if isinstance(instance, str):
        instance = instance.encode() + b"\0" * (len(instance) & 1)
    return encode_command(
        {2: sop_class, 0x100: 1, 0x110: message_id, 0x700: 0, 0x800: 1, 0x1000: instance or b""}
    )


def find_rq(message_id: int = 1) -> bytes:
    return encode_command({2: MWL, 0x100: 0x20, 0x110: message_id, 0x700: 0, 0x800: 1})


def cancel_rq(message_id: int = 1) -> bytes:
    return encode_command({0x100: 0x0FFF, 0x120: message_id, 0x800: 0x0101})


DATASET = b"\x08\x00\x16\x00UI\x1a\x001.2.840.10008.5.1.4.1.1.2\0" + os.urandom(5000)
IDENTIFIER = b"\x10\0\x20\0\x02\0\0\0A-"
RELEASE_RQ = pdu(5, bytes(4))
RELEASE_RP = pdu(6, bytes(4))
ABORT = pdu(7, bytes(4))


@dataclass
class Response:
    context_id: int
    status: int
    elements: dict[int, bytes]
    dataset: bytes | None

    @property
    def comment(self) -> str:
        return self.elements.get(0x902, b"").decode().strip()


class RawPeer:
    """A requestor on a bare socket."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, timeout: float = 5) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock)

    def __enter__(self) -> "RawPeer":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, *parts: bytes) -> None:
        self.sock.sendall(b"".join(parts))

    def associate(self, **values: Any) -> bytes:
        """Associate and return the body of the A-ASSOCIATE-AC."""
        self.send(associate_rq(**values))
        kind, body = self.receive()
        assert kind == 2, (kind, body)
        return body

    def receive(self) -> tuple[int, bytes]:
        """Return type and body of the next PDU; type 0 stands for a closed connection."""
        head = self._exactly(6)
        if len(head) < 6:
            return 0, b""
        kind, length = struct.unpack(">BxI", head)
        return kind, self._exactly(length)

    def response(self) -> Response:
        head, elements, dataset = b"", {}, None
        while True:
            kind, body = self.receive()
            assert kind == 4, (kind, body)
            while body:
                length, context_id, control = struct.unpack(">IBB", body[:6])
                fragment, body = body[6 : 4 + length], body[4 + length :]
                if control & 1:
                    head += fragment
                else:
                    dataset = (dataset or b"") + fragment
                if control == 3:
                    elements = _elements(head)
                last = bool(control & 2)
            if last and elements and (dataset is not None or elements[0x800] == b"\x01\x01"):
                status = int.from_bytes(elements[0x900], "little")
                return Response(context_id, status, elements, dataset)

    def closed(self) -> bool:
        """Wait for the other side to close."""
        try:
            return not self.sock.recv(1)
        except ConnectionResetError:
            return True

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            try:
                chunk = self.sock.recv(count - len(got))
            except ConnectionResetError:
                return got
            if not chunk:
                return got
            got += chunk
        return got


def _elements(head: bytes) -> dict[int, bytes]:
    elements = {}
    while head:
        group, element, length = struct.unpack("<HHI", head[:8])
        assert group == 0
        elements[element] = head[8 : 8 + length]
        head = head[8 + length :]
    assert int.from_bytes(elements.pop(0), "little") == sum(8 + len(v) for v in elements.values())
    return elements


def is_good(acceptor: Acceptor, tls: ssl.SSLContext | None = None) -> bool:
    """Tell whether a well-behaved peer gets an association, an echo and a release within a second."""
    began = time.monotonic()
    with RawPeer(acceptor.port, tls) as peer:
        peer.associate()
        peer.send(command(ECHO_CONTEXT, echo_rq()))
        assert peer.response().status == 0
        peer.send(RELEASE_RQ)
        assert peer.receive() == (6, bytes(4))
    return time.monotonic() - began < 1
