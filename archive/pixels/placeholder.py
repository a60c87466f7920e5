"""A small picture that stands for an object of which there is none: its kind, in words."""

import io
from functools import lru_cache
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from archive.pixels.picture_request import JPEG

_BACKGROUND, _BORDER, _TEXT = (23, 26, 33), (70, 78, 92), (215, 219, 226)
_KINDS: Final = {
    "1.2.840.10008.5.1.4.1.1.104.1": "PDF",
    "1.2.840.10008.5.1.4.1.1.104.2": "CDA",
    "1.2.840.10008.5.1.4.1.1.88.59": "Key images",
    "1.2.840.10008.5.1.4.1.1.66": "Raw data",
    "1.2.840.10008.5.1.4.1.1.66.5": "Surfaces",
}
_FAMILIES: Final = {
    "1.2.840.10008.5.1.4.1.1.88.": "Report",
    "1.2.840.10008.5.1.4.1.1.9.": "Waveform",
    "1.2.840.10008.5.1.4.1.1.11.": "Display",
    "1.2.840.10008.5.1.4.1.1.104.": "Document",
    "1.2.840.10008.5.1.4.1.1.481.": "RT",
    "1.2.840.10008.5.1.4.1.1.77.1.1.1": "Video",
    "1.2.840.10008.5.1.4.1.1.77.1.2.1": "Video",
    "1.2.840.10008.5.1.4.1.1.77.1.4.1": "Video",
}


def label_of(sop_class: str, modality: str) -> str:
    """What to write: the kind of object, else its modality."""
    if sop_class in _KINDS:
        return _KINDS[sop_class]
    family = next((name for prefix, name in _FAMILIES.items() if sop_class.startswith(prefix)), "")
    clean = "".join(character for character in modality if character.isascii() and character.isalnum())
    return family or clean[:8] or "No image"


@lru_cache(maxsize=64)
def draw(label: str, box: tuple[int, int], media_type: str) -> bytes:
    """The picture, as a file of this type; it fills the box."""
    picture = Image.new("RGB", box, _BACKGROUND)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, box[0] - 1, box[1] - 1), outline=_BORDER)
    size = max(min(box[1] // 5, box[0] * 3 // 2 // max(len(label), 1)), 6)
    font = ImageFont.load_default(size)
    pen.text((box[0] / 2, box[1] / 2), label, fill=_TEXT, font=font, anchor="mm")
    file = io.BytesIO()
    picture.save(file, "JPEG" if media_type == JPEG else "PNG")
    return file.getvalue()
