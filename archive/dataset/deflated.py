"""Deflated datasets (PS3.5 A.5)."""

import mmap
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from archive.dataset.dataset_error import DatasetError
from archive.dataset.limits import LIMITS, Limits
from archive.dataset.structure import Buffer


@contextmanager
def inflate(buffer: Buffer, start: int = 0, limits: Limits = LIMITS) -> Iterator[mmap.mmap]:
    """Inflate into an unnamed file and map it, so that memory stays flat whatever the dataset claims."""
    with tempfile.TemporaryFile() as file:
        try:
            whole = _inflate_to(file, buffer, start, limits, -zlib.MAX_WBITS)
        except zlib.error:
            file.seek(0)
            file.truncate()
            try:  # PS3.5 A.5 says raw RFC 1951; some senders keep the zlib header of RFC 1950
                whole = _inflate_to(file, buffer, start, limits, zlib.MAX_WBITS)
            except zlib.error:
                raise DatasetError("broken deflated data", start) from None
        if not whole:
            raise DatasetError("deflated data end early", len(buffer))
        if not file.tell():
            raise DatasetError("empty dataset", start)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as inflated:
            yield inflated


def _inflate_to(file: Any, buffer: Buffer, start: int, limits: Limits, wbits: int) -> bool:
    """Inflate `buffer` into `file` within `limits`; tell whether the stream came to its own end."""
    stream = zlib.decompressobj(wbits)
    total = 0
    for position in range(start, len(buffer), 1 << 16):
        chunk = bytes(buffer[position : position + (1 << 16)])
        while chunk and not stream.eof:
            inflated = stream.decompress(chunk, 1 << 20)
            chunk = stream.unconsumed_tail
            total += len(inflated)
            _check_inflation(total, position + (1 << 16) - start, position, limits)
            file.write(inflated)
        if stream.eof:
            break
    return _drained(stream, file, total, len(buffer), limits)


def _drained(stream: Any, file: Any, total: int, offset: int, limits: Limits) -> bool:
    """Take what zlib still holds back after the last input byte."""
    while not stream.eof and (inflated := stream.decompress(b"", 1 << 20)):
        total += len(inflated)
        _check_inflation(total, offset, offset, limits)
        file.write(inflated)
    return bool(stream.eof)


def _check_inflation(total: int, consumed: int, offset: int, limits: Limits) -> None:
    if total > limits.inflated or (
        total > limits.inflation_free and total > consumed * limits.inflation_ratio
    ):
        raise DatasetError("deflated data expand too far", offset)
