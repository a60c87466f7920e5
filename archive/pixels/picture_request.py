"""What is wanted of a picture (PS3.18 8.3.5): it goes to the process that makes it, and into its name."""

import json
from dataclasses import asdict, dataclass
from typing import Final

JPEG: Final = "image/jpeg"
PNG: Final = "image/png"
NATIVE: Final = "application/octet-stream"
"""No picture but the decoded values, as Explicit VR Little Endian has them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A picture of one frame.

    Attributes
    ----------
    frame : int
        Counted from 1; 0 stands for the one that represents the object.
    box : tuple of int, optional
        The width and height into which the picture is fitted; smaller ones grow only if they `enlarge`.
    region : tuple of float, optional
        Left, top, width and height of a part; width and height may be 0, the rest, or negative, mirrored.
    window : tuple, optional
        Centre, width, and "linear", "linear-exact" or "sigmoid" (PS3.3 C.11.2.1.3).
    quality : int
        Of a JPEG, 1 to 100.
    """

    frame: int = 0
    media_type: str = JPEG
    box: tuple[int, int] | None = None
    enlarge: bool = False
    region: tuple[float, float, float, float] | None = None
    window: tuple[float, float, str] | None = None
    quality: int = 90

    def to_json(self) -> str:
        """Write it in one line, the same for the same."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Wanted":
        """Read it."""
        values = json.loads(text)
        for name in ("box", "region", "window"):
            values[name] = tuple(values[name]) if values[name] else None
        return cls(**values)
