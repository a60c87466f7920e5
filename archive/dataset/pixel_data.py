"""The pixels of an image: what describes them, and whether they are all there (PS3.3 C.7.6.3, PS3.5 8)."""

import re
from dataclasses import dataclass

from archive.dataset.element_coding import UNDEFINED
from archive.dataset.structure import Span, Structure
from archive.dataset.tags import (
    ALLOCATED,
    COLUMNS,
    FRAMES,
    PHOTOMETRIC,
    PIXEL_PROVIDER_URL,
    PLANAR,
    ROWS,
    SAMPLES,
    SIGNED,
    STORED,
)
from archive.dataset.transfer_syntax import NATIVE, is_video


@dataclass(frozen=True, slots=True)
class Pixels:
    """The Image Pixel description (PS3.3 C.7.6.3) as found at the top level."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    frames: int
    photometric: str
    planar: int
    bits_stored: int
    signed: int

    @property
    def frame_bits(self) -> int:
        """Bits of a native frame (PS3.5 8.1.1); 4:2:2 has two samples for each pixel (PS3.3 C.7.6.3.1.2)."""
        subsampled = self.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422")
        samples = 2 if subsampled and self.samples == 3 else self.samples
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def native_length(self) -> int:
        """Bytes of all native frames without padding; single bits run on from frame to frame."""
        return (self.frame_bits * self.frames + 7) // 8


def check_pixels(
    structure: Structure, pixels: Pixels | None, span: Span | None, transfer_syntax: str
) -> None:
    """Refuse an image whose pixels are missing or cut (PS3.3 C.7.6.3, PS3.5 8.1)."""
    if span is None:
        if pixels is not None and pixels.frame_bits and PIXEL_PROVIDER_URL not in structure.spans:
            structure.fail("missing pixel data", len(structure.buffer))
        return
    if span.length == UNDEFINED:
        _check_fragments(structure, pixels, span, transfer_syntax)
        return
    if transfer_syntax not in NATIVE:
        structure.warn("native pixel data in an encapsulating transfer syntax", span.start)
    elif pixels is not None and span.length < pixels.native_length:
        structure.fail("truncated pixel data", span.start)


def _check_fragments(structure: Structure, pixels: Pixels | None, span: Span, transfer_syntax: str) -> None:
    if transfer_syntax in NATIVE:
        structure.warn("encapsulated pixel data in a native transfer syntax", span.start)
    if not structure.fragments:
        structure.fail("missing pixel data", span.start)
    if pixels is not None and structure.fragments < pixels.frames and not is_video(transfer_syntax):
        structure.warn("fewer fragments than frames", span.start)


def pixels_of(structure: Structure) -> Pixels | None:
    """Read the pixel description; None unless the attributes that make an image are all there."""
    if not all(tag in structure.spans for tag in (ROWS, COLUMNS, ALLOCATED)):
        return None
    allocated = structure.number(ALLOCATED, 0)
    return Pixels(
        rows=structure.number(ROWS, 0),
        columns=structure.number(COLUMNS, 0),
        samples=structure.number(SAMPLES, 1),
        bits_allocated=allocated,
        frames=_frames(structure),
        photometric=structure.text(PHOTOMETRIC),
        planar=structure.number(PLANAR, 0),
        bits_stored=structure.number(STORED, allocated),
        signed=structure.number(SIGNED, 0),
    )


def _frames(structure: Structure) -> int:
    """Read Number of Frames, an IS of up to 12 characters; absent and empty mean one frame."""
    text = structure.text(FRAMES)
    if not text:
        return 1
    if re.fullmatch(r"\+?[0-9]{1,12}", text, re.ASCII) and int(text) > 0:
        return int(text)
    structure.warn("unreadable Number of Frames", structure.spans[FRAMES].start)
    return 1
