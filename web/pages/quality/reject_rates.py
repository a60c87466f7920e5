"""Reject analysis: rates by room, technologist, projection, reason or month, to the studies, and as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from archive.search import reject_analysis
from archive.search.reject_analysis import DIMENSIONS, Analysis, Question, Rate
from ledger import audit
from ledger.errors import Invalid
from web.kernel import authorization, layout
from web.kernel.list_filters import chip, text_of, unreadable_days, url
from web.pages.record_columns import STUDIES
from web.pages.turnaround.figure_formats import harmless
from worklist.patients import typed_dates

_DAYS: Final = 90
_COLUMNS: Final = ("rejected", "kept", "reject rate in %", "repeats", "repeat rate in %")


@dataclass(frozen=True)
class Line:
    """A group with what leads to it alone."""

    rate: Rate
    url: str


@require_safe
@layout.may("quality.view")
def rejects(request: HttpRequest) -> HttpResponse:
    """The page."""
    with timezone.override(layout.zone_of(request)):
        try:
            question = _question(request)
            found = reject_analysis.analyse(layout.user_of(request), question)
        except Invalid as error:
            return layout.refuse(
                request, 422, "These rates can't be calculated", error.text, reverse("quality")
            )
        things = [("study", study.study_instance_uid) for study in found.studies]
        authorization.note_reading(request, audit.INSTANCES_ACCESSED, *things)
        return layout.page(request, "web/quality/rejects.html", _context(request, question, found))


@require_safe
@layout.may("quality.view")
def table(request: HttpRequest) -> HttpResponse:
    """The groups as CSV (RFC 4180)."""
    with timezone.override(layout.zone_of(request)):
        try:
            question = _question(request)
            found = reject_analysis.analyse(layout.user_of(request), question)
        except Invalid as error:
            return layout.refuse(
                request, 422, "These rates can't be calculated", error.text, reverse("quality")
            )
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([question.by, *_COLUMNS])
    for rate in [*found.rates, found.total]:
        values = (rate.title, rate.rejected, rate.kept, rate.share, rate.repeats, rate.repeat_share)
        writer.writerow([harmless(value) for value in values])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"rejects-by-{question.by}-{question.begin}-{question.end}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _question(request: HttpRequest) -> Question:
    today = timezone.localdate()
    end = _day(request, "to") or today
    begin = _day(request, "from") or end - timedelta(days=_DAYS)
    only = {name: text for name in DIMENSIONS if (text := text_of(request.GET, name, 200))}
    return Question(begin, end, text_of(request.GET, "by", 20) or "room", only)


def _day(request: HttpRequest, name: str) -> date | None:
    return typed_dates.day(text_of(request.GET, name, 10))


def _context(request: HttpRequest, question: Question, found: Analysis) -> dict[str, Any]:
    by = [chip(request, name.capitalize(), name == question.by, {"by": name}) for name in DIMENSIONS]
    only = [chip(request, f"{name}: {text}", True, {name: ""}) for name, text in question.only.items()]
    return {
        "question": question,
        "unreadable_days": unreadable_days(request.GET, "from", "to"),
        "by": question.by,
        "chips": [("By", by), ("Only", only)] if only else [("By", by)],
        "only": question.only.items(),
        "lines": _lines(request, question, found.rates),
        "total": found.total,
        "reasons": [Line(rate, url(request, reason=rate.title)) for rate in found.reasons],
        "study_table": STUDIES,
        "studies": found.studies,
        "csv": f"{reverse('quality-csv')}?{request.GET.urlencode()}",
    }


def _lines(request: HttpRequest, question: Question, rates: Sequence[Rate]) -> list[Line]:
    """Each group leads to itself alone, grouped by what is asked next: the reason, else the projection."""
    then = "projection" if question.by == "reason" or "reason" in question.only else "reason"
    return [Line(rate, url(request, **{question.by: rate.title, "by": then})) for rate in rates]
