"""One frame of a stored object as an array; only for the processes of `worker`, whose limits it relies on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from archive.dataset.attributes import parse
from archive.dataset.dataset_error import DatasetError, guarded
from archive.dataset.frames import Image, frame_of, image_of, walk_mapped
from archive.dataset.part10 import map_dataset, open_part10
from archive.dataset.pixel_data import Pixels
from archive.dataset.tags import DOUBLE_FLOAT_PIXEL_DATA, FLOAT_PIXEL_DATA
from archive.dataset.transfer_syntax import (
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_LITTLE_ENDIAN,
    NATIVE,
    is_video,
)

Array = NDArray[Any]

MOST_PIXELS: Final = 100_000_000
"""Of one frame: the largest radiographs have 30 million."""
_FLOATS: Final = {FLOAT_PIXEL_DATA: "<f4", DOUBLE_FLOAT_PIXEL_DATA: "<f8"}
_JPEG_EXTENDED, _JPEG_LOSSLESS = "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.57"
_RETIRED: Final = {
    # Retired JPEG processes (PS3.5 A.4.1): what decodes the others decodes these.
    **{f"1.2.840.10008.1.2.4.{n}": _JPEG_EXTENDED for n in (52, 53, 54, 55, 56)},
    **{f"1.2.840.10008.1.2.4.{n}": _JPEG_LOSSLESS for n in (58, 65, 66)},
}
DECODED: Final = (
    EXPLICIT_LITTLE_ENDIAN,
    *(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203)),
    "1.2.840.10008.1.2.5",
)
"""Transfer syntaxes of frames that can be decoded; native ones come as the first of them."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame: rows × columns, or rows × columns × 3 where it has colours, then always RGB."""

    values: Array
    number: int
    pixels: Pixels
    header: Dataset

    @property
    def is_inverted(self) -> bool:
        """Whether the lowest values are white (PS3.3 C.7.6.3.1.2)."""
        return self.pixels.photometric == "MONOCHROME1"

    def attribute(self, keyword: str, macro: str = "") -> Any:
        """The value of an attribute, None where there is none that can be read.

        In objects with functional groups it is looked for in the `macro` of this frame, then in the one that
        all frames share (PS3.3 C.7.6.16).
        """
        for item in (self.header, *self._groups(macro)):
            try:
                with guarded("value not readable"):
                    value = item.get(keyword)
            except DatasetError:
                value = None
            if value is not None and value != "":
                return value
        return None

    def _groups(self, macro: str) -> Iterator[Dataset]:
        if not macro:
            return
        for sequence, place in (
            ("PerFrameFunctionalGroupsSequence", self.number - 1),
            ("SharedFunctionalGroupsSequence", 0),
        ):
            try:
                with guarded("functional groups not readable"):
                    item = self.header[sequence].value[place][macro].value[0]
            except DatasetError:
                continue
            if isinstance(item, Dataset):
                yield item


def decode(path: Path, number: int = 0, *, as_stored: bool = False) -> Frame:
    """Decode frame `number`, counted from 1; 0 stands for the one that represents the object.

    Colours become RGB, unless they are wanted `as_stored`.

    Raises
    ------
    DatasetError
        There are no pixels, no such frame, or the frame can't be decoded.
    """
    part10 = open_part10(path)
    with map_dataset(part10) as (buffer, start):
        image = image_of(buffer, walk_mapped(buffer, start, part10))
        _check(image)
        header = parse(buffer, start, part10.transfer_syntax)
        number = number or _representative(header, image.pixels.frames)
        raw = frame_of(image, number)
    if image.tag in _FLOATS:
        shape = (image.pixels.rows, image.pixels.columns)
        return Frame(np.frombuffer(raw, _FLOATS[image.tag]).reshape(shape), number, image.pixels, header)
    with guarded("pixels can't be decoded"):
        values = _decoded(raw, image, as_stored)
    return Frame(values, number, image.pixels, header)


def _check(image: Image) -> None:
    pixels, syntax = image.pixels, image.walked.transfer_syntax
    if is_video(syntax):
        raise DatasetError("a video has no single frames")
    if not 0 < pixels.rows * pixels.columns <= MOST_PIXELS or pixels.samples not in (1, 3):
        raise DatasetError("an image of this size or kind isn't shown")
    if syntax not in NATIVE and _RETIRED.get(syntax, syntax) not in (*DECODED, ENCAPSULATED_UNCOMPRESSED):
        raise DatasetError("pixels of this transfer syntax can't be decoded")


def _representative(header: Dataset, frames: int) -> int:
    """The Representative Frame Number (PS3.3 C.7.6.6) if it makes sense, else the middle."""
    try:
        with guarded("number not readable"):
            named = int(header.get("RepresentativeFrameNumber") or 0)
    except DatasetError:
        named = 0
    return named if 1 <= named <= frames else (frames + 1) // 2


def native(frame: Frame) -> bytes:
    """The values as Explicit VR Little Endian has them, pixel by pixel (PS3.5 8.1.1)."""
    size = frame.pixels.bits_allocated // 8
    if size not in (1, 2, 4):
        raise DatasetError("pixels of this size aren't decoded")
    return frame.values.astype(f"<{'i' if frame.pixels.signed else 'u'}{size}").tobytes()


def _decoded(raw: bytes, image: Image, as_stored: bool) -> Array:
    pixels, syntax = image.pixels, image.walked.transfer_syntax
    syntax = _RETIRED.get(syntax, syntax)
    compressed = syntax not in NATIVE and syntax != ENCAPSULATED_UNCOMPRESSED
    options: dict[str, Any] = {
        "rows": pixels.rows,
        "columns": pixels.columns,
        "samples_per_pixel": pixels.samples,
        "photometric_interpretation": pixels.photometric,
        "number_of_frames": 1,
        "bits_allocated": pixels.bits_allocated,
        "bits_stored": pixels.bits_stored,
        "pixel_representation": pixels.signed,
        "pixel_keyword": "PixelData",
        "pixel_vr": "OB" if compressed else "OW",
        "as_rgb": not as_stored,
    }
    if pixels.samples > 1:
        options["planar_configuration"] = pixels.planar
    decoder = get_decoder(UID(syntax if compressed else EXPLICIT_LITTLE_ENDIAN))
    source = encapsulate([raw], has_bot=False) if compressed else raw + bytes(len(raw) % 2)
    values, _ = decoder.as_array(source, index=0, **options)
    if values.ndim not in (2, 3) or values.dtype.kind not in "iuf":
        raise DatasetError("pixels can't be decoded")
    return values if compressed else _without_excess(values, pixels)


def _without_excess(values: Array, pixels: Pixels) -> Array:
    """Clear what lies above Bits Stored, as overlays do in old objects (PS3.5 8.1.1), and keep the sign."""
    excess = values.dtype.itemsize * 8 - pixels.bits_stored
    if not 0 < excess < values.dtype.itemsize * 8 or pixels.bits_allocated == 1:
        return values
    return (values << excess) >> excess
