"""Pictures of stored frames, from the cache or from a process of `worker`; a few processes, each bounded."""

import hashlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from archive.pixels import picture_cache
from archive.pixels.picture_request import NATIVE, Wanted

_ROOT: Final = Path(__file__).resolve().parents[2]
_PROCESSES: Final = 2
_PATIENCE: Final = 20.0
"""Seconds for which a picture waits for a free process, and for which one is waited for."""
_VERSION: Final = "1"
"""Of how pictures look; a change makes all of them anew."""


class NoPicture(Exception):
    """There can't be a picture of this; the text says why and names no value of the object."""


class Busy(Exception):
    """All processes have been at work on other pictures for too long."""


def render(path: Path, sha256: str, wanted: Wanted) -> bytes:
    """The picture of a frame of the object at `path`, whose dataset has this hash.

    Raises
    ------
    NoPicture
        There are no such pixels, or they can't be decoded within the limits.
    Busy
        No process was free in time.
    """
    key = key_of(sha256, wanted)
    kept = picture_cache.get(key)
    if kept is None:
        kept = _made(path, wanted)
        picture_cache.put(key, kept)
    if kept[:1] != b"+":
        raise NoPicture(kept[1:].decode())
    return kept[1:]


def decoded(path: Path, frame: int) -> bytes:
    """The values of a frame as Explicit VR Little Endian has them, not kept; raises as `render` does."""
    answer = _made(path, Wanted(frame, NATIVE))
    if answer[:1] != b"+":
        raise NoPicture(answer[1:].decode())
    return answer[1:]


def key_of(sha256: str, wanted: Wanted) -> str:
    """What names a picture: the same for the same content and wishes."""
    return hashlib.sha256(f"{_VERSION}\n{sha256}\n{wanted.to_json()}".encode()).hexdigest()


# The processes


@dataclass(slots=True)
class _Process:
    """A place for one process, started when it is first needed and again after it had to be ended."""

    running: subprocess.Popen[bytes] | None = None

    def ask(self, line: bytes) -> bytes | None:
        """The answer to a request; None where the process ended or took too long, and was ended."""
        if self.running is None or self.running.poll() is not None:
            self.running = _started()
        try:
            assert self.running.stdin is not None and self.running.stdout is not None
            self.running.stdin.write(line)
            self.running.stdin.flush()
            return _read(self.running.stdout.fileno(), time.monotonic() + _PATIENCE)
        except (OSError, EOFError, TimeoutError):
            self.end()
            return None

    def end(self) -> None:
        """End the process with the child that it may have."""
        if self.running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait()
            self.running = None


@dataclass(slots=True)
class _Pool:
    """The processes of this process; after a fork the child needs its own."""

    pid: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    free: "queue.LifoQueue[_Process]" = field(default_factory=queue.LifoQueue)

    @contextmanager
    def process(self) -> Iterator[_Process]:
        with self.lock:
            if self.pid != os.getpid():
                self.pid, self.free = os.getpid(), queue.LifoQueue()
                for _ in range(_PROCESSES):
                    self.free.put(_Process())
        free = self.free
        try:
            process = free.get(timeout=_PATIENCE)
        except queue.Empty:
            raise Busy from None
        try:
            yield process
        finally:
            free.put(process)


_pool = _Pool()


def _made(path: Path, wanted: Wanted) -> bytes:
    line = json.dumps([str(path), wanted.to_json()]).encode() + b"\n"
    with _pool.process() as process:
        answer = process.ask(line)
    return answer or b"-the decoder took too long"


def _started() -> subprocess.Popen[bytes]:
    """Start one, with none of this process's secrets in its environment."""
    environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PATH": os.defpath}
    return subprocess.Popen(
        [sys.executable, "-m", "archive.pixels.render_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=_ROOT,
        env={**environment, "TMPDIR": tempfile.gettempdir()},
        start_new_session=True,
    )


def _read(fd: int, until: float) -> bytes:
    """Read an answer: four bytes of length, then as many bytes."""
    length = int.from_bytes(_exactly(fd, 4, until), "big")
    return _exactly(fd, length, until)


def _exactly(fd: int, length: int, until: float) -> bytes:
    found = bytearray()
    while len(found) < length:
        ready, _, _ = select.select([fd], [], [], max(until - time.monotonic(), 0))
        if not ready:
            raise TimeoutError
        chunk = os.read(fd, min(length - len(found), 1 << 20))
        if not chunk:
            raise EOFError
        found += chunk
    return bytes(found)
