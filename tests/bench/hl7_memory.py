"""Memory of the HL7 listener: what 10,000 idle connections cost, and what one message of 16 MiB does."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.bench.memory import megabytes
from tests.bench.orders import listener
from tests.clients.system import ROOT, System, quick_site, send_mllp

IDLE = 10_000
MIB = 1024 * 1024


def run(system: System, folder: Path) -> Iterator[str]:
    """Before, with idle connections, with one message beside them, and the most that a long one takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with (
        listener(ROOT, folder / "memory", RIS_PACS_SITE=quick_site(folder)) as ours,
        ExitStack() as open_ones,
    ):
        send_mllp(ours.port, _message(1))
        before = megabytes(ours.pid)
        began = time.monotonic()
        for _ in range(IDLE):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", ours.port), 30))
        seconds = time.monotonic() - began
        time.sleep(1)
        after = megabytes(ours.pid)
        yield f"{IDLE} idle connections ({seconds:.1f} s): {before:.0f} MB before, {after:.0f} MB with them"
        began = time.monotonic()
        send_mllp(ours.port, _message(2))
        yield f"a message beside them is answered in {(time.monotonic() - began) * 1000:.0f} ms"
    with listener(ROOT, folder / "long", RIS_PACS_SITE=quick_site(folder)) as ours:
        send_mllp(ours.port, _message(1))
        before = _resident(ours.pid, "VmRSS")
        for kind, letter in (("ASCII", "x"), ("other than ASCII", "ü"), ("beyond the BMP", "𝄞")):
            Path(f"/proc/{ours.pid}/clear_refs").write_text("5")  # the peak counts from now on
            answer = send_mllp(ours.port, _message(3, letter), timeout=120)[0]
            code = answer.split(b"MSA|")[1][:2].decode()
            more = _resident(ours.pid, "VmHWM") - before
            yield f"a message of 16 MiB, {kind}: {more:.0f} MB more at its peak ({code})"
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _message(number: int, letter: str = "") -> bytes:
    """An A08, filled up to just under 16 MiB with an NTE."""
    head = (
        f"MSH|^~\\&|HIS|GENHOSP|RIS|RAD|2026030208000{number}||ADT^A08|M{number}{ord(letter or 'a')}|P|2.5.1"
        "||||||UNICODE UTF-8\rPID|1||P1^^^GENHOSP^MR||BARS^ANNA||19700102|F\r"
    ).encode()
    if not letter:
        return head
    one = letter.encode()
    return head + b"NTE|1||" + one * ((16 * MIB - len(head) - 64) // len(one)) + b"\r"


def _resident(pid: int, which: str) -> float:
    """The resident set now (VmRSS), or the largest since the peak was cleared (VmHWM), in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(f"{which}:")).split()[1]) / 1024
