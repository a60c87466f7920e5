"""Whether two stored objects, compressed otherwise, have equal pixels: decoded in bounded processes."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from archive.dataset.dataset_error import DatasetError
from archive.dataset.frames import open_image
from archive.dataset.likeness import Likeness
from archive.dataset.pixel_data import Pixels
from archive.pixels import render_pool

PATIENCE: Final = 30.0
"""Seconds after which no further frame is compared: the sender waits for the answer."""
_REVERSIBLE: Final = {"YBR_RCT": "RGB"}
"""What a codec makes of colours and takes back as it decodes (PS3.3 C.7.6.3.1.2)."""


def decoded_likeness(first: Path, second: Path) -> Likeness:
    """Compare frame by frame: SAME_PIXELS, DIFFERENT, or UNDECIDED where the limits do not let that be told.

    Raises `Busy` where no process was free in time, which another attempt may find.
    """
    until = time.monotonic() + PATIENCE
    try:
        one, other = _description(first), _description(second)
        if one != other:
            return Likeness.DIFFERENT
        for number in range(1, one.frames + 1):
            if time.monotonic() > until:
                return Likeness.UNDECIDED
            if render_pool.decoded(first, number) != render_pool.decoded(second, number):
                return Likeness.DIFFERENT
    except (DatasetError, render_pool.NoPicture):
        return Likeness.UNDECIDED
    return Likeness.SAME_PIXELS


def _description(path: Path) -> Pixels:
    """What describes the pixels once they are decoded, whatever order their bytes had."""
    with open_image(path) as image:
        pixels = image.pixels
    return replace(pixels, planar=0, photometric=_REVERSIBLE.get(pixels.photometric, pixels.photometric))
