"""Where the sound of dictations lies: a file for each segment, on disk before its row is committed."""

import hashlib
import io
import os
import struct
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from django.conf import settings

from archive.storage import volumes

LEAST_FREE_BYTES: Final = 50 << 20
HEADER_BYTES: Final = 44


def folder() -> Path:
    """The folder of all segments."""
    return Path(settings.HOME) / "dictations"


def write(data: bytes) -> str:
    """Bring a segment to disk under a random name, for good; return the name. Raises OSError."""
    name = uuid.uuid4().hex
    target = folder() / name[:2] / f"{name}.pcm"
    target.parent.mkdir(parents=True, exist_ok=True)
    volumes.check_space(target.parent, LEAST_FREE_BYTES)
    try:
        with target.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        volumes.sync_folder(target.parent)
        volumes.sync_folder(folder())
    except OSError:
        volumes.remove(target)
        raise
    return f"{name[:2]}/{name}.pcm"


def remove(name: str) -> None:
    """Remove a segment's file that no row names."""
    volumes.remove(folder() / name)


def sha256_of(names: Iterable[str]) -> str:
    """The SHA-256 over the samples of segments, one after the other."""
    digest = hashlib.sha256()
    for name in names:
        digest.update((folder() / name).read_bytes())
    return digest.hexdigest()


def wav_header(size: int, sample_rate: int) -> bytes:
    """The 44 bytes before `size` bytes of PCM, 16 bit, mono."""
    form = struct.pack("<4sI4s", b"RIFF", size + HEADER_BYTES - 8, b"WAVE")
    sound = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, sample_rate * 2, 2, 16)
    return form + sound + struct.pack("<4sI", b"data", size)


def wav(
    names: Iterable[str], sizes: Iterable[int], sample_rate: int, start: int, end: int
) -> Iterator[bytes]:
    """The bytes `start` to `end` (not included) of the WAV file that the segments make."""
    sizes = list(sizes)
    header = wav_header(sum(sizes), sample_rate)
    if start < HEADER_BYTES:
        yield header[start : min(end, HEADER_BYTES)]
    at = HEADER_BYTES
    for name, size in zip(names, sizes, strict=True):
        first, last = max(start - at, 0), min(end - at, size)
        if first < last:
            with (folder() / name).open("rb") as file:
                file.seek(first, io.SEEK_SET)
                yield file.read(last - first)
        at += size
