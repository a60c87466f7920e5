"""The label of an exam as PDF: who, what, the numbers, and the accession number as Code 128 (ISO/IEC 15417).

The page is as large as the site's label, so it is printed without being scaled.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from reporting.rendering import typesetting
from reporting.rendering.typesetting import Line
from worklist.worklist_policy import LabelSize

_MARGIN: Final[float] = 2 * mm
_NAME: Final = 10.0
_TEXT: Final = 7.5
_LEADING: Final = 1.2
_QUIET: Final = 10
"""Modules that stay white on each side of a barcode (ISO/IEC 15417 4.3.2)."""
_WIDEST: Final[float] = 0.33 * mm
"""Of a module; wider needs more room and is read no better."""
_HIGHEST: Final[float] = 10 * mm
_SHARE: Final = 0.25
"""How much of a label's height the bars take at most."""


@dataclass(frozen=True)
class ExamLabel:
    """What stands on a label. `lines` are in the order of their weight: what has no room is left out."""

    name: str
    accession_number: str
    lines: tuple[str, ...] = ()
    warning: str = ""


def render(label: ExamLabel, size: LabelSize) -> bytes:
    """The PDF of a label."""
    typesetting.load_fonts()
    width, height = size.width_mm * mm, size.height_mm * mm
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(width, height), invariant=1)
    canvas.setTitle(f"Label {label.accession_number}")
    bottom = _draw_barcode(canvas, label.accession_number, width, height)
    y = height - _MARGIN
    packed = _packed(label.lines, width - 2 * _MARGIN)
    heads = [(label.name, _NAME, True), (label.warning, _TEXT, True)]
    for text, points, bold in [*heads, *((one, _TEXT, False) for one in packed)]:
        line = _one_line(text, points, width - 2 * _MARGIN, bold=bold)
        if line is None or y - points * _LEADING < bottom:
            continue
        y -= points * _LEADING
        _draw(canvas, line, points, y + points * (_LEADING - 1), width)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _draw_barcode(canvas: Canvas, number: str, width: float, height: float) -> float:
    """Draw the number at the bottom, as bars where it can be; how high it reaches."""
    line = _one_line(number, _TEXT, width - 2 * _MARGIN, bold=True)
    if line is None:
        return _MARGIN
    top = _MARGIN + _TEXT * _LEADING
    _draw(canvas, line, _TEXT, _MARGIN + _TEXT * 0.2, width, is_centred=True)
    if not number.isascii() or not number.isprintable():
        return top  # Code 128 has no such letters
    modules: float = Code128(number, barWidth=1, quiet=0).width
    module = min(_WIDEST, (width - 2 * _MARGIN) / (modules + 2 * _QUIET))
    high = min(_HIGHEST, height * _SHARE)
    bars = Code128(number, barWidth=module, barHeight=high, quiet=0)
    bars.drawOn(canvas, (width - modules * module) / 2, top)
    return top + high


def _packed(lines: Iterable[str], width: float) -> list[str]:
    """As many texts in one line as it takes."""
    packed: list[str] = []
    for line in filter(None, lines):
        joined = f"{packed[-1]} · {line}" if packed else line
        if packed and len(list(typesetting.lines(joined, size=_TEXT, width=width))) == 1:
            packed[-1] = joined
        else:
            packed.append(line)
    return packed


def _one_line(text: str, points: float, width: float, *, bold: bool) -> Line | None:
    """A text in one line; one that is longer says so."""
    if not text:
        return None
    first, *more = typesetting.lines(text, size=points, width=width, bold=bold)
    kept = text
    while more and kept:
        kept = kept[:-1]
        first, *more = typesetting.lines(f"{kept.rstrip()}…", size=points, width=width, bold=bold)
    return first


def _draw(
    canvas: Canvas, line: Line, points: float, y: float, width: float, *, is_centred: bool = False
) -> None:
    x = width - _MARGIN - line.width if line.from_right else _MARGIN
    text = canvas.beginText((width - line.width) / 2 if is_centred else x, y)
    for run in line.runs:
        text.setFont(run.font, points)
        text.textOut(run.text)
    canvas.drawText(text)
