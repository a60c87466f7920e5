"""Messages that wait, from any connection: those that wait at the same moment are received together.

The event loop owns the queue, threads do the work. One batch is worked on at a time, as larger batches cost
less; only beside one that takes long another is begun, with other senders' messages, where the listener has
several threads (on SQLite, with its one writer, it has one). Of one sender the order is kept.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from django.db import close_old_connections, connections

logger = logging.getLogger(__name__)

MOST_TOGETHER: Final = 64
PATIENCE: Final = 0.1
"""Seconds after which a batch takes so long that others need not wait for it."""
GATHER: Final = 0.002
"""Seconds for which the others are waited for that were answered together with the first who sends again."""
PAUSE: Final = 5.0
"""Seconds after which a thread asks whether its connection to the database still is one."""

Accept = Callable[[bytes], None]
"""Takes the accept acknowledgment of a message, before its answer; in the event loop."""
Receive = Callable[[Sequence[tuple[bytes, str]], Callable[[int, bytes], None]], list[bytes | None]]


def _unsent(answer: bytes) -> None:
    pass


@dataclass(eq=False)
class _Waiting:
    message: bytes
    peer: str
    sender: bytes
    accept: Accept
    answer: "asyncio.Future[bytes | None]"


@dataclass(eq=False)
class _Batch:
    messages: list[_Waiting]
    since: float = field(default_factory=time.monotonic)


class ReceiveQueue:
    """Has messages received by `receive` in some threads."""

    def __init__(self, receive: Receive, threads: int) -> None:
        self._receive = receive
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="hl7")
        self._waiting: list[_Waiting] = []
        self._running: set[_Batch] = set()
        self._expected = 1
        self._gathers = False
        self._worked = threading.local()

    async def answer(self, message: bytes, peer: str, accept: Accept = _unsent) -> bytes | None:
        """The answer to a message, once it was received."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(message, peer, _sender(message), accept, loop.create_future())
        self._waiting.append(waiting)
        if self._running or len(self._waiting) >= self._expected:
            self._start()
        elif not self._gathers:
            self._gathers = True
            loop.call_later(GATHER, self._start)
        return await waiting.answer

    def close(self, *, wait: bool) -> None:
        """Have each thread close its database connection, and end."""
        together = threading.Barrier(self._threads)

        def close() -> None:
            connections.close_all()
            with contextlib.suppress(threading.BrokenBarrierError):
                together.wait(1.0)

        for _ in range(self._threads):
            self._pool.submit(close)
        self._pool.shutdown(wait=wait)

    def _start(self) -> None:
        """Begin with what waits, unless a batch is worked on that will soon be done."""
        self._gathers = False
        if not self._waiting or len(self._running) >= self._threads:
            return
        loop = asyncio.get_running_loop()
        if patience := self._patience():
            loop.call_later(patience, self._start)
            return
        busy = {one.sender for batch in self._running for one in batch.messages}
        batch = _Batch([one for one in self._waiting if one.sender not in busy][:MOST_TOGETHER])
        if not batch.messages:
            return
        self._waiting = [one for one in self._waiting if one not in batch.messages]
        self._running.add(batch)
        task = loop.run_in_executor(self._pool, self._work, batch, loop)
        task.add_done_callback(lambda done: self._end(batch, done))

    def _patience(self) -> float:
        """How long the newest batch may still take before another is begun beside it."""
        newest = max((batch.since for batch in self._running), default=0.0)
        return max(0.0, newest + PATIENCE - time.monotonic())

    def _work(self, batch: _Batch, loop: asyncio.AbstractEventLoop) -> list[bytes | None]:
        """Receive a batch. After a pause the connection to the database may be gone."""
        if time.monotonic() - getattr(self._worked, "at", 0.0) > PAUSE:
            close_old_connections()

        def accept(place: int, answer: bytes) -> None:
            loop.call_soon_threadsafe(batch.messages[place].accept, answer)

        answers = self._receive([(one.message, one.peer) for one in batch.messages], accept)
        self._worked.at = time.monotonic()
        return answers

    def _end(self, batch: _Batch, done: "asyncio.Future[list[bytes | None]]") -> None:
        self._running.discard(batch)
        answers: Sequence[bytes | None] = [None] * len(batch.messages)
        if not done.cancelled() and (error := done.exception()):
            logger.error("messages were not answered", exc_info=error)
        elif not done.cancelled():
            answers = done.result()
        for one, answer in zip(batch.messages, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)
        self._expected = len(batch.messages)
        if len(self._waiting) >= self._expected:
            self._start()
        elif self._waiting and not self._gathers:
            self._gathers = True
            asyncio.get_running_loop().call_later(GATHER, self._start)


def _sender(message: bytes) -> bytes:
    """MSH-3 and MSH-4 as they came."""
    start = message[:500].lstrip(b"\xef\xbb\xbf\0 \t\r\n\v\f")
    return b"|".join(start.split(start[3:4] or b"|", 4)[2:4])
