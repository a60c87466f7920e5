"""What a conversation reads and writes: a socket as it is, or with TLS.

A plain socket costs nothing but itself while its peer is silent: no task, no buffer. One with TLS keeps both.
"""

import asyncio
import socket
from typing import Final, Protocol

from interfaces.hl7.wire import certificates

READ: Final = 65536


class Channel(Protocol):
    """A connection that is being read."""

    peer: str
    certificate: str
    """Subject of the certificate that the peer showed; empty for none."""
    rests: bool
    """Whether nothing need wait for what comes next."""

    def read_now(self) -> bytes | None:
        """What is there already, empty for the end; None where nothing is."""

    async def read(self) -> bytes:
        """What comes next, empty for the end."""

    def write(self, data: bytes) -> None:
        """Send, now or by `drain`."""

    @property
    def is_behind(self) -> bool:
        """Whether something is still to be sent by `drain`."""

    async def drain(self) -> None:
        """Wait until all is sent."""

    def close(self) -> None: ...


class PlainChannel:
    """A socket without TLS."""

    __slots__ = ("_unsent", "certificate", "peer", "rests", "socket")

    def __init__(self, socket: socket.socket, peer: str) -> None:
        self.socket = socket
        self.peer = peer
        self.certificate = ""
        self.rests = True
        self._unsent = b""

    def read_now(self) -> bytes | None:
        try:
            return self.socket.recv(READ)
        except (BlockingIOError, InterruptedError):
            return None

    async def read(self) -> bytes:
        data = self.read_now()
        return await asyncio.get_running_loop().sock_recv(self.socket, READ) if data is None else data

    def write(self, data: bytes) -> None:
        sent = 0
        if not self._unsent:
            try:
                sent = self.socket.send(data)
            except OSError:  # it is full, or broken, which `drain` finds out
                sent = 0
        self._unsent += data[sent:]

    @property
    def is_behind(self) -> bool:
        return bool(self._unsent)

    async def drain(self) -> None:
        data, self._unsent = self._unsent, b""
        if data:
            await asyncio.get_running_loop().sock_sendall(self.socket, data)

    def close(self) -> None:
        self.socket.close()


class TlsChannel:
    """A connection with TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        self._reader, self._writer = reader, writer
        self.peer = peer
        self.certificate = certificates.subject(writer.get_extra_info("peercert"))
        self.rests = False

    def read_now(self) -> bytes | None:
        return None

    async def read(self) -> bytes:
        return await self._reader.read(READ)

    def write(self, data: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(data)

    @property
    def is_behind(self) -> bool:
        return self._writer.transport.get_write_buffer_size() > 0

    async def drain(self) -> None:
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()
