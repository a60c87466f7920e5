"""Text set in lines: which font has which letter, where a line ends, and in which direction it runs.

DejaVu Sans, which set-up fetches, is embedded; it has Latin, Greek, Cyrillic, Hebrew, Arabic and more.
Chinese, Japanese and Korean letters name the standard fonts of their scripts, which every PDF reader has or
replaces (ISO 32000-1 9.7.5.2). What no font has, and what is no visible letter, is spelled as `[U+0E01]`:
nothing that was signed goes missing without a trace.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from arabic_reshaper import ArabicReshaper
from bidi import get_display
from django.conf import settings
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

REGULAR: Final = "DejaVuSansCondensed"
BOLD: Final = "DejaVuSansCondensed-Bold"
_FAR_EAST: Final = (
    ("cp932", "HeiseiKakuGo-W5"),
    ("gbk", "STSong-Light"),
    ("big5", "MSung-Light"),
    ("cp949", "HYGothic-Medium"),
)
"""Which font has a letter, told by the character set of its language; the first that has all comes first."""

Face = tuple[str, str]
"""The embedded font in use, and the first of the Far East's fonts to ask."""

_LETTERS: Final = r"\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef"
_FAR_EASTERN: Final = re.compile(f"[{_LETTERS}]")
_WORDS: Final = re.compile(f" +|[{_LETTERS}]|[^ {_LETTERS}]+")
"""Between any two of these a line may end: after spaces, and around each letter of the Far East."""
_ARABIC: Final = re.compile(r"[\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff]")
_JOINERS: Final = "\u200c\u200d"
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL"})
_reshaper: Final = ArabicReshaper({"delete_harakat": False, "delete_tatweel": False})


class FontsMissing(Exception):
    """The fonts are not set up, so no report can be set without loss."""


@dataclass(frozen=True)
class Run:
    """Letters of one font, in the order in which they stand from left to right."""

    font: str
    text: str


@dataclass(frozen=True)
class Line:
    """A line: its runs from left to right, its width in points, and whether it begins at the right."""

    runs: tuple[Run, ...]
    width: float
    from_right: bool = False


@lru_cache(maxsize=1)
def load_fonts() -> None:
    """Register the fonts with reportlab, once in a process; raises `FontsMissing`."""
    paths = {name: settings.FONTS / f"{name}.ttf" for name in (REGULAR, BOLD)}
    if not all(path.is_file() for path in paths.values()):
        raise FontsMissing("the fonts of reports are missing: `make run` fetches them from npm's registry")
    for name, path in paths.items():
        pdfmetrics.registerFont(TTFont(name, str(path)))
    for _, name in _FAR_EAST:
        pdfmetrics.registerFont(UnicodeCIDFont(name))


def lines(text: str, *, size: float, width: float, bold: bool = False) -> Iterator[Line]:
    """Set text of any number of paragraphs, parted by line feeds, into lines of at most `width` points."""
    load_fonts()
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    face = (BOLD if bold else REGULAR, _far_east(text))
    for paragraph in text.split("\n"):
        visible = _visible(paragraph.expandtabs(4), face)
        from_right = _begins_right(visible)
        for broken in _broken(visible, width / size, face):
            turned = get_display(broken, base_dir="R" if from_right else "L") if _turns(broken) else broken
            shown = str(turned)
            yield Line(tuple(_runs(shown, face)), size * _length(shown, face), from_right)


def _far_east(text: str) -> str:
    """The font that has all of the text's letters of the Far East, else the first."""
    letters = "".join(sorted(set(_FAR_EASTERN.findall(text))))
    return next((font for character_set, font in _FAR_EAST if _has(character_set, letters)), _FAR_EAST[0][1])


def _has(character_set: str, letters: str) -> bool:
    try:
        letters.encode(character_set)
    except UnicodeEncodeError:
        return False
    return True


def _visible(text: str, face: Face) -> str:
    """Arabic letters in their joined forms, and what can't be seen spelled out."""
    if _ARABIC.search(text):
        text = _reshaper.reshape(text)
    return "".join(_seen(letter, face) for letter in text if letter not in _JOINERS)


@lru_cache(maxsize=8192)
def _seen(letter: str, face: Face) -> str:
    if unicodedata.category(letter) in _INVISIBLE or not _font_of(letter, face):
        return f"[U+{ord(letter):04X}]"
    return letter


@lru_cache(maxsize=8192)
def _font_of(letter: str, face: Face) -> str:
    """The font that has the letter; empty if none has."""
    base, first = face
    if ord(letter) in pdfmetrics.getFont(base).face.charToGlyph:
        return base
    having = [font for character_set, font in _FAR_EAST if _has(character_set, letter)]
    return first if first in having else next(iter(having), "")


@lru_cache(maxsize=8192)
def _width(letter: str, face: Face) -> float:
    """In units of the font's size."""
    return float(pdfmetrics.stringWidth(letter, _font_of(letter, face), 1))


def _length(text: str, face: Face) -> float:
    return sum(_width(letter, face) for letter in text)


def _broken(text: str, width: float, face: Face) -> Iterator[str]:
    """Break a paragraph; a word that is wider than the line is broken inside."""
    line, used = "", 0.0
    for word in _WORDS.findall(text):
        wide = _length(word, face)
        if used + wide <= width:
            line, used = line + word, used + wide
            continue
        if word[0] == " ":
            continue  # spaces at the end of a line take no room, and none are needed at the next's beginning
        if line:
            yield line.rstrip(" ")
            line, used = "", 0.0
        for letter in word:
            one = _width(letter, face)
            if line and used + one > width:
                yield line
                line, used = "", 0.0
            line, used = line + letter, used + one
    yield line.rstrip(" ")


def _runs(text: str, face: Face) -> Iterator[Run]:
    start = 0
    fonts = [_font_of(letter, face) for letter in text]
    for place in range(1, len(text) + 1):
        if place == len(text) or fonts[place] != fonts[start]:
            yield Run(fonts[start], text[start:place])
            start = place


def _begins_right(text: str) -> bool:
    """Whether the first letter that has a direction runs from right to left (UAX #9, P2 and P3)."""
    for letter in text:
        direction = unicodedata.bidirectional(letter)
        if direction == "L":
            return False
        if direction in _RIGHT_TO_LEFT:
            return True
    return False


def _turns(text: str) -> bool:
    return any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in text)
