"""What the compressed frames of an object are, where its attributes may say otherwise or leave it open."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from archive.dataset.dataset_error import DatasetError
from archive.dataset.frames import frame_of, open_image
from archive.dataset.pixel_data import Pixels

_BASELINE, _EXTENDED, _LOSSLESS, _LOSSLESS_SV1 = (f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70))
_JPEG = frozenset((_BASELINE, _EXTENDED, _LOSSLESS, _LOSSLESS_SV1))
_JPEG_LS = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (80, 81))
_JPEG_2000 = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 201, 202, 203))
# SOF markers of ISO/IEC 10918-1 table B.1 → the transfer syntaxes that they fit, the most general first.
_PROCESSES = {0xC0: (_BASELINE, _EXTENDED), 0xC1: (_EXTENDED,), 0xC3: (_LOSSLESS, _LOSSLESS_SV1)}
_NO_PROCESS = (0xC4, 0xC8, 0xCC)
_START_OF_SCAN, _JPEG_LS_FRAME, _ADOBE, _SIZE = 0xDA, 0xF7, 0xEE, 0x51


@dataclass(frozen=True, slots=True)
class Compression:
    """How frames are compressed, and whether a decoder that knows no more than they do may misread them."""

    transfer_syntax: str
    is_ambiguous: bool = False


@lru_cache(maxsize=4096)
def compression_of(path: Path, transfer_syntax: str) -> Compression:
    """Look at the first frame; stored files never change, so what was found is remembered.

    Some writers leave the transfer syntax of what they had decoded: frames are what their markers say.
    Ambiguous are colours that must not be converted but are not marked so, JPEG-LS planes that come one after
    the other in spite of Planar Configuration, and signs that dataset and codestream tell differently.
    """
    if transfer_syntax not in _JPEG | _JPEG_LS | _JPEG_2000:
        return Compression(transfer_syntax)
    try:
        with open_image(path) as image:
            pixels, codestream = image.pixels, frame_of(image, 1)
    except DatasetError:
        return Compression(transfer_syntax)
    segments = dict(_segments(codestream))
    if transfer_syntax in _JPEG_2000:
        return Compression(transfer_syntax, _other_sign(segments.get(_SIZE, b""), pixels))
    if transfer_syntax in _JPEG_LS:
        return Compression(transfer_syntax, _by_planes(segments, pixels))
    marker = next((marker for marker in segments if 0xC0 <= marker <= 0xCF and marker not in _NO_PROCESS), 0)
    fitting = _PROCESSES.get(marker, (transfer_syntax,))
    actual = transfer_syntax if transfer_syntax in fitting else fitting[0]
    return Compression(actual, _unmarked_colours(segments.get(marker, b""), segments, pixels))


def _segments(codestream: bytes) -> Iterator[tuple[int, bytes]]:
    """The marker segments of a codestream up to its first scan or tile, without their lengths."""
    place = max(codestream.find(b"\xff\x4f\xff\x51"), 0) + 2  # a JP2 box may come before a codestream
    while codestream[place : place + 1] == b"\xff" and place + 4 <= len(codestream):
        marker = codestream[place + 1]
        length = int.from_bytes(codestream[place + 2 : place + 4], "big")
        yield marker, codestream[place + 4 : place + 2 + length]
        if marker == _START_OF_SCAN:
            return
        place += 2 + length


def _unmarked_colours(frame: bytes, segments: dict[int, bytes], pixels: Pixels) -> bool:
    """RGB that decoders take for YCbCr: no segment of Adobe's marks it, nor are its components named so."""
    if pixels.photometric != "RGB" or pixels.samples != 3 or _ADOBE in segments or len(frame) < 15:
        return False
    return bytes((frame[6], frame[9], frame[12])) != b"RGB"


def _by_planes(segments: dict[int, bytes], pixels: Pixels) -> bool:
    """JPEG-LS with interleave mode 0 (ISO/IEC 14495-1 C.2.3)."""
    scan = segments.get(_START_OF_SCAN, b"")
    return pixels.samples == 3 and len(scan) >= 3 and scan[-2] == 0 and pixels.planar == 0


def _other_sign(size: bytes, pixels: Pixels) -> bool:
    """Ssiz of JPEG 2000 (ISO/IEC 15444-1 A.5.1) against Pixel Representation."""
    return len(size) >= 37 and size[36] >> 7 != pixels.signed
