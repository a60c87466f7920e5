"""A decoded frame as a picture for people: grey by the transformations of PS3.3 C.11, scaled and packed."""

import io
import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import PIL.Image
from pydicom.pixels.processing import apply_color_lut

from archive.dataset.dataset_error import DatasetError, guarded
from archive.pixels.frame_decoder import Array, Frame
from archive.pixels.picture_request import JPEG, Wanted

_TABLE: Final = 1 << 17
"""The widest range of values for which each value, not each pixel, is transformed."""
_MOST_PIXELS: Final = 50_000_000
_NEAR = PIL.Image.Resampling.BILINEAR
_FAR = PIL.Image.Resampling.LANCZOS
_VALUES, _WINDOWS, _MEASURES = (
    "PixelValueTransformationSequence",
    "FrameVOILUTSequence",
    "PixelMeasuresSequence",
)


def draw(frame: Frame, wanted: Wanted) -> bytes:
    """The picture, as the file that is wanted."""
    values = _colours(frame) if frame.values.ndim == 3 else _greys(frame, wanted)
    picture = _scaled(PIL.Image.fromarray(values), frame, wanted)
    file = io.BytesIO()
    if wanted.media_type == JPEG:
        picture.save(file, "JPEG", quality=wanted.quality)
    else:
        picture.save(file, "PNG", compress_level=3)
    return file.getvalue()


def _colours(frame: Frame) -> Array:
    """Eight bits of each colour."""
    values, excess = frame.values, max(frame.pixels.bits_stored - 8, 0)
    if values.shape[2] != 3 or values.dtype.kind != "u":
        raise DatasetError("colours of this kind aren't shown")
    return np.asarray(values >> excess, np.uint8)


def _greys(frame: Frame, wanted: Wanted) -> Array:
    """Eight bits of grey; of colours in a palette, three times eight."""
    if frame.pixels.photometric == "PALETTE COLOR":
        return _palette(frame)
    values = frame.values
    if values.dtype.kind == "f":
        return _transformed(np.nan_to_num(values, posinf=0, neginf=0), frame, wanted)
    low, high = int(values.min()), int(values.max())
    if high - low >= _TABLE:
        return _transformed(values, frame, wanted)
    table = _transformed(np.arange(low, high + 1), frame, wanted)
    return np.asarray(table[values.astype(np.int64 if values.dtype.itemsize > 2 else np.int32) - low])


def _transformed(stored: Array, frame: Frame, wanted: Wanted) -> Array:
    """Stored values to grey: modality, values of interest, presentation."""
    values = _modality(stored.astype(np.float64), frame)
    grey = np.clip(_of_interest(values, frame, wanted), 0.0, 1.0)
    if frame.is_inverted:
        grey = 1.0 - grey
    return np.asarray(grey * 255 + 0.5, np.uint8)


# Modality (PS3.3 C.11.1)


def _modality(values: Array, frame: Frame) -> Array:
    table = _table_of(frame.attribute("ModalityLUTSequence"))
    if table is not None:
        return table[0](values)
    slope = _number(frame.attribute("RescaleSlope", _VALUES), 1.0) or 1.0
    return np.asarray(values * slope + _number(frame.attribute("RescaleIntercept", _VALUES), 0.0))


# Values of interest (PS3.3 C.11.2)


def _of_interest(values: Array, frame: Frame, wanted: Wanted) -> Array:
    """From 0.0, the darkest, to 1.0: by the window asked for, the object's table or window, or all values."""
    if wanted.window:
        return _windowed(values, *wanted.window)
    table = _table_of(frame.attribute("VOILUTSequence", _WINDOWS))
    if table is not None:
        look_up, most = table
        return np.asarray(look_up(values) / most)
    centre = _number(frame.attribute("WindowCenter", _WINDOWS))
    width = _number(frame.attribute("WindowWidth", _WINDOWS))
    function = str(frame.attribute("VOILUTFunction", _WINDOWS) or "LINEAR").lower().replace("_", "-")
    if centre is not None and width is not None and width > 0:
        return _windowed(values, centre, width, function)
    return _spread(values, frame)


def _windowed(values: Array, centre: float, width: float, function: str) -> Array:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    if function == "sigmoid":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - centre) / width, -700, 700)))
    if function == "linear-exact":
        return (values - centre) / width + 0.5
    if width <= 1:
        return np.asarray(values > centre - 0.5, np.float64)
    return (values - (centre - 0.5)) / (width - 1) + 0.5


def _spread(values: Array, frame: Frame) -> Array:
    """All values of the frame, without those that only pad it."""
    padding = frame.attribute("PixelPaddingValue")
    shown = frame.values
    if isinstance(padding, int):
        others = shown[shown != padding]
        shown = others if others.size else shown
    ends = np.array([shown.min(), shown.max()], np.float64)
    low, high = sorted(float(end) for end in _modality(np.nan_to_num(ends), frame))
    return np.asarray((values - low) / ((high - low) or 1.0))


def _table_of(sequence: Any) -> tuple[Callable[[Array], Array], float] | None:
    """What looks values up in the first table of a sequence, and its greatest entry (PS3.3 C.11.1.1)."""
    try:
        with guarded("table not readable"):
            return _look_up(sequence[0]) if sequence else None
    except DatasetError:
        return None


def _look_up(item: Any) -> tuple[Callable[[Array], Array], float]:
    count, first, bits = (int(number) for number in item.LUTDescriptor)
    data = item.LUTData
    if isinstance(data, bytes):
        entries = np.frombuffer(data, "<u2" if len(data) >= 2 * (count or 65536) else "u1")
    else:
        entries = np.atleast_1d(np.asarray(data))
    entries = entries.astype(np.float64)[: count or 65536]
    if not entries.size:
        raise DatasetError("table not readable")
    most = float((1 << bits) - 1) if 8 <= bits <= 16 else float(entries.max() or 1)

    def look_up(values: Array) -> Array:
        return np.asarray(entries[np.clip(values - first, 0, entries.size - 1).astype(np.int64)])

    return look_up, max(most, 1.0)


# Colours of a palette (PS3.3 C.7.6.3.1.5)


def _palette(frame: Frame) -> Array:
    with guarded("palette not readable"):
        colours: Array = apply_color_lut(frame.values, frame.header)
        if colours.dtype.itemsize > 1:
            colours = colours >> 8 if int(colours.max()) > 255 else colours
        return colours[..., :3].astype(np.uint8)


# Scaling


def _scaled(picture: PIL.Image.Image, frame: Frame, wanted: Wanted) -> PIL.Image.Image:
    """The wanted region with square pixels, fitted into the box that is wanted (PS3.18 8.3.5.1.3)."""
    if wanted.region:
        picture = _cut(picture, wanted.region)
    width, height = float(picture.width), float(picture.height)
    aspect = _aspect(frame)
    if aspect >= 1:
        height *= aspect
    else:
        width /= aspect
    if wanted.box:
        scale = min(wanted.box[0] / width, wanted.box[1] / height)
        scale = scale if wanted.enlarge else min(scale, 1.0)
        width, height = width * scale, height * scale
    size = max(round(width), 1), max(round(height), 1)
    if size[0] * size[1] > _MOST_PIXELS:
        raise DatasetError("a picture of this size isn't made")
    if size == picture.size:
        return picture
    return picture.resize(size, _FAR if size[0] < picture.width else _NEAR, reducing_gap=2.0)


def _cut(picture: PIL.Image.Image, region: tuple[float, float, float, float]) -> PIL.Image.Image:
    """A region by its corner, width and height; a negative width or height mirrors."""
    x, y, width, height = region
    width = width or picture.width - x
    height = height or picture.height - y
    box = (round(x), round(y), round(x + abs(width)), round(y + abs(height)))
    if not (0 <= box[0] < box[2] <= picture.width and 0 <= box[1] < box[3] <= picture.height):
        raise DatasetError("the region isn't within the image")
    picture = picture.crop(box)
    if width < 0:
        picture = picture.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    return picture.transpose(PIL.Image.Transpose.FLIP_TOP_BOTTOM) if height < 0 else picture


def _aspect(frame: Frame) -> float:
    """Height of a pixel by its width (PS3.3 C.7.6.3.1.7)."""
    for keyword, macro in (
        ("PixelAspectRatio", ""),
        ("PixelSpacing", _MEASURES),
        ("ImagerPixelSpacing", ""),
    ):
        spacing = frame.attribute(keyword, macro)
        try:
            with guarded("spacing not readable"):
                vertical, horizontal = (float(number) for number in spacing)
                aspect = vertical / horizontal
        except DatasetError:
            continue
        if 0.1 <= aspect <= 10:
            return aspect if abs(aspect - 1) > 0.01 else 1.0
    return 1.0


def _number(value: Any, default: Any = None) -> Any:
    """The first of the values of an attribute, as a number; `default` if there is none that makes sense."""
    try:
        with guarded("number not readable"):
            first = value if isinstance(value, (int, float, str)) else value[0]
            number = float(first)
    except DatasetError:
        return default
    return number if math.isfinite(number) else default
