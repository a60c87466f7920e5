"""What brings an acceptor down, one by one. Each of these does harm to pynetdicom 3.0.4's server."""

import random
import resource
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from interfaces.dicom.upper_layer import pdu as upper_layer
from interfaces.dicom.upper_layer.acceptor import Acceptor
from interfaces.dicom.upper_layer.acceptor_config import AssociationRequest
from interfaces.dicom.upper_layer.pdu import Rejection

from .acceptor_peer import (
    CT,
    CT_CONTEXT,
    DATASET,
    ECHO_CONTEXT,
    EXPLICIT,
    IDENTIFIER,
    MWL_CONTEXT,
    RawPeer,
    World,
    associate_rq,
    associated,
    command,
    data,
    echo_rq,
    find_rq,
    is_good,
    item,
    pdu,
    pdv,
    pending,
    running,
    spooled,
    store_rq,
    threads,
    until,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("tls")
    key, cert = directory / "key.pem", directory / "cert.pem"
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subject = ["-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*request, *subject, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def server_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture
def client_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def silent(port: int, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(count)]


# F34


@pytest.mark.parametrize("count", [1, 12, 100])
def test_silent_peers_keep_nobody_out(acceptor: Acceptor, count: int) -> None:
    with silent(acceptor.port, count):
        assert is_good(acceptor)


def test_silent_peers_keep_nobody_out_of_tls(
    tmp_path: Path, world: World, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    with running(tmp_path, world, tls=server_tls) as acceptor, silent(acceptor.port, 12):
        assert is_good(acceptor, client_tls)
        until(lambda: acceptor.counters.snapshot()["timed_out"] == 12)


def test_a_store_over_tls(
    tmp_path: Path, world: World, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    with (
        running(tmp_path, world, tls=server_tls) as acceptor,
        RawPeer(acceptor.port, client_tls) as peer,
    ):
        peer.associate()
        for _ in range(3):
            peer.send(command(CT_CONTEXT, store_rq()), data(CT_CONTEXT, *[DATASET] * 20))
            assert peer.response().status == 0
        assert world.received[-1].dataset == DATASET * 20
        acceptor.request_stop()
        assert peer.receive() == (5, bytes(4))
        peer.send(pdu(6, bytes(4)))
        until(lambda: world.ended)
        assert world.ended[0].outcome == "released by us"


def test_tls_in_the_clear_and_junk_end_at_once(
    tmp_path: Path, world: World, server_tls: ssl.SSLContext
) -> None:
    with (
        running(tmp_path, world, tls=server_tls, tls_timeout=30) as acceptor,
        socket.create_connection(("127.0.0.1", acceptor.port), timeout=2) as sock,
    ):
        sock.sendall(associate_rq())
        until(lambda: world.ended, 2)


def test_silent_peers_take_no_associations_place(tmp_path: Path, world: World) -> None:
    with running(tmp_path, world, max_associations=2, max_pending=4, association_timeout=30) as acceptor:
        with silent(acceptor.port, 20):
            until(lambda: acceptor.counters.snapshot()["connections"] == 20)
            until(lambda: threads() <= 5)
            with RawPeer(acceptor.port) as one, RawPeer(acceptor.port) as two:
                one.associate()
                two.associate()
                with RawPeer(acceptor.port) as three:
                    began = time.monotonic()
                    three.send(associate_rq())
                    assert three.receive() == (3, b"\0\2\3\2")  # transient, presentation layer, local limit
                    assert time.monotonic() - began < 0.5
            until(lambda: associated(acceptor) == 0)
            assert is_good(acceptor)
        assert acceptor.counters.snapshot()["displaced"] >= 16


def test_one_host_has_a_bound_of_its_own(tmp_path: Path, world: World) -> None:
    with running(tmp_path, world, per_host=1) as acceptor, RawPeer(acceptor.port) as one:
        one.associate()
        with RawPeer(acceptor.port) as two:
            two.send(associate_rq())
            assert two.receive() == (3, b"\0\2\3\2")


# F35


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "half", [b"\4\0", b"\4\0\0\0\1", b"\4\0\0\0\x40\0abc", b"\1\0\0\0\x40\0abc"], ids=["2", "5", "body", "rq"]
)
def test_half_a_pdu_holds_no_thread(acceptor: Acceptor, world: World, after: bool, half: bytes) -> None:
    before = threads()
    with RawPeer(acceptor.port) as peer:
        began = time.monotonic()
        if after:
            peer.associate()
        peer.send(half)
        until(lambda: world.ended, 2)
        assert time.monotonic() - began < 0.6 + 0.4 + 0.5
        assert threads() == before


def test_a_trickle_doesnt_move_the_deadline(acceptor: Acceptor, world: World) -> None:
    """The deadline is the whole PDU's, not that of its next byte."""
    with RawPeer(acceptor.port) as peer:
        peer.associate()
        peer.send(pdu(4, b"", length=100_000))
        began = time.monotonic()
        while not world.ended and time.monotonic() - began < 3:
            try:
                peer.send(b"x")
            except OSError:
                break
            time.sleep(0.05)
        assert time.monotonic() - began < 1.6


def test_a_peer_that_reads_no_answers_is_dropped(acceptor: Acceptor, world: World) -> None:
    world.matches, world.filler = 10**9, "x" * 10_000
    with RawPeer(acceptor.port) as peer:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.associate()
        peer.send(command(MWL_CONTEXT, find_rq()), data(MWL_CONTEXT, IDENTIFIER))
        until(lambda: world.ended, 10)
        assert world.ended[0].outcome == "timed out"
    assert world.closed == 1


# F36


@pytest.mark.parametrize("length", [0xFFFFFFFF, 2 << 20, (1 << 20) + 1])
@pytest.mark.parametrize("kind", [1, 4])
@pytest.mark.parametrize("associated", [False, True])
def test_long_pdus_are_cut(acceptor: Acceptor, length: int, kind: int, associated: bool) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with RawPeer(acceptor.port) as peer:
        if associated:
            peer.associate()
        peer.send(pdu(kind, b"x" * 1000, length=length))
        assert peer.receive() == (7, b"\0\0\2\6" if associated else b"\0\0\0\0")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    assert is_good(acceptor)


def test_a_hundred_and_twenty_eight_contexts_pass(peer: RawPeer) -> None:
    """They are legal, and more than 64 KiB with many transfer syntaxes."""
    syntaxes = [f"1.2.840.10008.1.2.4.{n}" for n in range(50, 80)] + [EXPLICIT]
    contexts = [(2 * n + 1, CT, syntaxes) for n in range(128)]
    assert len(associate_rq(contexts)) > 65536
    assert peer.associate(contexts=contexts)


# F37


def _body(**changes: bytes) -> bytes:
    return associate_rq(**changes)[6:]


MALFORMED = {
    "shorter than its fixed part": pdu(1, bytes(67)),
    "no items": pdu(1, _body()[:68]),
    "item past the end": pdu(1, _body()[:-1]),
    "stray bytes": pdu(1, _body() + b"\x10\0"),
    "even context ID": associate_rq([(2, CT, [EXPLICIT])]),
    "context ID twice": associate_rq([(1, CT, [EXPLICIT]), (1, CT, [EXPLICIT])]),
    "no transfer syntax": associate_rq([(1, CT, [])]),
    "no context": associate_rq([(1, CT, [EXPLICIT])]).replace(b"\x20\0\0", b"\x29\0\0"),
    "empty context": pdu(1, _body() + item(0x20, b"")),
    "control characters in AE title": associate_rq(calling=b"CT\x07\x1b[2J"),
    "backslash in AE title": associate_rq(called=b"RIS\\X"),
    "maximum length of 3 bytes": associate_rq(user=item(0x51, b"\0\0\1")),
    "role past its item": associate_rq(user=item(0x54, b"\0\x40" + CT.encode() + b"\1\1")),
}


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_request_is_aborted(peer: RawPeer, malformed: bytes) -> None:
    """AA-1."""
    began = time.monotonic()
    peer.send(malformed)
    assert peer.receive() == (7, b"\0\0\0\0")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0\2\1",
        pdv(1, 3, b"")[:4],
        b"\0\0\0\1\1\3",
        b"\0\0\0\0\1\3",
        b"\xff\xff\xff\xff\1\3",
        pdv(1, 3, b"abc")[:-1],
    ],
)
def test_malformed_data_are_aborted(peer: RawPeer, body: bytes) -> None:
    """AA-8 with reason invalid-PDU-parameter value."""
    peer.associate()
    peer.send(pdu(4, body))
    assert peer.receive() == (7, b"\0\0\2\6")


@pytest.mark.parametrize("sent", [pdu(5, b""), pdu(5, bytes(5)), pdu(7, bytes(3)), pdu(6, bytes(8))])
def test_fixed_lengths_are_checked(peer: RawPeer, sent: bytes) -> None:
    peer.associate()
    peer.send(sent)
    assert peer.receive() == (7, b"\0\0\2\6")


@pytest.mark.parametrize("kind", [0, 8, 0x7F, 0xFF])
def test_unknown_types_are_unrecognized(peer: RawPeer, kind: int) -> None:
    peer.associate()
    peer.send(pdu(kind, b""))
    assert peer.receive() == (7, b"\0\0\2\1")


def test_ten_thousand_items_are_no_work(peer: RawPeer) -> None:
    """Unknown items are skipped (PS3.8 9.3.1), empty ones too."""
    body = _body() + item(0x77, b"") * 10_000
    began = time.monotonic()
    peer.send(pdu(1, body))
    assert peer.receive()[0] == 2
    assert time.monotonic() - began < 1


REJECTED = {
    "called AE": (associate_rq(called=b"OTHER"), b"\0\1\1\7"),
    "empty called AE": (associate_rq(called=b""), b"\0\1\1\7"),
    "path as called AE": (associate_rq(called=b"../../etc/x"), b"\0\1\1\7"),
    "empty calling AE": (associate_rq(calling=b""), b"\0\1\1\3"),
    "unknown calling AE": (associate_rq(calling=b"STRANGER"), b"\0\1\1\3"),
    "application context": (associate_rq(application=b"1.2.3"), b"\0\1\1\2"),
    "protocol version": (associate_rq(version=2), b"\0\1\2\2"),
    "hook that fails": (associate_rq(calling=b"FAIL"), b"\0\2\3\1"),
}


@pytest.mark.parametrize(("request_pdu", "answer"), REJECTED.values(), ids=REJECTED.keys())
def test_rejections(tmp_path: Path, world: World, request_pdu: bytes, answer: bytes) -> None:
    """PS3.8 table 9-21."""

    def authorize(request: AssociationRequest) -> Rejection | None:
        if request.peer.calling_ae == "FAIL":
            raise RuntimeError
        assert CT in request.abstract_syntaxes
        known = request.peer.calling_ae == "CT1" and request.peer.address == "127.0.0.1"
        return None if known else upper_layer.CALLING_AE_NOT_RECOGNIZED

    with running(tmp_path, world, authorize=authorize) as acceptor, RawPeer(acceptor.port) as peer:
        peer.send(request_pdu)
        assert peer.receive() == (3, answer)
        assert is_good(acceptor)


@pytest.mark.parametrize("title", [b"RIS", b"  RIS", b"RIS\0\0"])
def test_padding_of_ae_titles_is_not_significant(peer: RawPeer, title: bytes) -> None:
    peer.associate(called=title)


# Descriptors, CPU, threads


def test_descriptors_above_1023_are_fine(acceptor: Acceptor) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        with ExitStack() as stack:
            for _ in range(1100):
                stack.enter_context(open("/dev/null"))
            with RawPeer(acceptor.port) as peer:
                assert peer.sock.fileno() > 1023
                peer.associate()
                peer.send(command(ECHO_CONTEXT, echo_rq()))
                assert peer.response().status == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_running_out_of_descriptors_ends(acceptor: Acceptor) -> None:
    """The listener stays readable meanwhile, which must not burn CPU, and all is well afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as sock, socket.socket() as probe:
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe.fileno() + 1, hard))
        try:
            sock.connect(("127.0.0.1", acceptor.port))
            cpu = time.process_time()
            time.sleep(0.5)
            assert time.process_time() - cpu < 0.25
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert is_good(acceptor)


def test_idle_peers_burn_no_cpu(tmp_path: Path, world: World) -> None:
    with running(tmp_path, world, per_host=64) as acceptor, ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(RawPeer(acceptor.port)).associate()
        cpu = time.process_time()
        time.sleep(1)
        assert time.process_time() - cpu < 0.1


def _mutated(chance: random.Random, stream: bytes) -> bytes:
    changed = bytearray(stream)
    for _ in range(chance.randrange(1, 8)):
        at = chance.randrange(len(changed))
        choice = chance.randrange(5)
        if choice == 0:
            changed[at] = chance.randrange(256)
        elif choice == 1:
            changed[at] ^= 1 << chance.randrange(8)
        elif choice == 2:
            del changed[at : at + chance.randrange(1, 20)]
        elif choice == 3:
            changed[at:at] = chance.randbytes(chance.randrange(1, 20))
        else:
            changed[at : at + 4] = chance.choice(
                [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1", b"\x7f\xff\0\0"]
            )
        if not changed:
            changed = bytearray(b"\1")
    return bytes(changed)


def test_mutated_conversations_do_no_harm(
    tmp_path: Path, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """F37: no thread, spool file or fault is left of 500 of them."""
    chance = random.Random(37)
    good = (
        associate_rq()
        + command(ECHO_CONTEXT, echo_rq())
        + command(CT_CONTEXT, store_rq())
        + data(CT_CONTEXT, DATASET[:300], DATASET[:100])
        + command(MWL_CONTEXT, find_rq())
        + data(MWL_CONTEXT, IDENTIFIER)
        + pdu(5, bytes(4))
    )
    with running(tmp_path, world, per_host=600, max_pending=600) as acceptor:
        for _ in range(500):
            with RawPeer(acceptor.port) as peer:
                if chance.random() < 0.5:
                    peer.associate()
                    stream = good[len(associate_rq()) :]
                else:
                    stream = good
                try:
                    peer.send(_mutated(chance, stream))
                except OSError:
                    continue
        until(lambda: threads() == 0, 5)
        assert spooled(acceptor) == []
        assert is_good(acceptor)
    assert not [facts for facts in world.ended if facts.outcome == "failed"]
    assert "failed" not in caplog.text


def test_random_bytes_do_no_harm(acceptor: Acceptor, world: World) -> None:
    chance = random.Random(8)
    for _ in range(100):
        with RawPeer(acceptor.port) as peer:
            peer.send(chance.randbytes(chance.randrange(1, 400)))
    until(lambda: threads() == 0)
    assert is_good(acceptor)


@pytest.mark.parametrize("leave", [RawPeer.reset, lambda peer: peer.sock.close()], ids=["rst", "fin"])
def test_peers_that_leave_are_forgotten(
    acceptor: Acceptor, world: World, leave: Callable[[RawPeer], None]
) -> None:
    for stage in range(3):
        peer = RawPeer(acceptor.port)
        if stage:
            peer.associate()
        if stage == 2:
            peer.send(command(CT_CONTEXT, store_rq()))
        leave(peer)
    until(lambda: len(world.ended) == 3)
    until(lambda: threads() == 0)
    assert pending(acceptor) == associated(acceptor) == 0
