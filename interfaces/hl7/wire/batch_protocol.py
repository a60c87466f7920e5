"""Batches (HL7 v2.5.1 2.10.3): messages between BHS and BTS, batches between FHS and FTS, and their answer.

A batch is answered by a batch: its acknowledgments between header and trailer of the same kind, with the
sender's names turned round (2.10.3.3).
"""

import re
from collections.abc import Sequence
from typing import Final

from django.utils import timezone

from ledger.public_id import new_public_id

_START: Final = re.compile(rb"(?:\A|(?<=[\r\n]))(FHS|BHS|BTS|FTS|MSH)(?=[!-/:-@\[-`{-~])[^\r\n]*")
_BLANK: Final = b" \t\r\n\f\v\0\xef\xbb\xbf"
_CR: Final = b"\r"
_TRAILERS: Final = {b"BHS": b"BTS", b"FHS": b"FTS"}


def is_batch(payload: bytes) -> bool:
    """Whether a frame or file begins with a batch or a file of batches."""
    return payload.lstrip(_BLANK)[:3] in (b"FHS", b"BHS")


class Batch:
    """A batch that is being answered: the acknowledgments of its messages are added in their order."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._answers: list[bytes] = []

    def add(self, acknowledgment: bytes) -> None:
        self._answers.append(acknowledgment)

    def answer(self) -> bytes:
        """What is sent when all messages are answered."""
        return answer(self._payload, self._answers)


def answer(payload: bytes, answers: Sequence[bytes]) -> bytes:
    """The answer to a batch whose messages were answered by `answers`, in their order."""
    writer = _Writer()
    left = iter(answers)
    for match in _START.finditer(payload.lstrip(_BLANK)):
        name, line = match[1], match[0]
        if name == b"MSH":
            writer.message(next(left, b""))
        elif name in _TRAILERS:
            writer.open(name, line)
        else:
            writer.close(name, line)
    for rest in left:
        writer.message(rest)
    return writer.end()


class _Writer:
    """Writes an answer; what was not closed is closed at the end."""

    def __init__(self) -> None:
        self._at = timezone.now().strftime("%Y%m%d%H%M%S%z").encode()
        self._out: list[bytes] = []
        self._open: list[tuple[bytes, bytes]] = []
        self._counts: list[int] = []

    def open(self, name: bytes, line: bytes) -> None:
        if self._open and self._open[-1][0] == name:
            self.close(_TRAILERS[name], b"")
        if self._counts:
            self._counts[-1] += 1
        separator = line[3:4]
        fields = [*line.split(separator), *[b""] * 12][:12]
        self._out.append(
            separator.join(_header(name, fields, self._at, new_public_id()[:20].upper().encode()))
        )
        self._open.append((name, separator))
        self._counts.append(0)

    def message(self, answer: bytes) -> None:
        if self._counts:
            self._counts[-1] += 1
        if answer:
            self._out.append(answer.rstrip(_CR))

    def close(self, name: bytes, line: bytes) -> None:
        """Close what a trailer ends, and say where it counts otherwise than what came."""
        if name and name not in (_TRAILERS[opened] for opened, _ in self._open):
            return
        while self._open:
            opened, separator = self._open.pop()
            count = str(self._counts.pop()).encode()
            trailer = _TRAILERS[opened]
            said = line.split(separator)[1:2] if trailer == name else []
            comment = [b"%s said, %s came" % (said[0][:20], count)] if _differs(said, count) else []
            self._out.append(separator.join([trailer, count, *comment]))
            if trailer == name:
                return

    def end(self) -> bytes:
        self.close(b"", b"")
        return b"".join(part + _CR for part in self._out)


def _header(name: bytes, fields: Sequence[bytes], at: bytes, control_id: bytes) -> list[bytes]:
    """FHS or BHS: the names turned round (3 to 6), our control ID (11), theirs in 12."""
    application, facility, receiver, place = fields[2:6]
    return [
        name,
        fields[1],
        receiver,
        place,
        application,
        facility,
        at,
        b"",
        b"",
        b"",
        control_id,
        fields[10],
    ]


def _differs(said: Sequence[bytes], count: bytes) -> bool:
    return bool(said and said[0].strip().isdigit() and int(said[0]) != int(count))
