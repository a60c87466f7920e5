"""C-STORE: the spool file is the stored file, and nothing is left of an object that didn't arrive."""

import errno
import hashlib
import os
import random
import socket
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from archive.storage import spool as spool_module
from interfaces.dicom.message_exchange.dimse_service import Services, StoreRequest
from interfaces.dicom.upper_layer.acceptor import Acceptor
from interfaces.dicom.upper_layer.acceptor_config import AcceptorConfig

from .acceptor_peer import (
    ABORT,
    CONTEXTS,
    CT,
    CT_CONTEXT,
    DATASET,
    ECHO_CONTEXT,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    MR,
    RELEASE_RQ,
    VERIFICATION,
    RawPeer,
    World,
    associate_rq,
    command,
    data,
    echo_rq,
    is_good,
    pdu,
    pdv,
    running,
    spooled,
    store_rq,
    until,
)


def store(peer: RawPeer, instance: str | bytes = "1.2.3.4", dataset: bytes = DATASET) -> int:
    peer.send(command(CT_CONTEXT, store_rq(instance)), data(CT_CONTEXT, dataset))
    return peer.response().status


def test_the_spool_file_is_a_part_10_file(acceptor: Acceptor, peer: RawPeer, world: World) -> None:
    """PS3.10 section 7.1."""
    peer.associate()
    assert store(peer) == 0
    got = world.received[0]
    assert got.file[:128] == bytes(128)
    meta = dcmread(BytesIO(got.file), stop_before_pixels=True, specific_tags=["SOPClassUID"]).file_meta
    assert meta.MediaStorageSOPClassUID == CT
    assert meta.MediaStorageSOPInstanceUID == "1.2.3.4"
    assert meta.TransferSyntaxUID == EXPLICIT
    assert meta.SourceApplicationEntityTitle == "CT1"
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert meta.FileMetaInformationGroupLength == len(got.file) - len(got.dataset) - 144
    assert got.dataset == DATASET
    assert got.size == len(DATASET)
    assert got.sha256 == hashlib.sha256(DATASET).hexdigest()


def test_the_name_goes_after_the_service_and_a_link_stays(
    acceptor: Acceptor, peer: RawPeer, world: World, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.dcm"

    def link(request: StoreRequest) -> None:
        os.fsync(request.spool.fd)
        os.link(request.spool.path, kept)

    world.on_store = link
    peer.associate()
    assert store(peer) == 0
    until(lambda: not spooled(acceptor))
    assert kept.read_bytes().endswith(DATASET)


def test_the_services_status_and_comment_are_answered(peer: RawPeer, world: World) -> None:
    world.status, world.comment = 0xC000, "Naïve \\ comment\n" + "x" * 80
    peer.associate()
    peer.send(command(CT_CONTEXT, store_rq("1.2.3", message_id=77)), data(CT_CONTEXT, DATASET))
    response = peer.response()
    assert response.status == 0xC000
    assert response.comment == ("Na?ve ? comment?" + "x" * 80)[:64]
    assert response.elements[0x120] == b"\x4d\0"
    assert response.elements[0x1000] == b"1.2.3\0"
    assert response.elements[0x100] == b"\x01\x80"


def test_a_failing_service_fails_its_message_only(
    peer: RawPeer, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(request: StoreRequest) -> None:
        raise ValueError("DOE^JANE")

    world.on_store = fail
    peer.associate()
    assert store(peer) == 0x0110
    world.on_store = None
    assert store(peer) == 0
    assert "ValueError" in caplog.text
    assert "DOE" not in caplog.text.replace('raise ValueError("DOE^JANE")', "")


def test_fragments_may_be_cut_anywhere(acceptor: Acceptor, world: World) -> None:
    """Any number of PDVs per PDU, of any length, empty ones too; a command and its data set in one PDU."""
    chance = random.Random(36)
    for number in range(40):
        wanted = chance.randbytes(chance.randrange(1, 3000))
        items = []
        for content, control in ((store_rq(f"1.2.{number}"), 1), (wanted, 0)):
            cuts = sorted(chance.randrange(len(content) + 1) for _ in range(chance.randrange(6)))
            ends = [*cuts, len(content)]
            starts = [0, *cuts]
            items += [pdv(CT_CONTEXT, control, content[a:b]) for a, b in zip(starts, ends, strict=True)]
            items[-1] = items[-1][:5] + bytes((control | 2,)) + items[-1][6:]
        body: list[bytes] = []
        with RawPeer(acceptor.port) as peer:
            peer.associate()
            stream = b""
            while items:
                count = chance.randrange(1, 4)
                body, items = items[:count], items[count:]
                stream += pdu(4, b"".join(body))
            step = chance.randrange(1, len(stream) + 1)
            for start in range(0, len(stream), step):
                peer.send(stream[start : start + step])
            assert peer.response().status == 0
        assert world.received[-1].dataset == wanted


def test_messages_may_share_a_pdu(peer: RawPeer, world: World) -> None:
    peer.associate()
    peer.send(
        pdu(
            4, pdv(ECHO_CONTEXT, 3, echo_rq(1)) + pdv(CT_CONTEXT, 3, store_rq()) + pdv(CT_CONTEXT, 2, DATASET)
        )
    )
    assert peer.response().context_id == ECHO_CONTEXT
    assert peer.response().context_id == CT_CONTEXT


@pytest.mark.parametrize("how", ["abort", "fin", "rst", "silence", "release", "invalid", "half a fragment"])
def test_nothing_is_left_of_a_broken_transfer(acceptor: Acceptor, world: World, how: str) -> None:
    """F38."""
    with RawPeer(acceptor.port) as peer:
        peer.associate()
        peer.send(command(CT_CONTEXT, store_rq()), pdu(4, pdv(CT_CONTEXT, 0, DATASET)))
        until(lambda: spooled(acceptor))
        if how == "abort":
            peer.send(ABORT)
        elif how == "fin":
            peer.sock.shutdown(socket.SHUT_WR)
        elif how == "rst":
            peer.reset()
        elif how == "release":
            peer.send(RELEASE_RQ)
        elif how == "invalid":
            peer.send(pdu(4, b"\0\0"))
        elif how == "half a fragment":
            peer.send(pdu(4, pdv(CT_CONTEXT, 2, DATASET))[:500])
        until(lambda: not spooled(acceptor), 2)
    until(lambda: world.ended)
    assert world.received == []
    assert is_good(acceptor)


def test_a_peer_that_leaves_before_the_response_has_stored(acceptor: Acceptor, world: World) -> None:
    """F39."""
    with RawPeer(acceptor.port) as peer:
        peer.associate()
        peer.send(command(CT_CONTEXT, store_rq()), data(CT_CONTEXT, DATASET))
        peer.sock.shutdown(socket.SHUT_WR)
        until(lambda: world.received)
    assert world.received[0].dataset == DATASET


@pytest.mark.parametrize(
    ("instance", "seen"),
    [
        (b"../../x", "../../x"),
        (b"/etc/x\0", "/etc/x"),
        (b"1.2\0/../x", "1.2\0/../x"),
        (b"1." + b"2" * 63 + b"\0", "1." + "2" * 63),
        (b"", ""),
        (b"1..2", "1..2"),
        (b"1.\xff\xfe.3", "1.\xff\xfe.3"),
        (b"A" * 9000, "A" * 9000),
    ],
)
def test_an_illegal_uid_reaches_the_service_but_no_path(
    acceptor: Acceptor, peer: RawPeer, world: World, tmp_path: Path, instance: bytes, seen: str
) -> None:
    """F42: the service refuses it; meta information and response do without it."""
    world.status = 0xA900
    names: list[str] = []
    world.on_store = lambda request: names.extend(
        [request.spool.path.name, *(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))]
    )
    peer.associate()
    peer.send(command(CT_CONTEXT, store_rq(instance)), data(CT_CONTEXT, DATASET))
    response = peer.response()
    assert response.status == 0xA900
    assert 0x1000 not in response.elements
    got = world.received[0]
    assert got.instance_uid == seen
    assert not dcmread(BytesIO(got.file), specific_tags=["SOPClassUID"]).file_meta.MediaStorageSOPInstanceUID
    assert not seen or not any(seen in name for name in names)
    assert all(len(path.relative_to(tmp_path).parts) <= 2 for path in tmp_path.rglob("*"))


def test_a_leading_zero_is_tolerated(peer: RawPeer, world: World) -> None:
    """Devices send such UIDs; what goes to the file is what the archive takes."""
    peer.associate()
    assert store(peer, b"1.02") == 0
    assert dcmread(BytesIO(world.received[0].file)).file_meta.MediaStorageSOPInstanceUID == "1.02"


@pytest.mark.parametrize("pad", [b"\0", b" ", b"\0\0"])
def test_a_padded_uid_is_legal(peer: RawPeer, world: World, pad: bytes) -> None:
    peer.associate()
    assert store(peer, b"1.2.3.44" + pad) == 0
    assert world.received[0].instance_uid == "1.2.3.44"


def test_a_class_other_than_the_contexts_is_refused(acceptor: Acceptor, peer: RawPeer, world: World) -> None:
    """F40, PS3.7 C.5.5: SOP Class Not Supported."""
    peer.associate()
    peer.send(command(CT_CONTEXT, store_rq(sop_class=MR)), data(CT_CONTEXT, DATASET))
    assert peer.response().status == 0x0122
    assert world.received == []
    assert store(peer) == 0


def test_a_wrong_context_aborts(peer: RawPeer, world: World) -> None:
    """F40: a context that wasn't accepted, and a data set on another context than its command."""
    peer.associate()
    peer.send(command(9, store_rq()))
    assert peer.receive() == (7, b"\0\0\2\6")


def test_a_data_set_on_another_context_aborts(acceptor: Acceptor, peer: RawPeer, world: World) -> None:
    peer.associate()
    peer.send(command(CT_CONTEXT, store_rq()), data(ECHO_CONTEXT, DATASET))
    assert peer.receive() == (7, b"\0\0\2\6")
    assert spooled(acceptor) == []


def test_a_store_without_a_data_set_is_refused(peer: RawPeer, world: World) -> None:
    peer.associate()
    peer.send(command(CT_CONTEXT, store_rq().replace(b"\0\x08\x02\0\0\0\x01\0", b"\0\x08\x02\0\0\0\x01\x01")))
    assert peer.response().status == 0xA900
    assert world.received == []


def test_an_object_above_the_limit_is_drained(tmp_path: Path, world: World) -> None:
    """F44: A700H, and the association goes on."""
    with running(tmp_path, world, max_object_bytes=10_000) as acceptor, RawPeer(acceptor.port) as peer:
        peer.associate()
        peer.send(command(CT_CONTEXT, store_rq()), data(CT_CONTEXT, *[DATASET] * 5))
        response = peer.response()
        assert response.status == 0xA700
        assert response.comment
        assert spooled(acceptor) == []
        assert store(peer) == 0
    assert len(world.received) == 1


@pytest.mark.parametrize("good_writes", [0, 1, 3])
def test_a_full_disk_is_out_of_resources(
    acceptor: Acceptor, peer: RawPeer, world: World, monkeypatch: pytest.MonkeyPatch, good_writes: int
) -> None:
    left = [good_writes]
    write = os.write

    def full(fd: int, content: memoryview) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= 1
        return write(fd, content[: len(content) // 2])

    peer.associate()
    monkeypatch.setattr(spool_module.os, "write", full)
    peer.send(command(CT_CONTEXT, store_rq()), data(CT_CONTEXT, DATASET, DATASET))
    assert peer.response().status == 0xA700
    monkeypatch.undo()
    assert world.received == []
    assert spooled(acceptor) == []
    assert store(peer) == 0


def test_an_unwritable_spool_is_out_of_resources(
    acceptor: Acceptor, peer: RawPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.associate()
    monkeypatch.setattr(spool_module.os, "urandom", lambda _: b"/none/")
    monkeypatch.setattr(acceptor._spool, "directory", Path("/nowhere"))
    peer.send(command(CT_CONTEXT, store_rq()), data(CT_CONTEXT, DATASET))
    assert peer.response().status == 0xA700


def test_a_start_removes_the_spool_files_of_the_dead_only(tmp_path: Path, world: World) -> None:
    directory = tmp_path / "spool"
    directory.mkdir()
    for name in ("0011223344556677-aa.part", "0011223344556677.lock", "8899aabbccddeeff-bb.part"):
        (directory / name).touch()
    (directory / "something-else.txt").touch()
    with running(tmp_path, world) as acceptor, RawPeer(acceptor.port) as peer:
        peer.associate()
        peer.send(command(CT_CONTEXT, store_rq()))
        until(lambda: spooled(acceptor))
        assert len(spooled(acceptor)) == 1
        # A sibling process starts on the same directory while this one receives.
        sibling = Acceptor(AcceptorConfig(ae_title="RIS", spool_dir=directory), Services([]))
        assert len(spooled(acceptor)) == 1
        peer.send(data(CT_CONTEXT, DATASET))
        assert peer.response().status == 0
        sibling.stop(1)
    assert [path.name for path in directory.iterdir()] == ["something-else.txt"]


def test_storage_takes_the_requestors_first_choice(peer: RawPeer) -> None:
    """Stored as received: the requestor knows what it has."""
    body = peer.associate(contexts=[(1, CT, ["1.2.3.4", JPEG, IMPLICIT]), (3, CT, [IMPLICIT, JPEG])])
    assert accepted(body) == {1: (0, JPEG), 3: (0, IMPLICIT)}


def test_contexts_are_refused_one_by_one(peer: RawPeer) -> None:
    """PS3.8 table 9-18: 3 abstract syntax, 4 transfer syntaxes not supported."""
    jpip = "1.2.840.10008.1.2.4.94"
    body = peer.associate(
        contexts=[
            (1, "1.2.840.10008.5.1.1.16", [IMPLICIT]),
            (3, CT, [jpip, "1.2.840.10008.1.2.7.1"]),
            (5, "1.3.6.1.4.1.5962.301.9", [EXPLICIT]),
            (255, VERIFICATION, [IMPLICIT]),
        ]
    )
    results = {context: result for context, (result, _) in accepted(body).items()}
    assert results == {1: 3, 3: 4, 5: 0, 255: 0}


def test_roles_are_answered(peer: RawPeer) -> None:
    """PS3.7 D.3.3.4: we are SCP only."""

    def role(uid: str, scu: int, scp: int) -> bytes:
        value = len(uid).to_bytes(2, "big") + uid.encode() + bytes((scu, scp))
        return b"\x54\0" + len(value).to_bytes(2, "big") + value

    body = peer.associate(
        contexts=[(1, CT, [EXPLICIT]), (3, MR, [EXPLICIT]), (5, VERIFICATION, [IMPLICIT])],
        user=role(CT, 1, 1) + role(MR, 0, 1),
    )
    assert {key: result for key, (result, _) in accepted(body).items()} == {1: 0, 3: 1, 5: 0}
    assert CT.encode() + b"\1\0" in body
    assert MR.encode() + b"\0" not in body


def test_negotiation_is_remembered(acceptor: Acceptor, world: World) -> None:
    contexts = [(2 * n + 1, CT, [EXPLICIT, IMPLICIT, JPEG]) for n in range(128)]
    answers = set()
    for calling in (b"CT1", b"CT2"):
        with RawPeer(acceptor.port) as peer:
            answers.add(peer.associate(contexts=contexts, calling=calling)[68:])
    assert len(answers) == 1
    assert len(acceptor._shared.negotiator._kept) == 1
    until(lambda: len(world.ended) == 2)
    assert sorted(facts.peer.calling_ae for facts in world.ended if facts.peer) == ["CT1", "CT2"]


def accepted(body: bytes) -> dict[int, tuple[int, str]]:
    """Read the presentation contexts of an A-ASSOCIATE-AC."""
    results = {}
    offset = 68
    while offset < len(body):
        kind, length = body[offset], int.from_bytes(body[offset + 2 : offset + 4], "big")
        value = body[offset + 4 : offset + 4 + length]
        if kind == 0x21:
            results[value[0]] = value[2], value[8:].decode()
        offset += 4 + length
    return results


def test_the_contexts_used_here_are_legal() -> None:
    assert associate_rq()[0] == 1
    assert all(number % 2 for number, *_ in CONTEXTS)
