"""Our side of a connection to a receiver of HL7 messages (MLLP): one message, then its answer (2.9.2)."""

import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Callable
from typing import Final

from interfaces.hl7 import destination_options
from interfaces.hl7.models import Destination
from interfaces.hl7.outbound import acknowledgments
from interfaces.hl7.outbound.acknowledgments import Answer
from interfaces.hl7.wire import certificates, framing
from ledger.crashpoint import crashpoint

logger = logging.getLogger(__name__)

CONNECT_WAIT = 5.0
ANSWER_WAIT = 30.0
SILENCE_FOR_CR = 0.3
"""Seconds after which a frame that lacks its last CR is complete."""
KEEP_EVERY = 5.0
"""Seconds after which `keep` is called at the latest while an answer is waited for."""

MAX_ANSWER: Final = 1024 * 1024
MAX_JUNK: Final = 64 * 1024


class NoAnswer(Exception):
    """The destination can't be reached, or gave no answer that counts."""


class _Closed(NoAnswer):
    """The receiver closed the connection before it answered."""


class Line:
    """A connection to a destination (MLLP), opened when it is needed and used for message after message.

    `others` gets the acknowledgments that come without being waited for, by `tell_others`.
    """

    def __init__(
        self, destination: Destination, keep: Callable[[], None], others: Callable[[Answer], None]
    ) -> None:
        self._destination = destination
        self._keep = keep
        self._others = others
        self._unread: list[bytes] = []
        self._socket: socket.socket | None = None
        self._deframer = framing.Deframer(MAX_ANSWER)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ask(self, raw: bytes, control_id: str) -> Answer:
        """Send a message and wait for its answer. Raises `NoAnswer`; the connection is closed then.

        Some receivers close after each message; if one does while we write the next, it is sent anew.
        """
        ends = time.monotonic() + ANSWER_WAIT
        try:
            is_new = self._open()
            try:
                return self._exchange(raw, control_id, ends)
            except _Closed:
                if is_new:
                    raise
                self.close()
                self._open()
                return self._exchange(raw, control_id, ends)
        except NoAnswer:
            self.close()
            raise

    def listen(self, seconds: float) -> None:
        """Take what comes by itself within some time; a peer that closes ends it."""
        ends = time.monotonic() + seconds
        while self._socket is not None and time.monotonic() < ends and not self._unread:
            try:
                self._unread += self._receive(self._socket, ends)
            except (NoAnswer, OSError):
                break
        self.tell_others()

    @property
    def is_open(self) -> bool:
        return self._socket is not None and not self._is_over(self._socket)

    def _is_over(self, peer: socket.socket) -> bool:
        """Whether the peer has closed; TLS can't be looked into, so what is there is read."""
        if not isinstance(peer, ssl.SSLSocket):
            return _is_closed(peer)
        peer.setblocking(False)
        try:
            data = peer.recv(65536)
            self._unread += self._deframer.feed(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except (OSError, framing.FrameTooLong):
            return True
        return not data

    def tell_others(self) -> None:
        """Pass on what came without being waited for."""
        payloads, self._unread = self._unread, []
        for payload in payloads:
            answer = acknowledgments.read_answer(payload)
            if answer is not None:
                self._others(answer)
            else:
                logger.warning("%s sends what is no acknowledgment", self._destination.name)

    def _open(self) -> bool:
        if self._socket is not None and not self._is_over(self._socket):
            return False
        self.close()
        self._deframer = framing.Deframer(MAX_ANSWER)
        address = self._destination.host, self._destination.port
        try:
            self._socket = socket.create_connection(address, timeout=CONNECT_WAIT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if (files := destination_options.of(self._destination).tls) is not None:
                context = certificates.of_sender(files)
                name = files.server_name or address[0]
                self._socket = context.wrap_socket(self._socket, server_hostname=name)
        except (OSError, certificates.Unusable) as error:
            self.close()
            raise NoAnswer(f"no connection to {address[0]}:{address[1]}: {error}") from error
        return True

    def _exchange(self, raw: bytes, control_id: str, ends: float) -> Answer:
        assert self._socket is not None
        try:
            self._send(self._socket, framing.frame(raw), ends)
            crashpoint("oru.after_send")
            while (answer := self._answer_to(control_id)) is None:
                self.tell_others()
                self._unread += self._receive(self._socket, ends)
            return answer
        except OSError as error:
            raise _Closed(f"the connection broke: {error}") from error

    def _answer_to(self, control_id: str) -> Answer | None:
        """The first acknowledgment of a message among what came, which is read then."""
        for place, payload in enumerate(self._unread):
            answer = acknowledgments.read_answer(payload)
            if answer is not None and answer.control_id == control_id:
                del self._unread[place]
                return answer
        return None

    def _send(self, peer: socket.socket, data: bytes, ends: float) -> None:
        view = memoryview(data)
        while view:
            peer.settimeout(self._time_left(ends))
            with contextlib.suppress(TimeoutError):
                view = view[peer.send(view) :]

    def _receive(self, peer: socket.socket, ends: float) -> list[bytes]:
        left = self._time_left(ends)
        peer.settimeout(min(left, SILENCE_FOR_CR) if self._deframer.awaiting_cr else left)
        try:
            data = peer.recv(65536)
        except TimeoutError:
            return self._deframer.end_of_data()
        if not data:
            if frames := self._deframer.end_of_data():
                return frames
            raise _Closed("the receiver closed the connection before it answered")
        try:
            frames = self._deframer.feed(data)
        except framing.FrameTooLong as error:
            if not error.complete:
                raise NoAnswer(f"the receiver sends garbage: {error}") from error
            frames = error.complete
        if self._deframer.junk_bytes > MAX_JUNK:
            raise NoAnswer("the receiver sends garbage, not MLLP")
        return frames

    def _time_left(self, ends: float) -> float:
        """Seconds to wait in one go."""
        self._keep()
        left = ends - time.monotonic()
        if left <= 0:
            junk = ", only garbage" if self._deframer.junk_bytes else ""
            raise NoAnswer(f"no answer within {ANSWER_WAIT:g} s{junk}")
        return min(left, KEEP_EVERY)


def _is_closed(peer: socket.socket) -> bool:
    """Whether the peer has closed an idle connection."""
    peer.setblocking(False)
    try:
        return not peer.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
