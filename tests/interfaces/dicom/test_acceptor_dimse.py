"""DIMSE services other than storage: PS3.7 sections 9 and 10."""

import time
from pathlib import Path

import pytest

from interfaces.dicom.message_exchange import identifier
from interfaces.dicom.message_exchange.command_set import (
    CommandError,
    CommandSet,
    decode_command,
    encode_command,
)
from interfaces.dicom.upper_layer.acceptor import Acceptor

from .acceptor_peer import (
    ABORT,
    CT_CONTEXT,
    ECHO_CONTEXT,
    EXPLICIT,
    IDENTIFIER,
    IMPLICIT,
    MPPS,
    MPPS_CONTEXT,
    MWL_CONTEXT,
    RELEASE_RQ,
    VERIFICATION,
    RawPeer,
    World,
    associate_rq,
    cancel_rq,
    command,
    data,
    echo_rq,
    find_rq,
    is_good,
    pdu,
    pdv,
    running,
    store_rq,
    until,
)


def find(message_id: int = 1, dataset: bytes = IDENTIFIER) -> bytes:
    return command(MWL_CONTEXT, find_rq(message_id)) + data(MWL_CONTEXT, dataset)


def statuses(peer: RawPeer) -> list[int]:
    got = []
    while not got or got[-1] in (0xFF00, 0xFF01):
        got.append(peer.response().status)
    return got


def test_echo(peer: RawPeer) -> None:
    peer.associate()
    peer.send(command(ECHO_CONTEXT, echo_rq(9)))
    response = peer.response()
    assert (response.status, response.dataset) == (0, None)
    assert response.elements[0x100] == b"\x30\x80"
    assert response.elements[0x120] == b"\x09\0"


def test_find_streams_its_matches(peer: RawPeer) -> None:
    peer.associate()
    peer.send(find())
    for number in range(3):
        response = peer.response()
        assert response.status == 0xFF00
        assert response.dataset
        assert identifier.decode(response.dataset, IMPLICIT).PatientID == f"A-{number}"
    final = peer.response()
    assert (final.status, final.dataset) == (0, None)


def test_answers_keep_within_the_peers_pdu_length(acceptor: Acceptor) -> None:
    """PS3.8 D.1."""
    with RawPeer(acceptor.port) as peer:
        peer.associate(max_length=32)
        peer.send(find())
        seen = 0
        while seen < 8:
            kind, body = peer.receive()
            assert kind == 4
            assert len(body) <= 32
            seen += bool(body[5] & 2)
            assert (len(body) - 6) % 2 == 0
            if seen == 7:
                break


def test_cancel_stops_at_the_next_response(peer: RawPeer, world: World) -> None:
    """PS3.7 9.3.2.3: FE00H, and no further matches are made."""
    world.matches, world.pace = 10_000, 0.005
    peer.associate()
    peer.send(find(7))
    assert peer.response().status == 0xFF00
    peer.send(command(MWL_CONTEXT, cancel_rq(7)))
    assert statuses(peer)[-1] == 0xFE00
    assert world.yielded < 500
    assert world.closed == 1
    peer.send(command(ECHO_CONTEXT, echo_rq()))
    assert peer.response().status == 0


def test_cancel_may_come_in_pieces_and_for_another_message(peer: RawPeer, world: World) -> None:
    world.matches, world.pace = 10_000, 0.005
    peer.associate()
    peer.send(find(7))
    peer.send(command(MWL_CONTEXT, cancel_rq(8)))
    assert [peer.response().status for _ in range(5)] == [0xFF00] * 5
    cancel = cancel_rq(7)
    peer.send(pdu(4, pdv(MWL_CONTEXT, 1, cancel[:20])))
    peer.response()
    peer.send(pdu(4, pdv(MWL_CONTEXT, 3, cancel[20:])))
    assert statuses(peer)[-1] == 0xFE00


def test_cancel_of_nothing_is_ignored(peer: RawPeer, world: World) -> None:
    peer.associate()
    for _ in range(200):
        peer.send(command(MWL_CONTEXT, cancel_rq(7)))
    peer.send(find(7))
    assert statuses(peer) == [0xFF00, 0xFF00, 0xFF00, 0]


@pytest.mark.parametrize("how", ["abort", "release", "close", "second request"])
def test_a_query_ends_with_its_association(acceptor: Acceptor, world: World, how: str) -> None:
    world.matches, world.pace = 10_000, 0.002
    with RawPeer(acceptor.port) as peer:
        peer.associate()
        peer.send(find())
        peer.response()
        if how == "abort":
            peer.send(ABORT)
        elif how == "release":
            peer.send(RELEASE_RQ)
        elif how == "second request":
            peer.send(command(ECHO_CONTEXT, echo_rq(2)))  # asynchronous operations were not negotiated
        else:
            peer.reset()
        until(lambda: world.closed)
        assert world.yielded < 1000
    assert is_good(acceptor)


@pytest.mark.parametrize("dataset", [b"\x10\0\x20", b"\xff" * 40, b"\x10\0\x20\0\xff\xff\0\0A"])
def test_a_broken_identifier_is_answered(peer: RawPeer, dataset: bytes) -> None:
    peer.associate()
    peer.send(find(dataset=dataset))
    assert peer.response().status == 0xC000
    peer.send(find())
    assert statuses(peer)[-1] == 0


def test_a_large_identifier_is_drained(tmp_path: Path, world: World) -> None:
    with running(tmp_path, world, max_dataset_bytes=1000) as acceptor, RawPeer(acceptor.port) as peer:
        peer.associate()
        peer.send(command(MWL_CONTEXT, find_rq()), data(MWL_CONTEXT, *[IDENTIFIER * 50] * 10))
        assert peer.response().status == 0xA700
        peer.send(find())
        assert statuses(peer)[-1] == 0


def test_normalized_operations(peer: RawPeer, world: World) -> None:
    """N-CREATE: PS3.7 10.1.5."""
    world.status, world.comment = 0x0111, "Duplicate"
    request = encode_command({2: MPPS, 0x100: 0x140, 0x110: 4, 0x800: 1, 0x1000: "1.2.9"})
    peer.associate()
    peer.send(command(MPPS_CONTEXT, request), data(MPPS_CONTEXT, b"\x08\0\x60\0CS\x02\0CT"))
    response = peer.response()
    assert (response.status, response.comment) == (0x0111, "Duplicate")
    assert response.elements[0x100] == b"\x40\x81"
    assert response.elements[0x1000] == b"1.2.9\0"
    assert world.operations[0].attributes.Modality == "CT"
    assert world.operations[0].transfer_syntax == EXPLICIT


@pytest.mark.parametrize(
    ("context", "field", "status"),
    [(ECHO_CONTEXT, 0x7777, 0x0211), (ECHO_CONTEXT, 0x0150, 0x0211), (ECHO_CONTEXT, 0x0020, 0x0211)],
)
def test_unknown_operations_are_answered(peer: RawPeer, context: int, field: int, status: int) -> None:
    """PS3.7 C.5.24; their data sets are drained."""
    request = encode_command({2: VERIFICATION, 0x100: field, 0x110: 4, 0x800: 1})
    peer.associate()
    peer.send(command(context, request), data(context, b"\0" * 5000, b"\0" * 100))
    response = peer.response()
    assert response.status == status
    assert response.elements[0x100] == (field | 0x8000).to_bytes(2, "little")
    peer.send(command(ECHO_CONTEXT, echo_rq()))
    assert peer.response().status == 0


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\0\0\2\0\xff\0\0\0",
        b"\x08\0\x16\0\0\0\0\0",
        encode_command({2: VERIFICATION, 0x100: 0x30, 0x110: 1}),
        encode_command({2: VERIFICATION, 0x100: 0x30, 0x800: 0x101}),
        encode_command({2: VERIFICATION, 0x110: 1, 0x800: 0x101}),
        encode_command({2: VERIFICATION, 0x100: b"\x30", 0x110: 1, 0x800: 0x101}),
        encode_command({2: VERIFICATION, 0x100: 0x8030, 0x120: 1, 0x110: 1, 0x800: 0x101}),
        encode_command({0x100: 0x0FFF, 0x120: 1, 0x800: 1}),
        echo_rq() + echo_rq(),
        b"\0" * 20_000,
    ],
)
def test_an_invalid_command_set_aborts(peer: RawPeer, world: World, broken: bytes) -> None:
    """The service user's A-ABORT: PS3.8 knows nothing of command sets."""
    peer.associate()
    peer.send(command(ECHO_CONTEXT, broken))
    assert peer.receive() == (7, b"\0\0\0\0")


def test_a_data_set_without_a_command_aborts(peer: RawPeer) -> None:
    peer.associate()
    peer.send(data(CT_CONTEXT, b"abc"))
    assert peer.receive() == (7, b"\0\0\2\5")


def test_a_command_instead_of_a_data_set_aborts(peer: RawPeer) -> None:
    peer.associate()
    peer.send(command(CT_CONTEXT, store_rq()), command(CT_CONTEXT, store_rq()))
    assert peer.receive() == (7, b"\0\0\2\5")


def test_pipelined_requests_are_answered_in_order(peer: RawPeer) -> None:
    peer.associate()
    peer.send(b"".join(command(ECHO_CONTEXT, echo_rq(n)) for n in range(1, 101)))
    got = [int.from_bytes(peer.response().elements[0x120], "little") for _ in range(100)]
    assert got == list(range(1, 101))


def test_command_sets_survive_a_round_trip() -> None:
    decoded: CommandSet = decode_command(store_rq("1.2.3", 5))
    assert (decoded.field, decoded.message_id, decoded.has_dataset) == (1, 5, True)
    assert decoded.text(0x1000) == "1.2.3"
    with pytest.raises(CommandError):
        decode_command(store_rq()[:-1])


def test_an_echo_takes_no_forty_milliseconds(peer: RawPeer) -> None:
    """TCP_NODELAY is set."""
    peer.associate()
    began = time.monotonic()
    for _ in range(50):
        peer.send(command(ECHO_CONTEXT, echo_rq()))
        peer.response()
    assert time.monotonic() - began < 1


def test_associations_are_counted(acceptor: Acceptor, world: World) -> None:
    assert is_good(acceptor)
    with RawPeer(acceptor.port) as peer:
        peer.send(associate_rq(called=b"WHO"))
        assert peer.receive()[0] == 3
    until(lambda: len(world.ended) == 2)
    counted = acceptor.counters.snapshot()
    assert (counted["connections"], counted["associations"], counted["rejected"]) == (2, 1, 1)
    until(lambda: world.threads_done == 2)
