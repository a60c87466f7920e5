"""The MLLP listener: asyncio owns the sockets, threads store and apply.

One message is in flight on each connection. A frame has 30 seconds from its start to its end, idle
connections are allowed, and what passes the caps is cut at once.
"""

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from interfaces.hl7.inbound import inbox
from interfaces.hl7.wire import framing
from interfaces.hl7.wire.connection_list import Connection, ConnectionList
from interfaces.hl7.wire.framing import Deframer, FrameTooLong
from interfaces.hl7.wire.receive_queue import ReceiveQueue
from ledger.crashpoint import crashpoint

MAX_CONNECTIONS: Final = 256
MAX_MESSAGES_IN_FRAME: Final = 1000
MAX_JUNK: Final = 65536
"""Bytes outside of frames after which a peer is taken for one that doesn't speak MLLP."""
READ: Final = 65536
GRACE: Final = 20.0
"""Seconds that messages in flight have to end after a stop."""


@dataclass
class Timing:
    """Deadlines in seconds."""

    frame: float = 30.0
    silence: float = 0.2
    send: float = 30.0


@dataclass
class Counters:
    """What the listener saw, for its heartbeat."""

    connections: int = 0
    refused: int = 0
    messages: int = 0
    without_msh: int = 0
    cut: int = 0
    junk_bytes: int = 0

    def snapshot(self) -> dict[str, int]:
        return dict(vars(self))


@dataclass
class Listener:
    """Listens on one address until stopped."""

    host: str
    port: int
    threads: int = 1
    timing: Timing = field(default_factory=Timing)
    counters: Counters = field(default_factory=Counters)
    connected: ConnectionList = field(default_factory=ConnectionList)
    open_connections: set["asyncio.Task[None]"] = field(default_factory=set)
    answering: set["asyncio.Task[None]"] = field(default_factory=set)
    listening: threading.Event = field(default_factory=threading.Event)
    stopping: bool = False

    async def serve(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set, then let messages in flight end. Port 0 is replaced by a free one."""
        self._queue = ReceiveQueue(inbox.receive_all, self.threads)
        server = await asyncio.start_server(self._accept, self.host, self.port, limit=READ, backlog=128)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            self.listening.set()
            await stop.wait()
            server.close()
            await self._hang_up()
        await asyncio.get_running_loop().run_in_executor(None, self._close_queue)

    async def _hang_up(self) -> None:
        """End each connection; those that answer a message after it, at the latest after `GRACE`."""
        self.stopping = True
        for task in self.open_connections - self.answering:
            task.cancel()
        if self.open_connections:
            _, late = await asyncio.wait(self.open_connections, timeout=GRACE)
            for task in late:
                task.cancel()

    def _close_queue(self) -> None:
        self._queue.close(wait=not self.answering)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self.open_connections) >= MAX_CONNECTIONS:
            self.counters.refused += 1
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self.open_connections.add(task)
        self.counters.connections += 1
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.CancelledError, TimeoutError):
            pass
        finally:
            self.open_connections.discard(task)
            writer.close()
            with contextlib.suppress(Exception):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer frame after frame until the peer ends or does what it may not."""
        connection = self.connected.opened(str((writer.get_extra_info("peername") or ("",))[0]))
        try:
            await self._answer_all(reader, writer, connection)
        finally:
            self.connected.closed(connection)

    async def _answer_all(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: Connection
    ) -> None:
        deframer = Deframer()
        started, deadline, junk = 0, 0.0, 0
        while True:
            try:
                data = await asyncio.wait_for(reader.read(READ), self._patience(deframer, deadline))
                ended = not data
                frames = deframer.end_of_data() if ended else deframer.feed(data)
            except TimeoutError:
                ended = not deframer.awaiting_cr
                self.counters.cut += ended
                frames = deframer.end_of_data()
            except FrameTooLong:
                self.counters.cut += 1
                return
            self.counters.junk_bytes += deframer.junk_bytes
            junk += deframer.junk_bytes
            deframer.junk_bytes = 0
            for frame in frames:
                crashpoint("mllp.frame_read")
                if not await self._answer(frame, connection, writer):
                    return
            if ended or self.stopping:
                return
            if junk > MAX_JUNK:
                self.counters.cut += 1
                return
            if deframer.frames_started != started:  # after the answers, for which its sender had to wait
                started, deadline = deframer.frames_started, time.monotonic() + self.timing.frame

    def _patience(self, deframer: Deframer, deadline: float) -> float | None:
        """How long to wait: briefly for a missing CR, else to the frame's deadline, else for ever."""
        if deframer.awaiting_cr:
            return self.timing.silence
        if deframer.in_frame:
            return max(0.0, deadline - time.monotonic())
        return None

    async def _answer(self, frame: bytes, connection: Connection, writer: asyncio.StreamWriter) -> bool:
        """Answer each message of a frame; False if the connection is to be closed."""
        messages = framing.split_messages(frame)
        if not messages or len(messages) > MAX_MESSAGES_IN_FRAME:
            self.counters.without_msh += 1
            return False
        connection.heard(messages[0])
        task = asyncio.current_task()
        assert task is not None
        for message in messages:
            if self.stopping:
                return False
            self.counters.messages += 1
            self.answering.add(task)
            try:
                answer = await self._queue.answer(message, connection.peer, partial(_send, writer))
                if answer is None:
                    return False
                if answer:
                    _send(writer, answer)
                if writer.transport.get_write_buffer_size():  # else the system has taken all of it
                    await asyncio.wait_for(writer.drain(), self.timing.send)
            finally:
                self.answering.discard(task)
            crashpoint("mllp.after_ack")
        return True


def _send(writer: asyncio.StreamWriter, answer: bytes) -> None:
    if not writer.is_closing():
        writer.write(framing.frame(answer))
