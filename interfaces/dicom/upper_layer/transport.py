"""Byte transport under an association: exact reads with a deadline on every one, over TCP or TLS.

Plain sockets stay in blocking mode and leave time-outs to the kernel (SO_RCVTIMEO, SO_SNDTIMEO): one `recv`
with MSG_WAITALL gets a whole PDU body, with no poll and no wake-up in between. TLS goes through `settimeout`.
"""

import select
import socket
import ssl
from struct import Struct
from time import monotonic

from interfaces.dicom.upper_layer import pdu
from interfaces.dicom.upper_layer.pdu import PduType

_TIMEVAL = Struct("ll")


class Closed(Exception):
    """The peer closed or reset the connection."""


class Expired(Exception):
    """A deadline passed."""


class PlainTransport:
    """A TCP connection.

    Parameters
    ----------
    sock : socket.socket
        A connected socket in blocking mode.
    send_timeout : float
        Time that one answer may take to be sent as a whole.
    """

    def __init__(self, sock: socket.socket, send_timeout: float) -> None:
        self.sock = sock
        self._send_timeout = send_timeout
        self._armed = 0.0
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(send_timeout))

    def recv(self, view: memoryview, deadline: float, *, whole: bool) -> int:
        """Read into `view`: what there is, or with `whole` as much as comes before the deadline."""
        self._arm(deadline - monotonic())
        flags = socket.MSG_WAITALL if whole else 0
        try:
            count = self.sock.recv_into(view, 0, flags)
        except BlockingIOError:
            raise Expired from None
        except OSError:
            raise Closed from None
        if not count:
            raise Closed
        return count

    def recv_waiting(self, view: memoryview) -> int:
        """Read what is there already; 0 if nothing is."""
        try:
            count = self.sock.recv_into(view, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            raise Closed from None
        if not count:
            raise Closed
        return count

    def has_buffered(self) -> bool:
        return False

    def send(self, data: bytes) -> None:
        deadline = monotonic() + self._send_timeout
        view = memoryview(data)
        try:
            sent = self.sock.send(view)
            while sent < len(view):
                if monotonic() > deadline:
                    raise Expired
                sent += self.sock.send(view[sent:])
        except BlockingIOError:
            raise Expired from None
        except OSError:
            raise Closed from None

    def _arm(self, remaining: float) -> None:
        if remaining <= 0:
            raise Expired
        if abs(self._armed - remaining) > self._armed / 10:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(remaining))
            self._armed = remaining


class TlsTransport:
    """A TLS connection, after its handshake."""

    def __init__(self, sock: ssl.SSLSocket, send_timeout: float) -> None:
        self.sock = sock
        self._send_timeout = send_timeout

    def recv(self, view: memoryview, deadline: float, *, whole: bool) -> int:
        del whole  # a TLS record at a time, whatever is asked
        remaining = deadline - monotonic()
        if remaining <= 0:
            raise Expired
        self.sock.settimeout(remaining)
        try:
            count = self.sock.recv_into(view)
        except TimeoutError:
            raise Expired from None
        except (OSError, ValueError):
            raise Closed from None
        if not count:
            raise Closed
        return count

    def recv_waiting(self, view: memoryview) -> int:
        self.sock.settimeout(0)
        try:
            count = self.sock.recv_into(view)
        except (BlockingIOError, ssl.SSLWantReadError):
            return 0
        except (OSError, ValueError):
            raise Closed from None
        if not count:
            raise Closed
        return count

    def has_buffered(self) -> bool:
        return self.sock.pending() > 0

    def send(self, data: bytes) -> None:
        self.sock.settimeout(self._send_timeout)
        try:
            self.sock.sendall(data)
        except TimeoutError:
            raise Expired from None
        except (OSError, ValueError):
            raise Closed from None


Transport = PlainTransport | TlsTransport


def _timeval(seconds: float) -> bytes:
    micros = max(int(seconds * 1_000_000), 1)  # zero would mean no time-out at all
    return _TIMEVAL.pack(micros // 1_000_000, micros % 1_000_000)


class PduReader:
    """Reads one PDU after the other into one buffer: a body is valid until the next read."""

    def __init__(self, transport: Transport, pdu_timeout: float) -> None:
        self._transport = transport
        self._pdu_timeout = pdu_timeout
        self._head = bytearray(6)
        self._have = 0
        self._buffer = bytearray(0)

    def has_buffered(self) -> bool:
        """Tell whether bytes have left the socket already, so that it need not become readable."""
        return self._have > 0 or self._transport.has_buffered()

    def begun(self) -> bool:
        """Tell, without waiting, whether a PDU has begun to arrive."""
        if not self._have:
            self._have = self._transport.recv_waiting(memoryview(self._head))
        return self._have > 0

    def read(self, first_byte_by: float, all_by: float | None = None) -> tuple[PduType, memoryview]:
        """Return type and body of the next PDU.

        Parameters
        ----------
        first_byte_by : float
            Deadline, on the monotonic clock, for the PDU to begin.
        all_by : float, optional
            Deadline for its end, if that comes before the PDU time-out counted from its first byte.

        Raises
        ------
        Closed, Expired, ProtocolError
        """
        head = memoryview(self._head)
        if not self._have:
            self._have = self._transport.recv(head, first_byte_by, whole=False)
        deadline = monotonic() + self._pdu_timeout
        if all_by is not None:
            deadline = min(deadline, all_by)
        self._fill(head[self._have :], deadline)
        self._have = 0
        pdu_type, length = pdu.decode_header(self._head)
        if length > len(self._buffer):
            self._buffer = bytearray(max(length, pdu.USUAL_LENGTH if pdu_type == PduType.P_DATA_TF else 0))
        body = memoryview(self._buffer)[:length]
        self._fill(body, deadline)
        return pdu_type, body

    def _fill(self, view: memoryview, deadline: float) -> None:
        got = 0
        while got < len(view):
            got += self._transport.recv(view[got:], deadline, whole=True)


class IdleWait:
    """Waits between messages for the peer or for the acceptor's stop signal, with no wake-up in between."""

    def __init__(self, sock: socket.socket, stop_fd: int) -> None:
        self._fd = sock.fileno()
        self._poll = select.poll()  # select() cannot take descriptors from 1024 on
        self._poll.register(self._fd, select.POLLIN)
        self._poll.register(stop_fd, select.POLLIN)

    def __call__(self, timeout: float) -> str:
        """Return "data", "stop" or "idle"."""
        ready = [fd for fd, _ in self._poll.poll(timeout * 1000)]
        if self._fd in ready:
            return "data"
        return "stop" if ready else "idle"
