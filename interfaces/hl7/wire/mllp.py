"""The MLLP listener: asyncio owns the sockets, threads store and apply.

One message is in flight on each connection. A frame has 30 seconds from its start to its end, idle
connections are allowed, and what passes the caps is cut at once. A connection without TLS has a task only
while something comes.
"""

import asyncio
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from interfaces.hl7.inbound import inbox
from interfaces.hl7.inbound.message_store import Peer
from interfaces.hl7.wire import batch_protocol, framing
from interfaces.hl7.wire.batch_protocol import Batch
from interfaces.hl7.wire.channels import READ, Channel, PlainChannel, TlsChannel
from interfaces.hl7.wire.connection_list import Connection, ConnectionList
from interfaces.hl7.wire.framing import Deframer, FrameTooLong
from interfaces.hl7.wire.receive_queue import ReceiveQueue
from ledger.crashpoint import crashpoint

logger = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 12_000
MAX_MESSAGES_IN_FRAME: Final = 1000
MAX_JUNK: Final = 65536
"""Bytes outside of frames after which a peer is taken for one that doesn't speak MLLP."""
BACKLOG: Final = 1024
AT_ONCE: Final = 128
"""Connections that are taken in one go, before others get their turn."""
PAUSE: Final = 1.0
"""Seconds after which taking connections is tried again, where the system had no more file numbers."""
GRACE: Final = 20.0
"""Seconds that messages in flight have to end after a stop."""


_Take = Callable[[socket.socket, str], None]
"""Takes a connection that was accepted, from an address."""


@dataclass
class Timing:
    """Deadlines in seconds."""

    frame: float = 30.0
    silence: float = 0.2
    send: float = 30.0
    handshake: float = 10.0


@dataclass
class Counters:
    """What the listener saw, for its heartbeat."""

    connections: int = 0
    refused: int = 0
    messages: int = 0
    without_msh: int = 0
    cut: int = 0
    junk_bytes: int = 0
    handshakes_failed: int = 0

    def snapshot(self) -> dict[str, int]:
        return dict(vars(self))


@dataclass
class Listener:
    """Listens on one address, and on one for TLS where it is given a context, until stopped."""

    host: str
    port: int
    threads: int = 1
    timing: Timing = field(default_factory=Timing)
    counters: Counters = field(default_factory=Counters)
    connected: ConnectionList = field(default_factory=ConnectionList)
    open_connections: set[Connection] = field(default_factory=set)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    answering: set["asyncio.Task[None]"] = field(default_factory=set)
    listening: threading.Event = field(default_factory=threading.Event)
    tls: ssl.SSLContext | None = None
    """What connections with TLS begin with from now on."""
    tls_port: int = 0
    stopping: bool = False

    async def serve(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set, then let messages in flight end. Port 0 is replaced by a free one."""
        self._queue = ReceiveQueue(inbox.receive_all, self.threads)
        self._resting: dict[Connection, PlainChannel] = {}
        self._tls_socket: socket.socket | None = None
        plain = self._listen(self.host, self.port, self._take_plain)
        self.port = plain.getsockname()[1]
        self.listening.set()
        try:
            await stop.wait()
        finally:
            self._stop_listening(plain)
            self._stop_listening(self._tls_socket)
        await self._hang_up()
        await asyncio.get_running_loop().run_in_executor(None, self._close_queue)

    def listen_with_tls(self, host: str, port: int) -> None:
        """Listen on another address than before for connections with TLS."""
        self._stop_listening(self._tls_socket)
        self._tls_socket = self._listen(host, port, self._take_tls)
        self.tls_port = self._tls_socket.getsockname()[1]

    def stop_tls(self) -> None:
        """Take no further connections with TLS; those that are there stay."""
        self._stop_listening(self._tls_socket)
        self._tls_socket, self.tls_port, self.tls = None, 0, None

    def _listen(self, host: str, port: int, take: _Take) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host.strip("[]"), port), family=family, backlog=BACKLOG)
        listening.setblocking(False)
        asyncio.get_running_loop().add_reader(listening, self._accept, listening, take)
        return listening

    def _stop_listening(self, listening: socket.socket | None) -> None:
        if listening is not None:
            asyncio.get_running_loop().remove_reader(listening)
            listening.close()

    def _accept(self, listening: socket.socket, take: _Take) -> None:
        """Take the connections that wait."""
        for _ in range(AT_ONCE):
            try:
                peer, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                logger.error("connections can't be taken: %s", error.strerror)
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening)
                loop.call_later(PAUSE, self._accept_again, listening, take)
                return
            if len(self.open_connections) >= MAX_CONNECTIONS:
                self.counters.refused += 1
                peer.close()
                continue
            peer.setblocking(False)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self.counters.connections += 1
            take(peer, str(address[0]))

    def _accept_again(self, listening: socket.socket, take: _Take) -> None:
        if listening.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening, take)

    def _take_plain(self, peer: socket.socket, address: str) -> None:
        self._rest(PlainChannel(peer, address), self._opened(address))

    def _take_tls(self, peer: socket.socket, address: str) -> None:
        self._begin(self._shake_hands(peer, address, self._opened(address)))

    def _opened(self, address: str) -> Connection:
        connection = self.connected.opened(address)
        self.open_connections.add(connection)
        return connection

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _rest(self, channel: PlainChannel, connection: Connection) -> None:
        """Wait, without a task, for what comes next."""
        self._resting[connection] = channel
        asyncio.get_running_loop().add_reader(channel.socket, self._wake, connection)

    def _wake(self, connection: Connection) -> None:
        channel = self._resting.pop(connection)
        asyncio.get_running_loop().remove_reader(channel.socket)
        self._begin(self._converse(channel, connection))

    async def _shake_hands(self, peer: socket.socket, address: str, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=READ)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, peer, ssl=self.tls, ssl_handshake_timeout=self.timing.handshake
            )
        except (OSError, asyncio.CancelledError, TimeoutError):
            self.counters.handshakes_failed += 1
            peer.close()
            self._ended(connection)
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        await self._converse(TlsChannel(reader, writer, address), connection)

    async def _hang_up(self) -> None:
        """End each connection; those that answer a message after it, at the latest after `GRACE`."""
        self.stopping = True
        for connection, channel in list(self._resting.items()):
            asyncio.get_running_loop().remove_reader(channel.socket)
            channel.close()
            self._ended(connection)
        self._resting.clear()
        for task in self.tasks - self.answering:
            task.cancel()
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=GRACE)
            for task in late:
                task.cancel()

    def _close_queue(self) -> None:
        self._queue.close(wait=not self.answering)

    def _ended(self, connection: Connection) -> None:
        self.open_connections.discard(connection)
        self.connected.closed(connection)

    async def _converse(self, channel: Channel, connection: Connection) -> None:
        """Answer what comes, until the peer is silent, ends, or does what it may not."""
        goes_on = False
        try:
            goes_on = await self._answer_all(channel, connection)
        except (OSError, asyncio.CancelledError, TimeoutError):
            pass
        finally:
            if goes_on and isinstance(channel, PlainChannel) and not self.stopping:
                self._rest(channel, connection)
            else:
                channel.close()
                self._ended(connection)

    async def _answer_all(self, channel: Channel, connection: Connection) -> bool:
        """Answer frame after frame; whether there may be more once nothing is left to be read."""
        deframer = Deframer()
        started, deadline = 0, 0.0
        while True:
            try:
                data = await self._read(channel, deframer, deadline)
                if data is None:
                    return True
                ended = not data
                frames = deframer.end_of_data() if ended else deframer.feed(data)
            except TimeoutError:
                ended = not deframer.awaiting_cr
                self.counters.cut += ended
                frames = deframer.end_of_data()
            except FrameTooLong:
                self.counters.cut += 1
                return False
            self.counters.junk_bytes += deframer.junk_bytes
            connection.junk += deframer.junk_bytes
            deframer.junk_bytes = 0
            while frames:
                crashpoint("mllp.frame_read")
                if not await self._answer(frames, connection, channel):
                    return False
            if ended or self.stopping:
                return False
            if connection.junk > MAX_JUNK:
                self.counters.cut += 1
                return False
            if deframer.frames_started != started:  # after the answers, for which its sender had to wait
                started, deadline = deframer.frames_started, time.monotonic() + self.timing.frame

    async def _read(self, channel: Channel, deframer: Deframer, deadline: float) -> bytes | None:
        """What comes next: briefly waited for where a CR is missing, else to the frame's deadline.

        Between frames None says that nothing is there, where nobody need wait for it.
        """
        if not deframer.in_frame:
            return channel.read_now() if channel.rests else await channel.read()
        if (data := channel.read_now()) is not None:
            return data
        left = self.timing.silence if deframer.awaiting_cr else max(0.0, deadline - time.monotonic())
        return await asyncio.wait_for(channel.read(), left)

    async def _answer(self, frames: list[bytes], connection: Connection, channel: Channel) -> bool:
        """Answer the messages of the first frame, and take it away; False if it is to be closed then."""
        frame = frames.pop(0)
        messages = framing.split_messages(frame)
        if not messages or len(messages) > MAX_MESSAGES_IN_FRAME:
            self.counters.without_msh += 1
            return False
        connection.heard(messages[0])
        task = asyncio.current_task()
        assert task is not None
        peer = Peer(connection.peer, channel.certificate)
        batch = Batch(frame) if batch_protocol.is_batch(frame) else None
        del frame
        send = batch.add if batch else partial(_send, channel)
        while messages:
            if self.stopping:
                return False
            self.counters.messages += 1
            self.answering.add(task)
            try:
                answer = await self._queue.answer(messages.pop(0), peer, send)
                if answer is None:
                    return False
                if answer:
                    send(answer)
                if batch and not messages:
                    _send(channel, batch.answer())
                if channel.is_behind:
                    await asyncio.wait_for(channel.drain(), self.timing.send)
            finally:
                self.answering.discard(task)
            crashpoint("mllp.after_ack")
        return True


def _send(channel: Channel, answer: bytes) -> None:
    channel.write(framing.frame(answer))
