"""The label of an exam: its size, its words, and bars that a scanner reads as the accession number."""

import io
import re

import pytest
from pypdf import PdfReader
from reportlab.graphics.barcode import code128

from reporting.rendering.exam_label import ExamLabel, render
from worklist.worklist_policy import LabelSize

MM = 72 / 25.4
SIZES = (LabelSize(), LabelSize(width_mm=100, height_mm=50), LabelSize(width_mm=40, height_mm=20))
LINES = ("1970-01-02 F", "P1 GENHOSP", "CT CT chest", "2026-03-02 09:30")


def page(data: bytes) -> tuple[float, float, str, str]:
    """Width and height in points, the text, and what draws it."""
    (one,) = PdfReader(io.BytesIO(data)).pages
    contents = one.get_contents()
    assert contents is not None
    drawn = contents.get_data().decode("latin-1")
    return float(one.mediabox.width), float(one.mediabox.height), one.extract_text(), drawn


def scanned(drawn: str) -> str:
    """What a scanner makes of the bars: in whole modules, by the table of ISO/IEC 15417."""
    bars = [(float(x), float(w)) for x, w in re.findall(r"n ([\d.]+) [\d.]+ ([\d.]+) [\d.]+ re f\*", drawn)]
    module = min(width for _, width in bars)
    ends = [x + width for x, width in bars]
    widths: list[int] = []
    for place, (x, width) in enumerate(bars):
        widths += [round((x - ends[place - 1]) / module)] if place else []
        widths.append(round(width / module))
    characters = [tuple(widths[at : at + 6]) for at in range(0, len(widths) - 7, 6)]
    table = {tuple(ord(c.lower()) - 96 for c in shape): value for value, shape in code128._patterns.items()}
    start, *codes, check = (table[one] for one in characters)
    assert (start + sum(at * code for at, code in enumerate(codes, start=1))) % 103 == check
    return decoded(start, codes)


def decoded(start: int, codes: list[int]) -> str:
    subset, text = {103: "A", 104: "B", 105: "C"}[start], ""
    for code in codes:
        if code in (99, 100, 101) and subset != {99: "C", 100: "B", 101: "A"}[code]:
            subset = {99: "C", 100: "B", 101: "A"}[code]
        elif subset == "C":
            text += f"{code:02}"
        else:
            text += chr(code + 32)
    return text


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size.width_mm:g}x{size.height_mm:g}")
@pytest.mark.parametrize("number", ["A1001", "0000012345678901", "AB-2026/77 Z", "AAAAAAAAAAAAAAAA"])
def test_the_bars_are_the_accession_number_at_every_size(size: LabelSize, number: str) -> None:
    width, height, text, drawn = page(render(ExamLabel("BARS, ANNA", number, LINES), size))
    assert (round(width / MM), round(height / MM)) == (size.width_mm, size.height_mm)
    assert "BARS, ANNA" in text and number in text
    assert scanned(drawn) == number


def test_a_label_of_the_usual_size_has_room_for_what_tells_a_patient_apart() -> None:
    label = ExamLabel("BARS, ANNA", "A1001", LINES, "Allergies: Iodine")
    text = page(render(label, LabelSize()))[2]
    for words in ("BARS, ANNA", "Allergies: Iodine", *LINES):
        assert words in text


@pytest.mark.parametrize("number", ["", "Ä1"])
def test_what_code_128_can_not_say_is_written_only(number: str) -> None:
    text, drawn = page(render(ExamLabel("山田, 太郎", number), LabelSize()))[2:]
    assert "re f*" not in drawn and number in text


def test_what_is_too_long_says_so() -> None:
    label = ExamLabel("VERY-LONG-FAMILY-NAME, " * 5, "A1", ("x" * 200,))
    assert page(render(label, LabelSize()))[2].count("…") == 2
