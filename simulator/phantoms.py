"""Pictures that look like something: shapes drawn with numpy, with SIMULATED burnt in.

All are arrays of (rows, columns), in the units that each function says.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Picture = NDArray[np.float32]
Ellipse = tuple[float, float, float, float, float]
"""Centre x and y, half axes a and b, all in shares of half the side, and the value inside."""

CT_SIDE, MR_SIDE = 256, 192
CR_ROWS, CR_COLUMNS = 448, 384
US_ROWS, US_COLUMNS = 300, 400

_CT: dict[str, tuple[Ellipse, ...]] = {
    "CHEST": (
        (0, 0, 0.92, 0.66, -90), (0, 0, 0.88, 0.62, 45), (-0.42, -0.04, 0.34, 0.46, -850),
        (0.44, -0.04, 0.34, 0.46, -850), (0.1, 0.1, 0.26, 0.24, 55), (0.06, 0.36, 0.09, 0.09, 60),
        (0, 0.5, 0.13, 0.11, 420), (0, 0.5, 0.05, 0.05, 30), (0, -0.5, 0.1, 0.04, 350),
        (0, 0.14, 0.05, 0.05, -950),
    ),
    "ABDOMEN": (
        (0, 0, 0.9, 0.68, -100), (0, 0, 0.84, 0.62, 40), (-0.38, -0.1, 0.4, 0.38, 70),
        (0.5, -0.06, 0.2, 0.26, 62), (-0.34, 0.3, 0.13, 0.16, 90), (0.36, 0.3, 0.13, 0.16, 90),
        (0, 0.46, 0.14, 0.12, 380), (0, 0.46, 0.05, 0.05, 25), (0.06, 0.26, 0.08, 0.08, 160),
        (0.2, -0.3, 0.24, 0.14, -20), (0.22, -0.36, 0.2, 0.07, -700),
    ),
    "HEAD": (
        (0, 0, 0.72, 0.9, 30), (0, 0, 0.68, 0.86, 950), (0, 0, 0.6, 0.79, 34), (0, 0, 0.02, 0.76, 55),
        (-0.1, -0.08, 0.08, 0.26, 6), (0.1, -0.08, 0.08, 0.26, 6), (-0.34, 0.1, 0.18, 0.34, 38),
        (0.34, 0.1, 0.18, 0.34, 38),
    ),
}  # fmt: skip
_MR: dict[str, tuple[Ellipse, ...]] = {
    "BRAIN": (
        (0, 0, 0.74, 0.9, 700), (0, 0, 0.68, 0.84, 60), (0, 0, 0.62, 0.78, 420), (0, 0, 0.5, 0.64, 560),
        (-0.11, -0.06, 0.08, 0.27, 120), (0.11, -0.06, 0.08, 0.27, 120), (0, 0, 0.015, 0.74, 90),
        (-0.26, 0.02, 0.12, 0.18, 440), (0.26, 0.02, 0.12, 0.18, 440),
    ),
    "LSPINE": (
        (0.1, 0, 0.86, 0.98, 180), (0.5, 0, 0.3, 1.0, 700), (0.16, 0, 0.07, 1.0, 800),
        *((-0.1, y, 0.16, 0.12, 520) for y in (-0.8, -0.46, -0.12, 0.22, 0.56)),
        *((-0.1, y, 0.15, 0.045, 760) for y in (-0.63, -0.29, 0.05, 0.39)), (-0.08, 0.74, 0.14, 0.04, 220),
    ),
    "KNEE": (
        (0, 0, 0.6, 0.98, 330), (0, 0, 0.54, 0.96, 560), (0.02, -0.52, 0.3, 0.42, 720),
        (0.02, -0.2, 0.4, 0.24, 720), (0.02, 0.26, 0.4, 0.2, 700), (0.02, 0.66, 0.26, 0.36, 700),
        (0.02, 0.03, 0.4, 0.04, 200), (-0.45, -0.2, 0.1, 0.2, 680), (-0.46, 0.12, 0.03, 0.26, 80),
    ),
}  # fmt: skip


def ct(body_part: str, depth: float, noise: np.random.Generator) -> Picture:
    """A slice of CT in Hounsfield units; `depth` runs from -1 to 1 through the body."""
    shrink = float(np.sqrt(1 - 0.45 * depth * depth))
    shapes = _CT.get(body_part, _CT["CHEST"])
    picture = _paint(CT_SIDE, CT_SIDE, shapes, shrink, -1000)
    if body_part == "CHEST":
        picture = _ribs(picture, depth)
    picture += noise.normal(0, 5 if body_part == "HEAD" else 14, picture.shape)
    return _burn(picture, 900)


def mr(body_part: str, depth: float, echo: str, noise: np.random.Generator) -> Picture:
    """A slice of MR, 0 to about 1000; in T2 water is bright and in T1 it is dark."""
    shrink = float(np.sqrt(1 - 0.5 * depth * depth))
    picture = _paint(MR_SIDE, MR_SIDE, _MR.get(body_part, _MR["BRAIN"]), shrink, 0)
    if echo == "T2":
        picture = np.where(picture > 30, np.abs(900 - picture), picture)
    shading = 1 + 0.12 * np.linspace(-1, 1, MR_SIDE, dtype=np.float32)[None, :]
    picture = np.hypot(picture * shading, noise.normal(0, 18, picture.shape)).astype(np.float32)
    return _burn(picture, 950)


def cr(body_part: str, is_lateral: bool, noise: np.random.Generator) -> Picture:
    """A radiograph, 0 to about 3500, bright where the body absorbs."""
    if body_part == "CHEST":
        shapes: Sequence[Ellipse] = _CHEST_LATERAL if is_lateral else _CHEST_FRONTAL
        picture = _absorb(CR_ROWS, CR_COLUMNS, shapes, 500)
        picture = _rib_shadows(picture)
    else:
        picture = _absorb(CR_ROWS, CR_COLUMNS, _ANKLE_LATERAL if is_lateral else _ANKLE_FRONTAL, 200)
    picture = _smooth(picture)
    picture += noise.normal(0, 22, picture.shape)
    return _burn(np.clip(picture, 0, 4000).astype(np.float32), 3600)


def us(body_part: str, frame: int, frames: int, noise: np.random.Generator) -> NDArray[np.uint8]:
    """A frame of ultrasound, 0 to 255: a fan of speckle in which something breathes."""
    radius, angle = _fan()
    beat = np.sin(2 * np.pi * frame / frames)
    x, y = radius * np.sin(angle), radius * np.cos(angle)
    echo = np.full(radius.shape, 95.0, dtype=np.float32)
    liver = ((x - 0.1) / 0.5) ** 2 + ((y - 0.45) / 0.3) ** 2 < 1
    echo[liver] = 120
    size = 0.11 + 0.015 * beat
    hole = ((x + 0.16) / size) ** 2 + ((y - 0.42 - 0.02 * beat) / (size * 0.7)) ** 2
    echo[hole < 1.25] = 190
    echo[hole < 1] = 12
    if body_part == "NECK":
        echo[np.abs(y - 0.25) < 0.01] = 220
    echo[np.abs(y - 0.86 - 0.02 * beat - 0.1 * x * x) < 0.012] = 240
    echo *= np.exp(-0.5 * radius) * noise.rayleigh(0.75, echo.shape)
    picture = np.where((radius > 0.12) & (radius < 1) & (np.abs(angle) < 0.62), echo, 0)
    return _burn(np.clip(picture, 0, 255).astype(np.float32), 230).astype(np.uint8)


_CHEST_FRONTAL: tuple[Ellipse, ...] = (
    (0, 0.1, 0.95, 1.05, 900), (0, 0.25, 0.22, 0.9, 700), (0.16, 0.35, 0.34, 0.3, 600),
    (-0.42, 0, 0.33, 0.62, -900), (0.44, 0, 0.33, 0.62, -900), (0, 0.95, 0.95, 0.35, 900),
    (-0.45, -0.72, 0.4, 0.05, 350), (0.45, -0.72, 0.4, 0.05, 350), (0, -0.4, 0.06, 0.4, -350),
)  # fmt: skip
_CHEST_LATERAL: tuple[Ellipse, ...] = (
    (0, 0.1, 0.8, 1.05, 900), (-0.05, 0, 0.6, 0.66, -700), (0.55, 0.2, 0.14, 0.85, 800),
    (-0.2, 0.35, 0.3, 0.3, 700), (0, 0.95, 0.8, 0.35, 800), (-0.66, 0, 0.06, 0.6, 400),
)  # fmt: skip
_ANKLE_FRONTAL: tuple[Ellipse, ...] = (
    (0, 0, 0.5, 1.1, 700), (-0.06, -0.55, 0.2, 0.62, 1300), (0.26, -0.5, 0.08, 0.7, 1000),
    (0, 0.24, 0.26, 0.2, 1300), (0, 0.62, 0.24, 0.3, 1000), (-0.06, -0.6, 0.08, 0.5, -350),
)  # fmt: skip
_ANKLE_LATERAL: tuple[Ellipse, ...] = (
    (0, -0.4, 0.38, 0.8, 700), (-0.1, 0.5, 0.8, 0.36, 700), (0.02, -0.5, 0.17, 0.62, 1200),
    (0.04, 0.22, 0.24, 0.18, 1300), (0.4, 0.46, 0.36, 0.22, 1200), (-0.4, 0.48, 0.42, 0.12, 900),
)  # fmt: skip


def _paint(rows: int, columns: int, shapes: Sequence[Ellipse], shrink: float, outside: float) -> Picture:
    """Ellipses over each other, the later ones above."""
    y, x = _grid(rows, columns)
    picture = np.full((rows, columns), outside, dtype=np.float32)
    for centre_x, centre_y, a, b, value in shapes:
        inside = ((x - centre_x) / (a * shrink)) ** 2 + ((y - centre_y) / (b * shrink)) ** 2 < 1
        picture[inside] = value
    return picture


def _absorb(rows: int, columns: int, shapes: Sequence[Ellipse], air: float) -> Picture:
    """Ellipsoids through which rays pass: what lies behind each other adds up."""
    y, x = _grid(rows, columns)
    picture = np.full((rows, columns), air, dtype=np.float32)
    for centre_x, centre_y, a, b, value in shapes:
        depth = 1 - ((x - centre_x) / a) ** 2 - ((y - centre_y) / b) ** 2
        picture += value * np.sqrt(np.clip(depth, 0, None)) ** 0.7
    return picture


def _ribs(picture: Picture, depth: float) -> Picture:
    y, x = _grid(CT_SIDE, CT_SIDE)
    ring = np.hypot(x / 0.84, y / 0.58)
    turn = np.sin(9 * np.arctan2(y, x) + 6 * depth)
    picture[(np.abs(ring - 0.97) < 0.035) & (turn > 0.5) & (picture > -500)] = 480
    return picture


def _rib_shadows(picture: Picture) -> Picture:
    y, x = _grid(CR_ROWS, CR_COLUMNS)
    bend = np.sin(22 * (y + 0.28 * x * x))
    picture[(bend > 0.55) & (np.abs(y) < 0.75) & (np.abs(x) < 0.85)] += 130
    return picture


def _smooth(picture: Picture) -> Picture:
    for axis in (0, 1):
        around = np.roll(picture, 1, axis) + np.roll(picture, -1, axis)
        picture = (around / 4 + picture / 2).astype(np.float32)
    return picture


@lru_cache(maxsize=8)
def _grid(rows: int, columns: int) -> tuple[Picture, Picture]:
    """Rows and columns as shares of half the side, from -1 to 1, downwards and to the right."""
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    return y.astype(np.float32), x.astype(np.float32)


@lru_cache(maxsize=1)
def _fan() -> tuple[Picture, Picture]:
    """Distance from the probe in shares of the depth, and angle from straight down in radians."""
    rows, columns = np.mgrid[0:US_ROWS, 0:US_COLUMNS].astype(np.float32)
    x, y = (columns - US_COLUMNS / 2) / US_ROWS, (rows - 4) / US_ROWS
    return np.hypot(x, y), np.arctan2(x, np.maximum(y, 1e-6))


@lru_cache(maxsize=8)
def _letters(rows: int, columns: int) -> NDArray[np.bool_]:
    """Where the word SIMULATED is, in the lower left corner."""
    mask = Image.new("1", (columns, rows))
    ImageDraw.Draw(mask).text((6, rows - 16), "SIMULATED", fill=1)
    return np.array(mask, dtype=bool)


def _burn(picture: Picture, value: float) -> Picture:
    picture[_letters(*picture.shape)] = value
    return picture
