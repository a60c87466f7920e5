"""Messages from a folder: each file is taken once, answered beside, and moved to `done` or `failed`.

A file that is being written is not read: its name begins with a point or ends in `.part` or `.tmp`, or it has
changed within the last seconds. It is moved into `working` before it is read, and on when its answer is on
disk; what a killed process leaves there is taken again, which has no second effect, as each message is known.
"""

import fcntl
import itertools
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.core.management.base import CommandError

from interfaces.hl7.inbound import inbox
from interfaces.hl7.wire import batch_protocol, framing
from interfaces.hl7.wire.receive_queue import MOST_TOGETHER
from ledger.crashpoint import crashpoint

SETTLED: Final = 2.0
"""Seconds for which a file has to be as it is."""
WRITTEN: Final = (".part", ".tmp", ".filepart")
_ACCEPTED: Final = ("AA", "CA", "")
_LONGEST_WAIT: Final = 60.0


@dataclass(frozen=True)
class Taken:
    """What became of a file; None for `codes` where a message could not be stored."""

    name: str
    codes: Sequence[str] | None

    @property
    def is_done(self) -> bool:
        return bool(self.codes) and all(code in _ACCEPTED for code in self.codes or ())


class MessageFolder:
    """A folder that files are put into."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._working, self._done, self._failed = (path / name for name in ("working", "done", "failed"))

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Make the folders, and keep any other process from taking files here."""
        for folder in (self._working, self._done, self._failed):
            folder.mkdir(parents=True, exist_ok=True)
        with (self.path / ".watched").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise CommandError(f"{self.path} is watched by another process already") from error
            yield

    def take_all(self, settled: float = SETTLED) -> Iterator[Taken]:
        """Take each file that is whole, the oldest first; what was left behind comes before.

        It ends at one whose messages could not be stored: it stays, and is tried again the next time.
        """
        for claimed in itertools.chain(_files(self._working), self._claimed(settled)):
            taken = self._take(claimed)
            yield taken
            if taken.codes is None:
                return

    def _claimed(self, settled: float) -> Iterator[Path]:
        for path in _files(self.path):
            if path.name.lower().endswith(WRITTEN) or path.name.startswith("."):
                continue
            claimed = self._working / self._free_name(path)
            try:
                if time.time() - path.stat().st_mtime < settled:
                    continue
                path.rename(claimed)
            except FileNotFoundError:  # its sender has taken it back
                continue
            _sync(self._working)
            _sync(self.path)
            crashpoint("folder.claimed")
            yield claimed

    def _take(self, path: Path) -> Taken:
        payload = path.read_bytes()
        answers = _received(payload)
        crashpoint("folder.received")
        if answers is None:
            return Taken(path.name, None)
        taken = Taken(path.name, [code_of(one) for one in answers])
        place, other = (self._done, self._failed) if taken.is_done else (self._failed, self._done)
        (other / f"{path.name}.ack").unlink(missing_ok=True)  # of an attempt that was killed
        target = place / path.name
        _write(target.with_name(f"{target.name}.ack"), _answer(payload, answers))
        crashpoint("folder.answered")
        path.rename(target)
        _sync(target.parent)
        _sync(self._working)
        crashpoint("folder.moved")
        return taken

    def _free_name(self, path: Path) -> str:
        """The name of a file, or the next one that no file had here before."""
        number, found = 1, path.name
        while any(self._is_taken(place, found) for place in (self._working, self._done, self._failed)):
            number += 1
            found = f"{path.stem}.{number}{path.suffix}"
        return found

    def _is_taken(self, place: Path, name: str) -> bool:
        return (place / name).exists() or (place / f"{name}.ack").exists()


def pause(failures: int) -> float:
    """Seconds to wait after so many times in a row that a file could not be stored."""
    return min(_LONGEST_WAIT, 2.0**failures)


def code_of(answer: bytes) -> str:
    """MSA-1 of an answer; empty where none is wanted."""
    for segment in answer.split(b"\r"):
        if segment.startswith(b"MSA"):
            return segment.split(segment[3:4])[1].decode("ascii", "replace")
    return ""


def _received(payload: bytes) -> list[bytes] | None:
    """The answers to the messages of a file; None where one could not be stored."""
    messages = framing.split_messages(payload)
    found: list[bytes] = []
    for start in range(0, len(messages), MOST_TOGETHER):
        part = inbox.receive_all([(one, "folder") for one in messages[start : start + MOST_TOGETHER]])
        if any(one is None for one in part):
            return None
        found += [one for one in part if one is not None]
    return found


def _answer(payload: bytes, answers: Sequence[bytes]) -> bytes:
    if batch_protocol.is_batch(payload):
        return batch_protocol.answer(payload, answers)
    return b"".join(answers) or b"no message was found\n"


def _files(folder: Path) -> list[Path]:
    """The files of a folder, the oldest first."""
    found = [(one.stat().st_mtime, one.name, Path(one.path)) for one in os.scandir(folder) if one.is_file()]
    return [path for _, _, path in sorted(found)]


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is there wholly or not at all."""
    written = path.with_name(f".{path.name}.tmp")
    with written.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    written.rename(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Have the names in a folder on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
