"""HL7 orders a second, each applied before its ACK, on one connection and on four."""

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from tests.clients.system import System, answer_code, order_message, send_mllp

COUNT = 400


def run(system: System, folder: Path) -> Iterator[str]:
    """Send new orders of new patients."""
    rate = _rate(system, 1)
    yield f"{rate:.0f} orders/s applied on one connection"
    rate = _rate(system, 4)
    yield f"{rate:.0f} orders/s applied on four connections"


def _rate(system: System, connections: int) -> float:
    batches = [_messages(COUNT // connections) for _ in range(connections)]
    began = time.perf_counter()
    threads = [threading.Thread(target=_send, args=(system, batch)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return COUNT / (time.perf_counter() - began)


def _messages(count: int) -> list[bytes]:
    tag = uuid.uuid4().hex[:4].upper()
    return [order_message(f"B{tag}{n:05d}", patient_id=f"B{tag}{n}") for n in range(count)]


def _send(system: System, messages: list[bytes]) -> None:
    answers = send_mllp(system.hl7_port, *messages, timeout=120)
    assert all(answer_code(answer) == "AA" for answer in answers)
