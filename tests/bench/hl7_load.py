"""HL7 under load: beside the floor, how long an ACK takes, answering on storing, and beside a backlog.

RIS_PACS_BENCH_BACKLOG says how many messages wait beside it, 100,000 where nothing is said.
"""

import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench.orders import Listener, answers, listener
from tests.clients.system import ROOT, System, free_port, order_message, quick_site, wait_for

ORDERS: Final = 1_600
FLOOD: Final = """
    - name: FLOOD
      application: FLOOD
      acknowledge: after_storing
"""


@dataclass(frozen=True)
class Taken:
    """Messages a second, and milliseconds in which half, and 99 of 100, of them were answered."""

    a_second: float
    p50: float
    p99: float

    def __str__(self) -> str:
        return f"{self.a_second:.0f}/s, p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms"


def run(system: System, folder: Path) -> Iterator[str]:
    """Floor and listener in turn on an empty database, then the listener beside a backlog."""
    site = _site(folder)
    with _floor(folder, system) as port:
        for connections in (1, 8):
            taken = _sent(port, connections)
            yield f"floor, a bare echo with one durable commit, {connections} connections: {taken}"
    with listener(ROOT, folder / "load", RIS_PACS_SITE=site) as ours:
        first = {name: taken for name, taken in _all(ours.port)}
        yield from (f"{name}: {taken}" for name, taken in first.items())
        count = int(os.environ.get("RIS_PACS_BENCH_BACKLOG", "100000"))
        _backlog(ours, count)
        for name, taken in _all(ours.port):
            ratio = taken.a_second / first[name].a_second
            yield f"{name}, {count:,} messages waiting: {taken}, {ratio:.2f} of what it was"


def _all(port: int) -> Iterator[tuple[str, Taken]]:
    yield "orders, each applied, 1 connection", _sent(port, 1)
    yield "orders, each applied, 8 connections", _sent(port, 8)
    yield "answered on storing, 8 connections", _sent(port, 8, "FLOOD")


def _sent(port: int, connections: int, application: str = "HIS") -> Taken:
    """Orders of new patients over some connections."""
    times: list[float] = []
    tag = uuid.uuid4().hex[:4].upper()
    messages = [
        order_message(f"{tag}{n:06d}", patient_id=f"L{tag}{n}").replace(
            b"|HIS|", f"|{application}|".encode(), 1
        )
        for n in range(ORDERS)
    ]
    threads = [
        threading.Thread(target=_send, args=(port, messages[place::connections], times))
        for place in range(connections)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    assert len(times) == ORDERS, "an answer is missing"
    cuts = statistics.quantiles(times, n=100)
    return Taken(ORDERS / seconds, cuts[49] * 1000, cuts[98] * 1000)


def _send(port: int, messages: list[bytes], times: list[float]) -> None:
    with socket.create_connection(("127.0.0.1", port), 120) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for message in messages:
            began = time.perf_counter()
            connection.sendall(b"\x0b" + message + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                answer += connection.recv(65536)
            times.append(time.perf_counter() - began)
            assert b"MSA|AA|" in answer, answer


def _site(folder: Path) -> str:
    path = Path(quick_site(folder))
    text = path.read_text()
    changed = re.sub(r"(?m)^(  sources:)\n", lambda found: found[1] + FLOOD, text)
    assert changed != text
    path.write_text(changed)
    return str(path)


@contextmanager
def _floor(folder: Path, system: System) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.durable_echo", str(port), str(folder)]
    environment = {**os.environ, "DATABASE_URL": system.environment.get("DATABASE_URL", "")}
    with ExitStack() as stack:
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        wait_for(lambda: answers(port), 30)
        yield port


def _backlog(ours: Listener, count: int) -> None:
    """Messages that are stored and answered, and wait: copies of one that came, in the database itself."""
    _sent(ours.port, 1, "FLOOD")
    with closing(ours.database()) as database:
        names = [name for name in _columns(database) if name != "id"]
        own = ("public_id", "control_id", "sha256")
        numbered = "lpad(to_hex(n), 32, '0')" if ours.is_postgresql else "printf('%032x', n)"
        chosen = ", ".join(numbered if name in own else name for name in names)
        numbers = f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count})"
        newest = "(SELECT * FROM hl7_inboundmessage ORDER BY id DESC LIMIT 1) AS one"
        database.cursor().execute(
            f"{numbers} INSERT INTO hl7_inboundmessage ({', '.join(names)}) SELECT {chosen} FROM {newest}, s"
        )
        database.commit()


def _columns(database: Any) -> list[str]:
    cursor = database.cursor()
    cursor.execute("SELECT * FROM hl7_inboundmessage LIMIT 0")
    return [column[0] for column in cursor.description]
