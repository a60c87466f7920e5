"""Run the processes of one machine in the foreground: start, relay their output, restart the dead, stop all.

The children, and what they start, are one process group. With them in it is a guard, a tiny process
that waits for the end of a pipe of which only the supervisor holds the other end: however the
supervisor ends, the kernel closes the pipe and the guard kills the group, itself included.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import IO

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
STEADY = 30.0
"""A child that lived so long begins again with the first delay."""
GRACE = 20.0
"""Seconds from SIGTERM to SIGKILL."""
TICK = 0.1
GUARD = "import os, signal, sys; sys.stdin.buffer.read(); os.killpg(0, signal.SIGKILL)"


@dataclass(frozen=True)
class Child:
    """A process to keep alive."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


class _Kept:
    """A child and how it fares."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.process: subprocess.Popen[bytes] | None = None
        self.began = 0.0
        self.due = 0.0
        self.delay = FIRST_DELAY


class Supervisor:
    """Keeps children alive until SIGINT, SIGTERM or SIGHUP; leaves none behind."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._kept = [_Kept(child) for child in children]
        self._width = max(len(name) for name in ("supervisor", *(child.name for child in children)))
        self._output = Output()
        self._guard: subprocess.Popen[bytes] | None = None
        self._group = 0
        self._asked_to_stop: float | None = None
        self._in_a_hurry = False

    def say(self, text: str) -> None:
        """Print a line, or several, among the children's output."""
        self._output.put(text)

    def run(self) -> None:
        """Keep the children alive until a signal says stop, then stop them all."""
        self._listen_to_signals()
        try:
            while self._asked_to_stop is None:
                self._keep_guard()
                for kept in self._kept:
                    self._keep(kept)
                time.sleep(TICK)
        finally:
            self._stop_all()
            self._output.close()

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # `nohup` and a shell's `&` have some ignored, which stays so.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # `make` passes SIGTERM on, so one wish may arrive twice at once; only a later one means haste.
        if self._asked_to_stop is None:
            self._asked_to_stop = time.monotonic()
        elif time.monotonic() - self._asked_to_stop > 1:
            self._in_a_hurry = True

    def _keep_guard(self) -> None:
        if self._guard is not None and self._guard.poll() is None:
            return
        command = [sys.executable, "-I", "-S", "-c", GUARD]
        try:
            self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, process_group=self._group)
        except PermissionError:
            # Nobody is left in the old group: the guard begins a new one.
            self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, process_group=0)
            self._group = 0
        self._group = self._group or self._guard.pid

    def _keep(self, kept: _Kept) -> None:
        if kept.process is None:
            if time.monotonic() >= kept.due:
                self._start(kept)
        elif kept.process.poll() is not None:
            reason = _reason(kept.process.returncode)
            kept.process = None
            if time.monotonic() - kept.began >= STEADY:
                kept.delay = FIRST_DELAY
            self._wait(kept, reason)

    def _start(self, kept: _Kept) -> None:
        kept.began = time.monotonic()
        try:
            kept.process = subprocess.Popen(
                kept.child.command,
                env={**os.environ, **kept.child.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=self._group,
            )
        except OSError as error:
            self._wait(kept, str(error))
            return
        assert kept.process.stdout is not None
        relay = (kept.child.name, kept.process.stdout)
        threading.Thread(target=self._relay, args=relay, daemon=True).start()

    def _wait(self, kept: _Kept, reason: str) -> None:
        self._say_as("supervisor", f"{kept.child.name} {reason}; starting it again in {kept.delay:g} s")
        kept.due = time.monotonic() + kept.delay
        kept.delay = min(kept.delay * 2, LONGEST_DELAY)

    def _relay(self, name: str, stream: IO[bytes]) -> None:
        with stream:
            while line := stream.readline(65536):
                self._say_as(name, line.decode(errors="replace").rstrip("\n"))

    def _say_as(self, name: str, line: str) -> None:
        self._output.put(f"{name:{self._width}} | {line}")

    def _stop_all(self) -> None:
        running = [kept.process for kept in self._kept if kept.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and not self._in_a_hurry:
            if all(process.poll() is not None for process in running):
                break
            time.sleep(TICK / 2)
        late = [kept.child.name for kept in self._kept if kept.process and kept.process.poll() is None]
        if late:
            self._say_as("supervisor", f"killing {', '.join(late)}")
        if self._group:
            # The guard too, and whatever the children left.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._group, signal.SIGKILL)
        for process in running:
            process.wait()
        if self._guard is not None:
            self._guard.wait()


class Output:
    """Standard output that never holds anybody up: what nobody reads, or no disk takes, is dropped."""

    def __init__(self) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue(maxsize=10_000)
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._writer.start()

    def put(self, text: str) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(text)

    def close(self) -> None:
        """Give what was put a moment to be written."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self._writer.join(timeout=2)

    def _write(self) -> None:
        while (text := self._lines.get()) is not None:
            data = f"{text}\n".encode(errors="replace")
            with contextlib.suppress(OSError):
                while data:
                    data = data[os.write(1, data) :]


def _reason(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
