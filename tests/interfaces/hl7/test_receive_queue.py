"""Which messages are received together, and who need not wait for whom."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from interfaces.hl7.wire import receive_queue
from interfaces.hl7.wire.receive_queue import ReceiveQueue

Received = Sequence[tuple[bytes, str]]
Work = Callable[[Received, Callable[[int, bytes], None]], list[bytes | None]]


def message(sender: str, number: int) -> bytes:
    return f"MSH|^~\\&|{sender}|HOSPITAL|||||ADT^A08|{number}\r".encode()


class Worker:
    """Receives messages, and remembers which came together; `slow` senders take until `go`."""

    def __init__(self, slow: str = "") -> None:
        self.batches: list[list[bytes]] = []
        self.go, self.begun, self._slow = threading.Event(), threading.Event(), slow.encode()

    def __call__(self, messages: Received, accept: Callable[[int, bytes], None]) -> list[bytes | None]:
        self.batches.append([raw for raw, _ in messages])
        self.begun.set()
        if self._slow and any(self._slow in raw for raw, _ in messages):
            assert self.go.wait(20)
        return [raw.upper() for raw, _ in messages]


def run(worker: Work, threads: int, act: Callable[[ReceiveQueue], object]) -> None:
    async def work() -> None:
        queue = ReceiveQueue(worker, threads)
        await act(queue)  # type: ignore[misc]
        queue.close(wait=True)

    asyncio.run(work())


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


def test_what_waits_meanwhile_is_received_together_in_its_order() -> None:
    worker = Worker(slow="FIRST")

    async def act(queue: ReceiveQueue) -> None:
        tasks = [asyncio.create_task(queue.answer(message("FIRST", 0), ""))]
        await until(worker.begun.is_set)
        tasks += [asyncio.create_task(queue.answer(message("HIS", n), "")) for n in range(5)]
        await asyncio.sleep(0.02)
        worker.go.set()
        answers = await asyncio.gather(*tasks)
        assert answers[1:] == [message("HIS", n).upper() for n in range(5)]

    run(worker, 1, act)
    assert worker.batches == [[message("FIRST", 0)], [message("HIS", n) for n in range(5)]]


@pytest.mark.parametrize(("threads", "waits"), [(1, True), (2, False)])
def test_beside_a_batch_that_takes_long_other_senders_go_on(
    monkeypatch: pytest.MonkeyPatch, threads: int, waits: bool
) -> None:
    monkeypatch.setattr(receive_queue, "PATIENCE", 0.02)
    worker = Worker(slow="SLOW")

    async def act(queue: ReceiveQueue) -> None:
        slow = asyncio.create_task(queue.answer(message("SLOW", 0), ""))
        await until(worker.begun.is_set)
        same = asyncio.create_task(queue.answer(message("SLOW", 1), ""))
        other = asyncio.create_task(queue.answer(message("OTHER", 0), ""))
        if not waits:
            assert await other == message("OTHER", 0).upper()
        await asyncio.sleep(0.1)
        assert (slow.done(), same.done(), other.done()) == (False, False, not waits)
        worker.go.set()
        await asyncio.gather(slow, same, other)

    run(worker, threads, act)
    order = [raw for batch in worker.batches for raw in batch if b"SLOW" in raw]
    assert order == [message("SLOW", 0), message("SLOW", 1)], "of one sender the order is kept"


def test_an_error_leaves_all_of_a_batch_without_an_answer_and_the_next_is_received() -> None:
    def work(messages: Received, accept: Callable[[int, bytes], None]) -> list[bytes | None]:
        if b"BAD" in messages[0][0]:
            raise RuntimeError("it is impossible")
        return [b"AA" for _ in messages]

    async def act(queue: ReceiveQueue) -> None:
        assert await queue.answer(message("BAD", 0), "") is None
        assert await queue.answer(message("GOOD", 0), "") == b"AA"

    run(work, 1, act)
