"""What was signed, version by version, each with what it changed in the one before."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from reporting.models import SECTIONS, Report, ReportVersion
from reporting.reading_worklist import reader_inbox
from reporting.rendering import pdf, signed_identity
from reporting.rendering.typesetting import FontsMissing
from reporting.reports import report_versions
from web.kernel import layout
from web.pages import patients
from web.pages.reading import report_editor as items
from web.pages.reading import signed_report

LONGEST_BY_WORDS: Final = 4000
"""Words up to which texts are compared word by word; longer ones are line by line."""
_WORDS: Final = re.compile(r"\s+|[^\s]+")
_STAMPS: Final = {
    "retracted": "RETRACTED",
    "replaced": "REPLACED",
    "undone": "NEVER SENT",
    "added_to": "SEE ADDENDUM",
}


@dataclass(frozen=True)
class Piece:
    """A stretch of text: `same`, `added` or `gone`."""

    kind: str
    text: str


@dataclass(frozen=True)
class Shown:
    """A version as the page shows it: its sections, each in pieces."""

    version: ReportVersion
    content: Mapping[str, Any]
    signed_for: str
    renamed: str
    sections: Sequence[tuple[str, Sequence[Piece]]]
    changes: int


@require_safe
@layout.may("report.view")
def versions_page(request: HttpRequest, key: str) -> HttpResponse:
    """All versions of an item's report, the newest first, and whether the chain is whole."""
    user = layout.user_of(request)
    item = items.find(request, user, key)
    report = Report.objects.filter(item=item).first()
    rows = list(reader_inbox.versions_of(report)) if report else []
    items.note(request, item)
    context = {
        "item": item,
        "patient": patients.header(item.patient, study=item.studies.order_by("pk").first()),
        "versions": list(_shown(rows, report)) if report else [],
        "problems": report_versions.verify(report) if report else [],
    }
    return layout.page(request, "web/reading/report_versions.html", context)


@require_safe
@layout.may("report.view")
def version_pdf(request: HttpRequest, key: str, number: int) -> HttpResponse:
    """A version on paper; one that no longer counts says so across each page."""
    item = items.find(request, layout.user_of(request), key)
    report = Report.objects.filter(item=item).first()
    rows = list(reader_inbox.versions_of(report)) if report else []
    version = next((row for row in rows if row.number == number), None)
    if version is None:
        raise Http404("The report has no such version.")
    items.note(request, item)
    try:
        data = pdf.as_of_today(version, _STAMPS.get(signed_report.states(rows)[version.pk], ""))
    except FontsMissing as missing:
        return layout.refuse(request, 503, "No PDF now", str(missing), reverse("reading-item", args=[key]))
    response = HttpResponse(data, content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="report-{item.public_id[:8]}-version-{number}.pdf"'
    return response


def pieces(before: str, after: str) -> list[Piece]:
    """What changed from one text to the other."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if len(old) + len(new) > 2 * LONGEST_BY_WORDS:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    found = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, first, last, start, end in matcher.get_opcodes():
        if tag == "equal":
            found.append(Piece("same", "".join(new[start:end])))
            continue
        if first < last:
            found.append(Piece("gone", "".join(old[first:last])))
        if start < end:
            found.append(Piece("added", "".join(new[start:end])))
    return found


def _shown(rows: Sequence[ReportVersion], report: Report) -> Iterator[Shown]:
    """Each version against the newest before it that was not taken back."""
    contents = [report_versions.content_of(row) for row in rows]
    for place, (row, content) in enumerate(zip(rows, contents, strict=True)):
        older = zip(rows[place + 1 :], contents[place + 1 :], strict=True)
        new = content["sections"]
        old = next((one["sections"] for other, one in older if other.undone_at is None), new)
        found = [(items.TITLES[name], pieces(old.get(name, ""), new.get(name, ""))) for name in SECTIONS]
        sections = [(title, parts) for title, parts in found if parts]
        changes = sum(piece.kind != "same" for _, parts in sections for piece in parts)
        named = content["header"]["patient"]
        renamed = signed_identity.notice(named, report)
        yield Shown(row, content, signed_identity.words(named), renamed, sections, changes)
