"""PS3.8 table 9-10: every event in every state that an acceptor can be in, seen from the wire."""

import socket
import threading
from pathlib import Path

import pytest

from interfaces.dicom.upper_layer.acceptor import Acceptor
from interfaces.dicom.upper_layer.state_machine import TABLE, Action, Event, State

from .acceptor_peer import (
    ABORT,
    CT_CONTEXT,
    DATASET,
    ECHO_CONTEXT,
    RELEASE_RP,
    RELEASE_RQ,
    RawPeer,
    World,
    associate_rq,
    command,
    data,
    echo_rq,
    pdu,
    running,
    store_rq,
    until,
)

SENT = {
    Event.A_ASSOCIATE_RQ: associate_rq(),
    Event.A_ASSOCIATE_AC: pdu(2, bytes(68)),
    Event.A_ASSOCIATE_RJ: pdu(3, b"\0\1\1\1"),
    Event.P_DATA_TF: command(ECHO_CONTEXT, echo_rq()),
    Event.A_RELEASE_RQ: RELEASE_RQ,
    Event.A_RELEASE_RP: RELEASE_RP,
    Event.A_ABORT: ABORT,
    Event.INVALID_PDU: pdu(9, b""),
}

USER_ABORT = (7, b"\0\0\0\0")
UNEXPECTED = (7, b"\0\0\2\2")
UNRECOGNIZED = (7, b"\0\0\2\1")
RELEASED = (6, bytes(4))
CLOSED = (0, b"")


@pytest.mark.parametrize("event", [event for event in SENT if event is not Event.A_ASSOCIATE_RQ])
def test_sta2_takes_only_an_association_request(peer: RawPeer, event: Event) -> None:
    """AA-1: A-ABORT with service-user as source; AA-2 for an A-ABORT: no answer."""
    peer.send(SENT[event])
    expected = CLOSED if event is Event.A_ABORT else USER_ABORT
    assert peer.receive() == expected
    assert peer.closed()


def test_sta2_ends_when_artim_expires(peer: RawPeer, world: World) -> None:
    """AA-2."""
    assert peer.receive() == CLOSED
    until(lambda: world.ended)
    assert world.ended[0].outcome == "timed out"


def test_sta2_ends_when_the_peer_closes(peer: RawPeer, world: World) -> None:
    """AA-5."""
    peer.sock.close()
    until(lambda: world.ended)
    assert world.ended[0].outcome == "closed"


@pytest.mark.parametrize("event", list(SENT))
def test_sta3_takes_nothing_before_the_answer(acceptor: Acceptor, event: Event) -> None:
    """AA-8 for a PDU that didn't wait for A-ASSOCIATE-AC, AA-3 for an A-ABORT."""
    with RawPeer(acceptor.port) as peer:
        peer.send(associate_rq(), SENT[event])
        expected = {Event.A_ABORT: CLOSED, Event.INVALID_PDU: UNRECOGNIZED}.get(event, UNEXPECTED)
        assert peer.receive() == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Event.A_ASSOCIATE_RQ, UNEXPECTED),
        (Event.A_ASSOCIATE_AC, UNEXPECTED),
        (Event.A_ASSOCIATE_RJ, UNEXPECTED),
        (Event.A_RELEASE_RP, UNEXPECTED),
        (Event.INVALID_PDU, UNRECOGNIZED),
        (Event.A_RELEASE_RQ, RELEASED),
        (Event.A_ABORT, CLOSED),
    ],
)
def test_sta6_answers_each_event(peer: RawPeer, event: Event, expected: tuple[int, bytes]) -> None:
    peer.associate()
    peer.send(SENT[event])
    assert peer.receive() == expected


def test_sta6_performs_data(peer: RawPeer) -> None:
    """DT-2."""
    peer.associate()
    peer.send(SENT[Event.P_DATA_TF])
    assert peer.response().status == 0


def test_sta6_ends_when_the_peer_closes(peer: RawPeer, world: World) -> None:
    """AA-4."""
    peer.associate()
    peer.sock.close()
    until(lambda: world.ended)
    assert world.ended[0].outcome == "closed"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Event.A_ASSOCIATE_RQ, UNEXPECTED),
        (Event.A_ASSOCIATE_AC, UNEXPECTED),
        (Event.A_ASSOCIATE_RJ, UNEXPECTED),
        (Event.INVALID_PDU, UNRECOGNIZED),
        (Event.A_ABORT, CLOSED),
        (Event.A_RELEASE_RP, CLOSED),
    ],
)
def test_sta7_answers_each_event(
    acceptor: Acceptor, world: World, event: Event, expected: tuple[int, bytes]
) -> None:
    with RawPeer(acceptor.port) as peer:
        peer.associate()
        acceptor.request_stop()
        assert peer.receive() == (5, bytes(4))
        peer.send(SENT[event])
        assert peer.receive() == expected


def test_sta7_leaves_data_unanswered(acceptor: Acceptor, peer: RawPeer, world: World) -> None:
    """AR-6, then AR-3."""
    peer.associate()
    acceptor.request_stop()
    assert peer.receive() == (5, bytes(4))
    peer.send(command(CT_CONTEXT, store_rq()), data(CT_CONTEXT, DATASET), RELEASE_RP)
    assert peer.receive() == CLOSED
    assert world.received == []


def test_sta7_aborts_when_no_answer_comes(acceptor: Acceptor, peer: RawPeer) -> None:
    peer.associate()
    acceptor.request_stop()
    assert peer.receive() == (5, bytes(4))
    assert peer.receive() == USER_ABORT


def test_release_collision_on_the_acceptor_side(acceptor: Acceptor, peer: RawPeer, world: World) -> None:
    """AR-8 to Sta10, AR-10 and AR-4 to Sta13."""
    peer.associate()
    acceptor.request_stop()
    assert peer.receive() == (5, bytes(4))
    peer.send(RELEASE_RQ)
    peer.send(RELEASE_RP)
    assert peer.receive() == RELEASED
    peer.sock.close()
    until(lambda: world.ended)
    assert world.ended[0].outcome == "released by us"


@pytest.mark.parametrize("event", [e for e in SENT if e is not Event.A_RELEASE_RP])
def test_sta10_takes_only_a_release_response(acceptor: Acceptor, event: Event) -> None:
    with RawPeer(acceptor.port) as peer:
        peer.associate()
        acceptor.request_stop()
        assert peer.receive() == (5, bytes(4))
        peer.send(RELEASE_RQ, SENT[event])
        expected = {Event.A_ABORT: CLOSED, Event.INVALID_PDU: UNRECOGNIZED}.get(event, UNEXPECTED)
        assert peer.receive() == expected


@pytest.mark.parametrize("event", list(SENT))
def test_sta13_waits_for_the_peer_to_close(peer: RawPeer, event: Event) -> None:
    """AA-7 for an A-ASSOCIATE-RQ or an invalid PDU, AA-2 for A-ABORT, AA-6 for the rest, then ARTIM."""
    peer.associate()
    peer.send(RELEASE_RQ)
    assert peer.receive() == RELEASED
    peer.send(SENT[event])
    told = event in (Event.A_ASSOCIATE_RQ, Event.INVALID_PDU)
    assert peer.receive() == (UNEXPECTED if told else CLOSED)
    assert peer.closed()


def test_sta13_never_sends_a_third_abort(peer: RawPeer) -> None:
    peer.send(pdu(9, b"") * 1000)
    kinds = []
    while (received := peer.receive())[0]:
        kinds.append(received[0])
    assert 1 <= len(kinds) <= 2


def test_the_table_is_whole() -> None:
    """Every PDU has an action in every state after the connection is open, and each action is performed."""
    pdus_and_close = {*SENT, Event.CLOSED}
    for state in State:
        if state is not State.STA1:
            assert all((state, event) in TABLE for event in pdus_and_close)
    assert set(TABLE.values()) == set(Action)


def test_idle_associations_are_aborted(tmp_path: Path, world: World) -> None:
    with running(tmp_path, world, idle_timeout=0.2) as acceptor, RawPeer(acceptor.port) as peer:
        peer.associate()
        assert peer.receive() == USER_ABORT
        peer.sock.close()
        until(lambda: world.ended)
        assert world.ended[0].outcome == "timed out"


def test_stop_lets_a_message_in_flight_end(tmp_path: Path, world: World) -> None:
    with running(tmp_path, world) as acceptor, RawPeer(acceptor.port) as peer:
        peer.associate()
        peer.send(command(CT_CONTEXT, store_rq()))
        until(lambda: len(list(acceptor.config.spool_dir.glob("*.part"))) == 1)
        stopping = threading.Thread(target=acceptor.stop, args=(5,))
        stopping.start()
        peer.send(data(CT_CONTEXT, DATASET))
        assert peer.response().status == 0
        assert peer.receive() == (5, bytes(4))
        peer.send(RELEASE_RP)
        stopping.join(3)
        assert not stopping.is_alive()
    assert len(world.received) == 1


def test_stop_aborts_what_lasts_too_long(tmp_path: Path, world: World) -> None:
    with running(tmp_path, world, pdu_timeout=30) as acceptor, RawPeer(acceptor.port) as peer:
        peer.associate()
        peer.send(command(CT_CONTEXT, store_rq()))
        until(lambda: len(list(acceptor.config.spool_dir.glob("*.part"))) == 1)
        assert acceptor.stop(0.2)
        assert peer.receive() == USER_ABORT
        assert list(acceptor.config.spool_dir.iterdir()) == []


def test_after_stop_nobody_gets_in(tmp_path: Path, world: World) -> None:
    with running(tmp_path, world) as acceptor:
        port = acceptor.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
