"""One association, in one thread: the loop of the state machine.

`Association.run` takes events from the reader, looks the action up in `state_machine.TABLE` and performs it;
P-DATA goes to the `Exchange`. While a query yields its results, the exchange has events that have arrived
meanwhile (C-CANCEL-RQ, A-ABORT …) taken between the responses.
"""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, time

from interfaces.dicom.fault_log import log_fault
from interfaces.dicom.message_exchange.command_set import CommandError
from interfaces.dicom.message_exchange.dimse_provider import Exchange, Provider
from interfaces.dicom.message_exchange.dimse_service import Peer
from interfaces.dicom.upper_layer import pdu
from interfaces.dicom.upper_layer.acceptor_config import AssociationFacts, AssociationRequest
from interfaces.dicom.upper_layer.connection_limits import Gate
from interfaces.dicom.upper_layer.negotiation import Negotiated, Negotiator
from interfaces.dicom.upper_layer.pdu import AbortReason, AbortSource, PduType, ProtocolError, Rejection
from interfaces.dicom.upper_layer.state_machine import TABLE, Action, Event, State
from interfaces.dicom.upper_layer.transport import (
    Closed,
    Expired,
    IdleWait,
    PduReader,
    PlainTransport,
    TlsTransport,
    Transport,
)

_EVENTS = {
    PduType.A_ASSOCIATE_RQ: Event.A_ASSOCIATE_RQ,
    PduType.A_ASSOCIATE_AC: Event.A_ASSOCIATE_AC,
    PduType.A_ASSOCIATE_RJ: Event.A_ASSOCIATE_RJ,
    PduType.P_DATA_TF: Event.P_DATA_TF,
    PduType.A_RELEASE_RQ: Event.A_RELEASE_RQ,
    PduType.A_RELEASE_RP: Event.A_RELEASE_RP,
    PduType.A_ABORT: Event.A_ABORT,
}
_NOTHING = memoryview(b"")


@dataclass(frozen=True)
class Shared:
    """What all associations of an acceptor have in common."""

    provider: Provider
    negotiator: Negotiator
    gate: Gate
    stop_fd: int


class Association:
    """A connection from accept to close."""

    def __init__(self, sock: socket.socket, address: tuple[str, int], shared: Shared) -> None:
        self.sock = sock
        self.address, self.port = address
        self._shared = shared
        self._config = shared.provider.config
        self._state = State.STA1
        self._abort_reason = AbortReason.UNEXPECTED_PDU
        self._exchange: Exchange | None = None
        self._told_twice = False
        self._facts = AssociationFacts(self.address, began=time())
        self._artim = 0.0
        self._transport: Transport
        self._reader: PduReader
        self._idle: IdleWait

    # Life

    def run(self) -> None:
        """Serve the connection until it is closed: what the thread does."""
        try:
            self._open()
            while self._state is not State.STA1:
                self._step(*self._next_event())
        except Closed:
            self._end("closed")
        except Expired:
            self._end("timed out")
        except Exception as error:  # one association's fault must stay its own
            log_fault("association", error)
            self._end("failed")
        finally:
            self._close()

    def cut(self) -> None:
        """Shut the connection down from another thread (the gate knows that it is still open)."""
        with suppress(OSError):
            # Not SSLSocket's own method, which takes the TLS layer from under its thread.
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def abort_from_outside(self) -> None:
        """Send an A-ABORT if that is possible without waiting, and cut the connection."""
        if not isinstance(self.sock, ssl.SSLSocket):
            with suppress(OSError):
                self.sock.send(pdu.abort(AbortSource.SERVICE_USER), socket.MSG_DONTWAIT)
        self.cut()

    def _open(self) -> None:
        """AE-5: the transport connection is open; with TLS, its handshake comes first."""
        try:
            self._transport = self._connect()
        except TimeoutError:
            raise Expired from None
        except (OSError, ValueError):
            raise Closed from None
        self._artim = monotonic() + self._config.association_timeout
        self._reader = PduReader(self._transport, self._config.pdu_timeout)
        self._idle = IdleWait(self.sock, self._shared.stop_fd)
        self._state = State.STA2

    def _connect(self) -> Transport:
        config = self._config
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if not config.tls:
            return PlainTransport(self.sock, config.pdu_timeout)
        self.sock.settimeout(config.tls_timeout)
        tls = config.tls.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
        self.sock = tls
        tls.do_handshake()
        return TlsTransport(tls, config.pdu_timeout)

    def _close(self) -> None:
        self._discard()
        self._shared.gate.leave(self)
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.settimeout(0)
            with suppress(OSError, ValueError):
                self.sock.unwrap()  # close_notify; the peer's own is not awaited
        self.sock.close()
        self._facts.seconds = time() - self._facts.began
        self._shared.provider.counters.ended(self._facts)
        if self._config.on_association_end:
            try:
                self._config.on_association_end(self._facts)
            except Exception as error:  # a hook's fault is not the peer's
                log_fault("association end hook", error)

    def _discard(self) -> None:
        if self._exchange:
            self._exchange.discard()

    def _end(self, outcome: str) -> None:
        if not self._facts.outcome:
            self._facts.outcome = outcome

    # Events

    def _next_event(self) -> tuple[Event, memoryview]:
        if self._between_messages() and not self._reader.has_buffered():
            waited = self._idle(self._config.idle_timeout)
            if waited == "idle":
                self._end("timed out")
            if waited != "data":
                return Event.RELEASE_REQUEST if waited == "stop" else Event.ABORT_REQUEST, _NOTHING
        try:
            pdu_type, body = self._reader.read(*self._deadlines())
        except Closed:
            return Event.CLOSED, _NOTHING
        except ProtocolError as error:
            self._abort_reason = error.reason
            return Event.INVALID_PDU, _NOTHING
        except Expired:
            self._end("timed out")
            under_artim = self._state in (State.STA2, State.STA13)
            return Event.ARTIM_EXPIRED if under_artim else Event.ABORT_REQUEST, _NOTHING
        return _EVENTS[pdu_type], body

    def _between_messages(self) -> bool:
        return self._state is State.STA6 and not (self._exchange and self._exchange.amid_message)

    def _deadlines(self) -> tuple[float, float | None]:
        if self._state in (State.STA3, State.STA6):
            return monotonic() + self._config.pdu_timeout, None
        return self._artim, self._artim

    def _step(self, event: Event, body: memoryview) -> None:
        action = TABLE[self._state, event]
        try:
            self._state = _ACTIONS[action](self, body)
        except ProtocolError as error:
            self._abort_reason = error.reason
            self._state = _ACTIONS[TABLE[self._state, Event.INVALID_PDU]](self, _NOTHING)
        except CommandError:
            self._state = _ACTIONS[TABLE[self._state, Event.ABORT_REQUEST]](self, _NOTHING)

    # Actions (PS3.8 tables 9-6 to 9-9)

    def _ae_6(self, body: memoryview) -> State:
        """Accept or reject; AE-7 and AE-8 follow at once, since the decision is ours alone."""
        if not pdu.protocol_version_supported(body):
            return self._reject(pdu.PROTOCOL_VERSION_NOT_SUPPORTED)
        called, calling = pdu.ae_titles(body)
        negotiated = self._shared.negotiator.negotiate(body[68:])
        peer = self._facts.peer = self._peer(called, calling, negotiated)
        self._facts.refused = negotiated.refused
        rejection = self._rejection(peer, negotiated)
        if rejection:
            return self._reject(rejection)
        answer = pdu.associate_ac(body, negotiated.answer)
        if self._reader.begun():
            # The peer didn't wait for the answer: Sta3, where every event ends the association.
            self._state = State.STA3
            self._step(*self._next_event())
            return self._state
        self._exchange = Exchange(
            self._shared.provider,
            peer,
            negotiated.accepted,
            min(negotiated.proposal.max_length or pdu.USUAL_LENGTH, pdu.USUAL_LENGTH),
            self._facts,
            self._transport.send,
            self._take_events,
        )
        self._transport.send(answer)
        return State.STA6

    def _peer(self, called: str, calling: str, negotiated: Negotiated) -> Peer:
        proposal = negotiated.proposal
        certificate = self.sock.getpeercert(True) if isinstance(self.sock, ssl.SSLSocket) else None
        return Peer(
            calling,
            called,
            self.address,
            self.port,
            proposal.implementation_class_uid,
            proposal.implementation_version,
            certificate,
        )

    def _rejection(self, peer: Peer, negotiated: Negotiated) -> Rejection | None:
        if negotiated.proposal.application_context != pdu.APPLICATION_CONTEXT:
            return pdu.APPLICATION_CONTEXT_NOT_SUPPORTED
        if peer.called_ae != self._config.ae_title:
            return pdu.CALLED_AE_NOT_RECOGNIZED
        if not peer.calling_ae:
            return pdu.CALLING_AE_NOT_RECOGNIZED
        if self._config.authorize:
            syntaxes = tuple(context.abstract_syntax for context in negotiated.proposal.contexts)
            try:
                rejection = self._config.authorize(AssociationRequest(peer, syntaxes))
            except Exception as error:  # a peer that can't be checked isn't let in
                log_fault("authorize hook", error)
                rejection = pdu.TEMPORARY_CONGESTION
            if rejection:
                return rejection
        return None if self._shared.gate.admit(self) else pdu.LOCAL_LIMIT_EXCEEDED

    def _reject(self, rejection: Rejection) -> State:
        """AE-8."""
        self._facts.rejection = rejection
        self._transport.send(pdu.associate_rj(rejection))
        return self._await_close("rejected")

    def _dt_2(self, body: memoryview) -> State:
        assert self._exchange
        self._exchange.receive(body)
        return self._state

    def _take_events(self) -> bool:
        """Take the events that have arrived, without waiting for more; False if one ended the association."""
        while self._state is State.STA6 and self._reader.begun():
            self._step(*self._next_event())
        return self._state is State.STA6

    def _ar_1(self, body: memoryview) -> State:
        self._artim = monotonic() + self._config.artim_timeout
        self._transport.send(pdu.A_RELEASE_RQ)
        return State.STA7

    def _ar_2(self, body: memoryview) -> State:
        """The local user has nothing against a release, so AR-4 follows at once."""
        self._transport.send(pdu.A_RELEASE_RP)
        return self._await_close("released")

    def _ar_3(self, body: memoryview) -> State:
        self._end("released by us")
        return State.STA1

    def _ar_5(self, body: memoryview) -> State:
        return State.STA1

    def _ar_6(self, body: memoryview) -> State:
        """Data that crossed our release request are not answered: the peer still has them."""
        return State.STA7

    def _ar_8(self, body: memoryview) -> State:
        return State.STA10

    def _ar_10(self, body: memoryview) -> State:
        self._transport.send(pdu.A_RELEASE_RP)
        return self._await_close("released by us")

    def _aa_1(self, body: memoryview) -> State:
        return self._abort(AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED)

    def _aa_2(self, body: memoryview) -> State:
        self._end("aborted by peer")
        return State.STA1

    def _aa_4(self, body: memoryview) -> State:
        self._end("closed")
        return State.STA1

    def _aa_6(self, body: memoryview) -> State:
        return State.STA13

    def _aa_7(self, body: memoryview) -> State:
        """A second A-ABORT, but no third: what follows an invalid PDU may be framed as anything."""
        if self._told_twice:
            return State.STA1
        self._told_twice = True
        self._transport.send(pdu.abort(AbortSource.SERVICE_PROVIDER, AbortReason.UNEXPECTED_PDU))
        return State.STA13

    def _aa_8(self, body: memoryview) -> State:
        return self._abort(AbortSource.SERVICE_PROVIDER, self._abort_reason)

    def _abort(self, source: AbortSource, reason: AbortReason) -> State:
        self._discard()  # first, so that a peer that has been told finds nothing left
        self._facts.aborted = True
        self._transport.send(pdu.abort(source, reason))
        return self._await_close("aborted")

    def _await_close(self, outcome: str) -> State:
        self._end(outcome)
        self._discard()
        self._shared.gate.linger(self)
        self._artim = monotonic() + self._config.artim_timeout
        return State.STA13


_ACTIONS: dict[Action, Callable[[Association, memoryview], State]] = {
    action: getattr(Association, "_" + action.value.lower().replace("-", "_"))
    for action in Action
    if action not in (Action.AA_3, Action.AA_5)
}
_ACTIONS[Action.AA_3] = _ACTIONS[Action.AA_2]  # the local user is told by the facts
_ACTIONS[Action.AA_5] = _ACTIONS[Action.AA_4]
