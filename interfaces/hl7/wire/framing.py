"""MLLP framing: VT payload FS CR (HL7 v2.5.1 appendix C, C.4 minimal lower layer protocol).

What arrives is not always what the protocol says. Tolerances:

| on the wire                        | result                                                              |
|------------------------------------|---------------------------------------------------------------------|
| `VT m FS CR`                       | m                                                                   |
| `junk VT m FS CR`                  | m; the junk is counted. Without any VT all is junk                  |
| `VT VT m FS CR`                    | m; the first VT is counted as an empty frame                        |
| `VT m FS CR FS CR`, `VT FS CR`     | m, nothing; the empty frame is counted                              |
| `VT m FS VT n FS CR`               | m and n: the CR is missing                                          |
| `VT m FS`, then silence or the end | m, when the listener calls `end_of_data`                            |
| `VT m FS FS CR`                    | m                                                                   |
| `VT a FS b FS CR`                  | one payload with the FS in it: only CR, VT or the end make FS an end |
| `VT part VT MSH… FS CR`            | MSH…: the sender began anew; the part is counted as broken          |
| `VT a VT b FS CR`                  | one payload: text may hold a vertical tab                           |

Two messages are never merged, and no part of a message is passed as a whole one. CR, LF and FS
between frames are no junk.
"""

import re

VT = b"\x0b"
FS = b"\x1c"
CR = b"\r"
MAX_BYTES = 16 * 1024 * 1024

_VTS = re.compile(rb"\x0b*")
_RESTART = re.compile(rb"\x0b(?=MSH|FHS|BHS)")
_BATCH_SEGMENT = re.compile(rb"(?:\A|(?<=[\r\n]))[FB][HT]S(?![A-Za-z0-9])[^\r\n]*(?:\r\n|[\r\n]|\Z)")
_BATCH_NAMES = (b"FHS", b"BHS", b"BTS", b"FTS")
_MESSAGE = re.compile(rb"MSH(?=[!-/:-@\[-`{-~])")
_MESSAGE_UTF_16 = (
    re.compile(rb"(?:\A(?:\xff\xfe)?|(?<=[\r\n]\0))(M\0S\0H\0)"),
    re.compile(rb"(?:\A(?:\xfe\xff)?|(?<=\0[\r\n]))(\0M\0S\0H)"),
)
_BLANK = b" \t\r\n\f\v\0\xef\xbb\xbf"


class FrameTooLong(ValueError):
    """A frame passed the cap. `complete` holds the payloads that ended before it in the same data."""

    def __init__(self, limit: int, complete: list[bytes]) -> None:
        super().__init__(f"MLLP frame is longer than {limit} bytes")
        self.limit = limit
        self.complete = complete


class Deframer:
    """Payloads from a stream that may be cut anywhere; the same for every cut, in linear time."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self.frames_started = 0
        self.junk_bytes = 0
        self.empty_frames = 0
        self.broken_frames = 0
        self._buffer = bytearray()
        self._scan = 0
        self._in_frame = False

    @property
    def in_frame(self) -> bool:
        """Between VT and FS. A deadline runs from the moment that `frames_started` changes."""
        return self._in_frame

    @property
    def started_at_frame(self) -> bool:
        """False once anything but line ends came outside of a frame: the peer may not speak MLLP at all."""
        return self.junk_bytes == 0

    @property
    def awaiting_cr(self) -> bool:
        """FS is the last byte so far; if nothing follows soon, call `end_of_data`."""
        return self._in_frame and self._buffer.endswith(FS)

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was received and return the payloads that are complete now.

        Raises FrameTooLong when a frame passes the cap; the deframer is empty after that.
        """
        self._buffer += data
        frames: list[bytes] = []
        while self._in_frame or self._open():
            payload = self._close(frames)
            if payload is None:
                break
            self._collect(payload, frames)
        return frames

    def end_of_data(self) -> list[bytes]:
        """The peer fell silent or closed: a frame that waits for its CR is complete.

        A frame without FS is not; `in_frame` tells that it is lost if the connection closes.
        """
        if not self.awaiting_cr:
            return []
        frames: list[bytes] = []
        payload = bytes(self._buffer[:-1])
        self._buffer.clear()
        self._in_frame = False
        self._collect(payload, frames)
        return frames

    def _open(self) -> bool:
        start = self._buffer.find(VT)
        outside = self._buffer[: start if start >= 0 else len(self._buffer)]
        self.empty_frames += outside.count(FS)
        self.junk_bytes += len(outside.translate(None, b"\r\n\x1c"))
        del self._buffer[: len(outside) + 1]
        if start < 0:
            return False
        self._in_frame = True
        self._scan = 0
        self.frames_started += 1
        return True

    def _close(self, complete: list[bytes]) -> bytes | None:
        """The payload up to FS CR or FS VT, None while that hasn't come."""
        if self._scan == 0:
            self._skip_empty_starts()
        while (end := self._buffer.find(FS, self._scan)) >= 0:
            self._check_length(end, complete)
            following = bytes(self._buffer[end + 1 : end + 2])
            self._scan = end
            if not following:
                return None
            if following in (CR, VT):
                return self._cut(end, following)
            self._scan = end + 1
        self._check_length(len(self._buffer), complete)
        self._scan = len(self._buffer)
        return None

    def _skip_empty_starts(self) -> None:
        match = _VTS.match(self._buffer)
        count = match.end() if match else 0
        match = None  # a match holds the buffer, which can't shrink meanwhile
        del self._buffer[:count]
        self.empty_frames += count

    def _check_length(self, length: int, complete: list[bytes]) -> None:
        if length > self.max_bytes:
            self._buffer.clear()
            self._in_frame = False
            raise FrameTooLong(self.max_bytes, complete)

    def _cut(self, end: int, following: bytes) -> bytes:
        with memoryview(self._buffer) as whole:
            payload = bytes(whole[:end])
        rest = end + 1 if following == VT else end + 2
        if rest >= len(self._buffer):
            self._buffer = bytearray()  # so that nothing of a long frame is kept
        else:
            del self._buffer[:rest]
        self._in_frame = False
        return payload

    def _collect(self, payload: bytes, frames: list[bytes]) -> None:
        whole = payload
        if _RESTART.search(payload):  # else it is not copied: it may be long
            *broken, whole = _RESTART.split(payload)
            self.broken_frames += len(broken)
        whole = whole.rstrip(FS)
        if whole:
            frames.append(whole)
        else:
            self.empty_frames += 1


def frame(payload: bytes) -> bytes:
    """The payload as it goes on the wire."""
    return VT + payload + FS + CR


def split_messages(payload: bytes) -> list[bytes]:
    """The messages of a frame or file: each begins with MSH at the start of a line.

    Batch segments (FHS, BHS, BTS, FTS; HL7 v2.5.1 2.10.3) and what stands before the first MSH are left out.
    The bytes of a message are passed as they are, its last line end included.
    """
    starts = _starts(payload)
    pieces = [payload[a:b] for a, b in zip(starts, [*starts[1:], len(payload)], strict=False)]
    if not any(name in payload for name in _BATCH_NAMES):
        return pieces
    return [_BATCH_SEGMENT.sub(b"", piece) for piece in pieces]


def _starts(payload: bytes) -> list[int]:
    places = [match.start() for match in _MESSAGE.finditer(payload)]
    starts = [place for place in places if payload[place - 1 : place] in (CR, b"\n")]
    if places and places[0] not in starts[:1] and not payload[: places[0]].strip(_BLANK):
        starts.insert(0, places[0])
    return starts or _starts_utf16(payload)


def _starts_utf16(payload: bytes) -> list[int]:
    """Of a file; UTF-16 can't be sent by MLLP, whose VT and FS are single bytes."""
    for pattern in _MESSAGE_UTF_16:
        starts = [match.start(1) for match in pattern.finditer(payload) if match.start(1) % 2 == 0]
        if starts:
            return starts
    return []
