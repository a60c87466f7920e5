"""A version as PDF: header as signed, notices, sections, addenda, signature, on numbered pages of A4.

The bytes follow from the signed content alone, so that a run after a crash makes the same file.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from reporting.models import ReportVersion, VersionKind
from reporting.rendering import signed_identity, typesetting
from reporting.rendering.composition import Document, Signature, compose
from reporting.rendering.sections import ADDENDUM, OF_SECTION
from reporting.rendering.typesetting import BOLD, REGULAR, Line
from worklist.models import Sex
from worklist.patients import person_names

_WIDTH, _HEIGHT = A4
_MARGIN: Final = 56.0
_TOP: Final = _HEIGHT - 74.0
_BOTTOM: Final = 64.0
_MEASURE: Final = _WIDTH - 2 * _MARGIN
_LABEL: Final = 96.0
"""Where the value of a line of the header begins."""
_TEXT: Final = 10.0
_SMALL: Final = 8.0
_LEADING: Final = 1.35
_WATERMARKS: Final[Mapping[str, str]] = {
    VersionKind.PRELIMINARY: "PRELIMINARY",
    VersionKind.RETRACTION: "RETRACTED",
}


@dataclass(frozen=True)
class _Placed:
    """A line on its page: the left edge of its measure, and its base line, in points."""

    line: Line
    size: float
    left: float
    measure: float
    y: float


@dataclass(frozen=True)
class _Set:
    """A line that is to be placed. `above` is the room over it; `keep` holds it beside the next line.

    `drop` is how far it lies below the line before: 0 puts a value beside its label.
    """

    line: Line
    size: float = _TEXT
    left: float = _MARGIN
    measure: float = _MEASURE
    above: float = 0.0
    keep: bool = False
    beside: bool = False


def render(version: ReportVersion, stamp: str = "") -> bytes:
    """The PDF of a version; `stamp` lies across each page, such as `REPLACED` over one that is past."""
    return of_document(compose(version), stamp)


def as_of_today(version: ReportVersion, stamp: str = "") -> bytes:
    """The same for a person who reads it now: it says where the patient is called otherwise by now."""
    document = compose(version)
    renamed = signed_identity.notice(document.signed_for, version.report)
    return of_document(replace(document, notices=(*filter(None, [renamed]), *document.notices)), stamp)


def of_document(document: Document, stamp: str = "") -> bytes:
    """The PDF of a document."""
    typesetting.load_fonts()
    pages = list(_paged(_body(document)))
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1, pageCompression=1)
    canvas.setTitle(_title(document))
    canvas.setAuthor(document.signature.name)
    canvas.setCreator("RIS_PACS")
    stamp = stamp or _WATERMARKS.get(document.kind, "")
    for number, page in enumerate(pages, start=1):
        _draw_watermark(canvas, stamp)
        _draw_margins(canvas, document, f"page {number} of {len(pages)}", stamp)
        for placed in page:
            _draw(canvas, placed)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


# What stands on the pages


def _title(document: Document) -> str:
    procedures = ", ".join(document.procedures) or "imaging"
    return f"Report: {procedures}"


def _body(document: Document) -> Iterator[_Set]:
    facility = document.header["facility"]
    yield from _text(facility["name"] or facility["code"], size=14, bold=True)
    yield from _text(_title(document), size=12, bold=True, above=4)
    for label, value in _facts(document):
        yield from _labelled(label, value)
    for notice in document.notices:
        yield from _text(notice, bold=True, above=10)
    for name, section in OF_SECTION.items():
        if document.sections.get(name, "").strip():
            yield from _titled(section.title, document.sections[name])
    if document.sections:
        yield from _signed(document.text_signature, document)
    for addendum in document.addenda:
        reason = f" ({addendum.class_of_change})" if addendum.class_of_change else ""
        yield from _titled(f"{ADDENDUM.title}{reason}", addendum.text)
        yield from _signed(addendum.signature, document)
    if not document.sections:
        yield from _signed(document.signature, document)
    yield from _text(f"Version {document.signature.number}, SHA-256 {document.sha256}", size=_SMALL, above=12)


def _facts(document: Document) -> Iterator[tuple[str, str]]:
    header, patient = document.header, document.header["patient"]
    yield "Patient", person_names.readable(patient["name"])
    yield "Identifier", " ".join(filter(None, (patient["identifier"], patient["authority"])))
    sex = dict(Sex.choices).get(patient["sex"], "")
    yield "Born, sex", ", ".join(filter(None, (_date(patient["birth_date"]), sex))) or "unknown"
    for described in document.procedures:
        yield "Procedure", described
    for study in header["studies"]:
        kinds = "/".join(study["modalities"])
        words = (_date(study["date"]), _time(study["time"]), study["description"], kinds)
        yield "Study", " ".join(filter(None, words))
    if header["referring_physician"]:
        yield "Referred by", person_names.readable(header["referring_physician"])
    if document.author != document.signature.name:
        yield "Written by", document.author


def _date(value: str) -> str:
    """A DICOM date (PS3.5 6.2 DA), or what stands in its place."""
    digits = value.replace(".", "").replace("-", "").strip()
    if len(digits) == 8 and digits.isdigit():
        return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
    return value


def _time(value: str) -> str:
    digits = value.replace(":", "").strip()
    return f"{digits[:2]}:{digits[2:4]}" if len(digits) >= 4 and digits[:4].isdigit() else ""


def _titled(title: str, text: str) -> Iterator[_Set]:
    for one in _text(title, size=11, bold=True, above=12):
        yield _Set(one.line, one.size, above=one.above, keep=True)
    yield from _text(text.strip("\r\n"), above=2)


def _signed(signature: Signature, document: Document) -> Iterator[_Set]:
    at = document.shown(signature.at)
    if signature.kind == VersionKind.PRELIMINARY:
        said = f"Preliminary, signed by {signature.name}, {at} (version {signature.number})"
    else:
        said = f"Signed by {signature.name}, {at} (version {signature.number}, {signature.kind})"
    yield from _text(said, size=_SMALL, above=8)


def _text(text: str, *, size: float = _TEXT, bold: bool = False, above: float = 0.0) -> Iterator[_Set]:
    for place, line in enumerate(typesetting.lines(text, size=size, width=_MEASURE, bold=bold)):
        yield _Set(line, size, above=0.0 if place else above)


def _labelled(label: str, value: str) -> Iterator[_Set]:
    (first,) = typesetting.lines(label, size=_TEXT, width=_LABEL, bold=True)
    yield _Set(first, above=3, measure=_LABEL, keep=True)
    left, measure = _MARGIN + _LABEL, _MEASURE - _LABEL
    for place, line in enumerate(typesetting.lines(value, size=_TEXT, width=measure)):
        yield _Set(line, left=left, measure=measure, beside=not place)


# On which page


def _paged(body: Iterable[_Set]) -> Iterator[list[_Placed]]:
    """Place the lines from the top of each page down; a title goes with the line below it."""
    page: list[_Placed] = []
    y = _TOP
    held: list[_Set] = []
    for one in body:
        held.append(one)
        if one.keep:
            continue
        height = sum(_height(each) for each in held)
        if page and y - height < _BOTTOM:
            yield page
            page, y = [], _TOP
        for each in held:
            y -= _height(each) if page else each.size
            page.append(_Placed(each.line, each.size, each.left, each.measure, y))
        held = []
    yield page


def _height(one: _Set) -> float:
    return 0.0 if one.beside else one.above + one.size * _LEADING


# On paper


def _draw(canvas: Canvas, placed: _Placed) -> None:
    x = placed.left
    if placed.line.from_right:
        x += placed.measure - placed.line.width
    text = canvas.beginText(x, placed.y)
    for run in placed.line.runs:
        text.setFont(run.font, placed.size)
        text.textOut(run.text)
    canvas.drawText(text)


def _draw_margins(canvas: Canvas, document: Document, page: str, stamp: str) -> None:
    """Above: whose report it is, and whether it still counts. Below: which one, and which of its pages."""
    patient = document.header["patient"]
    named = (person_names.readable(patient["name"]), patient["identifier"], _date(patient["birth_date"]))
    whose = _side_by_side([part for part in named if part], _MEASURE - 72)
    kind = f"version {document.signature.number}, {document.kind}, {document.shown(document.signature.at)}"
    which = next(typesetting.lines(f"Report {document.report_id}, {kind}", size=_SMALL, width=_MEASURE - 72))
    for line, y in ((whose, _HEIGHT - 48), (which, 40)):
        _draw(canvas, _Placed(line, _SMALL, _MARGIN, _MEASURE - 72, y))
    canvas.setFont(BOLD, _SMALL)
    canvas.drawRightString(_WIDTH - _MARGIN, _HEIGHT - 48, stamp)
    canvas.setFont(REGULAR, _SMALL)
    canvas.drawRightString(_WIDTH - _MARGIN, 40, page)
    canvas.setLineWidth(0.4)
    for y in (_HEIGHT - 54, 52):
        canvas.line(_MARGIN, y, _WIDTH - _MARGIN, y)


def _side_by_side(parts: Sequence[str], measure: float) -> Line:
    """Texts from left to right, whatever the direction of each; where they don't fit, the first is cut."""
    first, *others = parts or [""]
    rest = [next(typesetting.lines(part, size=_SMALL, width=measure)) for part in others]
    comma = next(typesetting.lines(",\u00a0", size=_SMALL, width=measure))
    room = measure - sum(line.width + comma.width for line in rest)
    pieces = [next(typesetting.lines(first, size=_SMALL, width=max(room, measure / 4)))]
    for line in rest:
        pieces += [comma, line]
    return Line(tuple(run for piece in pieces for run in piece.runs), sum(piece.width for piece in pieces))


def _draw_watermark(canvas: Canvas, word: str) -> None:
    if not word:
        return
    canvas.saveState()
    canvas.setFillGray(0.88)
    canvas.translate(_WIDTH / 2, _HEIGHT / 2)
    canvas.rotate(50)
    canvas.setFont(BOLD, 72)
    canvas.drawCentredString(0, -24, word)
    canvas.restoreState()
