"""Memory of the whole system, idle and after load: the sum of the processes' proportional set sizes."""

from collections.abc import Iterator
from pathlib import Path

from tests.bench.orders import _messages, _send
from tests.bench.store import _make_batch
from tests.bench.store import _send as _store
from tests.clients.images import make_study
from tests.clients.system import System

PARTS = ("web", "dicom", "hl7", "worker", "sweeper")


def run(system: System, folder: Path) -> Iterator[str]:
    """Measure, load with orders and images, measure again."""
    yield "idle: " + _sizes(system)
    make_study(folder / "seed", "SEED", count=1)
    _send(system, _messages(200))
    _store(system, system.dicom_port, _make_batch(folder), 4)
    yield "under load: " + _sizes(system)


def _sizes(system: System) -> str:
    sizes = {part: sum(megabytes(pid) for pid in system.pids(part)) for part in PARTS}
    return f"{sum(sizes.values()):.0f} MB (" + ", ".join(f"{p} {s:.0f}" for p, s in sizes.items()) + ")"


def megabytes(pid: int) -> float:
    """Pss of a process: its own pages, and its share of those that it shares."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1]) / 1024
