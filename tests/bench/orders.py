"""HL7 orders a second, each applied before its ACK, on one connection and on eight.

With RIS_PACS_BENCH_BASELINE, a checkout of the version before, both listeners run beside each other and get
the same orders in turn, so that what else the machine does bears on both alike.
"""

import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.system import (
    ROOT,
    System,
    answer_code,
    fresh_database,
    order_message,
    send_mllp,
    wait_for,
)

COUNT = 160
ROUNDS = 5
CONNECTIONS = (1, 8)


@dataclass(frozen=True)
class Rate:
    """Orders a second, and milliseconds of the listener's CPU for each."""

    a_second: float
    cpu: float


@dataclass(frozen=True)
class Listener:
    """A running `manage.py hl7` of some checkout."""

    port: int
    pid: int
    database_name: str = ""

    @property
    def is_postgresql(self) -> bool:
        """Whether it works on a server."""
        return self.database_name.startswith("postgres")

    def database(self) -> Any:
        """A connection of its own to the database."""
        if self.is_postgresql:
            import psycopg2

            return psycopg2.connect(self.database_name)
        return sqlite3.connect(self.database_name, timeout=60)

    def rate(self, connections: int) -> Rate:
        """Send new orders of new patients."""
        batches = [_messages(COUNT // connections) for _ in range(connections)]
        before, began = _cpu(self.pid), time.perf_counter()
        threads = [threading.Thread(target=_send_to, args=(self.port, batch)) for batch in batches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        return Rate(COUNT / seconds, (_cpu(self.pid) - before) * 1000 / COUNT)


def run(system: System, folder: Path) -> Iterator[str]:
    """Send new orders of new patients to the listener of this version, and of the one before where it is."""
    baseline = os.environ.get("RIS_PACS_BENCH_BASELINE", "")
    roots = {"ours": ROOT, **({"before": Path(baseline)} if baseline else {})}
    with ExitStack() as stack:
        listeners = {name: stack.enter_context(listener(root, folder / name)) for name, root in roots.items()}
        for connections in CONNECTIONS:
            rounds: dict[str, list[Rate]] = {name: [] for name in listeners}
            for _ in range(ROUNDS):
                for name, one in listeners.items():
                    rounds[name].append(one.rate(connections))
            medians = {name: _median(rates) for name, rates in rounds.items()}
            for name, rate in medians.items():
                figures = f"{rate.a_second:.0f} orders/s, {rate.cpu:.1f} ms of CPU each"
                yield f"{name}: {figures}, {connections} connections"
            if "before" in medians:
                ratio = medians["ours"].a_second / medians["before"].a_second
                yield f"{ratio:.1f} times as many on {connections} connections"


def _median(rates: list[Rate]) -> Rate:
    return Rate(*(statistics.median(getattr(rate, name) for rate in rates) for name in ("a_second", "cpu")))


@contextmanager
def listener(root: Path, home: Path, **environment: str) -> Iterator[Listener]:
    """The listener alone, on a home and a database of its own."""
    with ExitStack() as stack:
        url = os.environ.get("DATABASE_URL", "")
        url = stack.enter_context(fresh_database(url)) if url else ""
        home.mkdir()
        broker = os.environ.get("CELERY_BROKER_URL", "") if url else ""
        system = System(home, url, broker, **environment)
        for command in (("migrate", "-v0"), ("site", "apply")):
            arguments = [sys.executable, "manage.py", *command]
            subprocess.run(arguments, cwd=root, env=system.environment, check=True, capture_output=True)
        process = subprocess.Popen([sys.executable, "manage.py", "hl7"], cwd=root, env=system.environment)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        wait_for(lambda: answers(system.hl7_port), 60)
        found = Listener(system.hl7_port, process.pid, url or str(home / "ris_pacs.sqlite3"))
        found.rate(1)  # so that everything is imported and cached
        yield found


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _messages(count: int) -> list[bytes]:
    tag = uuid.uuid4().hex[:4].upper()
    return [order_message(f"B{tag}{n:05d}", patient_id=f"B{tag}{n}") for n in range(count)]


def _send(system: System, messages: list[bytes]) -> None:
    _send_to(system.hl7_port, messages)


def _send_to(port: int, messages: list[bytes]) -> None:
    answers = send_mllp(port, *messages, timeout=120)
    assert all(answer_code(answer) == "AA" for answer in answers)
