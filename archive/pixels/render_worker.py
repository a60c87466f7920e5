"""The process that makes pictures: `python -m archive.pixels.worker`, spoken to through its stdin and stdout.

A request is a line, `[path, what is wanted]`; the answer a length of four bytes, then `+` and the picture or
`-` and why there is none. Each is made in a child that is forked for it and limited in memory and time, so
that a file which misleads a decoder costs nothing but its own picture, and the libraries are loaded once.
"""

import json
import os
import resource
import signal
import sys
import warnings
from pathlib import Path
from typing import Final

from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from archive.dataset.dataset_error import DatasetError
from archive.dataset.limits import LIMITS
from archive.pixels.frame_decoder import DECODED, decode, native
from archive.pixels.picture import draw
from archive.pixels.picture_request import NATIVE, Wanted

SECONDS: Final = 15
_MEMORY: Final = 2 << 30
_LARGEST: Final = 256 << 20
_FAILED: Final = b"-the decoder failed, or took too much time or memory"


def serve() -> None:
    """Answer until stdin ends."""
    for syntax in DECODED:
        get_decoder(UID(syntax))  # loads the decoder's library here and not in each child
    for line in sys.stdin.buffer:
        answer = _in_child(line)
        sys.stdout.buffer.write(len(answer).to_bytes(4, "big") + answer)
        sys.stdout.buffer.flush()


def _in_child(line: bytes) -> bytes:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(line, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read(_LARGEST)
    _, status = os.waitpid(child, 0)
    return answer if status == 0 and answer else _FAILED


def _answer(line: bytes, writing: int) -> None:
    """Write the answer and end, whatever happens."""
    status = 1
    try:
        _limit()
        path, wanted = json.loads(line)
        try:
            answer = b"+" + _picture(Path(path), Wanted.from_json(wanted))
        except DatasetError as error:
            answer = b"-" + error.reason.encode()
        with open(writing, "wb") as pipe:
            pipe.write(answer)
        status = 0
    finally:
        os._exit(status)


def _picture(path: Path, wanted: Wanted) -> bytes:
    frame = decode(path, wanted.frame, as_stored=wanted.media_type == NATIVE)
    return native(frame) if wanted.media_type == NATIVE else draw(frame, wanted)


def _limit() -> None:
    """Bound what this process may use: no requests, and files only for a dataset that is inflated."""
    os.close(0)
    os.close(1)
    warnings.simplefilter("ignore")
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMITS.inflated, LIMITS.inflated))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    serve()
