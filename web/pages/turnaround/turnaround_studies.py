"""The studies that a figure of turnaround counts, as a list and as CSV."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import access
from accounts.actor import actor_of
from accounts.models import User
from ledger import audit, written_dates
from ledger.errors import Invalid
from reporting.models import ReadingItem
from reporting.turnaround import backlog, breakdown, interval_cases, period_figures
from reporting.turnaround.interval_cases import Case, Wanted
from reporting.turnaround.intervals import INTERVALS
from reporting.turnaround.period_figures import Question
from web.kernel import authorization, formats, layout, paging
from web.kernel.list_filters import text_of
from web.pages.turnaround import figure_formats
from web.pages.turnaround.asked_period import asked_of
from web.pages.turnaround.case_columns import CASES
from web.templatetags.pages import priority_words
from worklist.models import Order

NOW: Final = {
    "waiting": "Waiting now",
    "late": "Late now",
    "at_risk": "At risk: due within 30 min",
    "held": "On hold now",
}
_STATES: Final = {"judged": "final or past due", "late": "not in time"}
_GROUPS: Final = ("reader", "facility", "hour", "weekday", "day")
MOST: Final = 100_000
"""Rows of a CSV."""
_AT_ONCE: Final = 500
_COLUMNS: Final = (
    "began", "patient", "patient_id", "procedure", "accession", "modality", "priority", "state", "seconds",
    "target_seconds", "late", "reader",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A case as the list shows it."""

    kind: str
    public_id: str
    url: str
    start: datetime
    patient: str
    patient_key: str
    patient_id: str
    procedure: str
    accession: str
    modality: str
    priority: str
    state: str
    seconds: float
    target_seconds: float | None
    is_late: bool
    who: str

    @property
    def took(self) -> str:
        """How long it took, or waits."""
        return figure_formats.duration(self.seconds)

    @property
    def target(self) -> str:
        """How long it may take."""
        return "" if self.target_seconds is None else figure_formats.duration(self.target_seconds)


@dataclass(frozen=True)
class Asked:
    """Which figure: `title` in words, and the cases that it counts."""

    title: str
    cases: Sequence[Case]
    question: Question


@require_safe
@layout.may("turnaround.view")
def studies(request: HttpRequest) -> HttpResponse:
    """The page."""
    user = layout.user_of(request)
    with timezone.override(layout.zone_of(request)):
        try:
            asked = _asked(request)
        except Invalid as error:
            return layout.refuse(
                request, 422, "These studies can't be found", error.text, reverse("turnaround")
            )
        cut = paging.cut_list(request, asked.cases)
        rows = _rows(user, cut.rows)
        _note(request, rows)
        context = {
            "asked": asked,
            "table": CASES if period_figures.shows_names() else CASES.without("who"),
            "paging": cut.with_rows(rows),
            "csv": f"{reverse('turnaround-studies-csv')}?{request.GET.urlencode()}",
        }
        return layout.page(request, "web/turnaround/studies.html", context)


@require_safe  # type: ignore[type-var]
@layout.may("turnaround.view")
def table(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The same as CSV (RFC 4180), at most `MOST` rows."""
    user = layout.user_of(request)
    try:
        with timezone.override(layout.zone_of(request)):
            asked = _asked(request)
    except Invalid as error:
        return layout.refuse(request, 422, "These studies can't be found", error.text, reverse("turnaround"))
    cases = asked.cases[:MOST]
    with transaction.atomic():
        thing = ("turnaround studies", request.GET.urlencode()[:200])
        audit.note(actor_of(request), audit.EXPORT, audit.EXECUTE, thing)
    response = StreamingHttpResponse(_lines(user, cases), content_type="text/csv; charset=utf-8")
    name = f"turnaround-studies-{written_dates.day(asked.question.seen)}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _asked(request: HttpRequest) -> Asked:
    """What the URL names: a part of what waits now, or what an interval's figure counts."""
    user, zone = layout.user_of(request), layout.zone_of(request)
    question = asked_of(request, zone)
    if now := text_of(request.GET, "now", 20):
        return Asked(NOW.get(now, now), _waiting(user, question, now), question)
    wanted = Wanted(
        interval=text_of(request.GET, "interval", 20),
        state=text_of(request.GET, "state", 20),
        least=_seconds(text_of(request.GET, "least", 12)),
        group={name: text for name in _GROUPS if (text := text_of(request.GET, name, 64))},
    )
    found = interval_cases.cases(user, question, wanted)
    return Asked(_title(wanted, question), found, question)


def _seconds(text: str) -> float:
    if text and not (text.isascii() and text.isdigit()):
        raise Invalid(f"{text!r} is not a number of seconds", "least")
    return float(text or 0)


def _title(wanted: Wanted, question: Question) -> str:
    """The figure in words: "RTAT-R, done, CT"."""
    state = _STATES.get(wanted.state, wanted.state)
    said = [INTERVALS[wanted.interval].title, state, question.modality, priority_words(question.priority)]
    if wanted.least:
        said.append(f"{figure_formats.duration(wanted.least)} or longer")
    if "weekday" in wanted.group:
        said.append(_weekday(wanted.group["weekday"]))
    if "hour" in wanted.group:
        said.append(f"{wanted.group['hour'].zfill(2)}:00")
    return ", ".join(filter(None, [*said, *(wanted.group.get(name, "") for name in ("facility", "day"))]))


def _weekday(text: str) -> str:
    return breakdown.WEEKDAYS[int(text)] if text in ("0", "1", "2", "3", "4", "5", "6") else ""


def _waiting(user: User, question: Question, name: str) -> list[Case]:
    rows = backlog.part(user, question.seen, name, modality=question.modality, priority=question.priority)
    values = rows.values_list("public_id", "ready_at", "due_at", "modality", "priority")
    return [
        Case("item", key, ready, question.seen - ready, due - ready, "waiting", modality, priority)
        for key, ready, due, modality, priority in values
    ]


# Rows


def _rows(user: User, cases: Sequence[Case]) -> list[Row]:
    """The cases with what they are about; what the user may no longer see is left out."""
    things: dict[tuple[str, str], ReadingItem | Order] = {}
    items = access.visible(ReadingItem.objects.filter(public_id__in=_ids(cases, "item")), user)
    related = items.select_related("patient__survivor", "report__author")
    for item in related.prefetch_related("procedures__order", "studies"):
        things["item", item.public_id] = item
    orders = access.visible(Order.objects.filter(public_id__in=_ids(cases, "order")), user)
    for order in orders.select_related("patient__survivor").prefetch_related("procedures"):
        things["order", order.public_id] = order
    found = ((one, things.get((one.kind, one.public_id))) for one in cases)
    return [_row(case, thing) for case, thing in found if thing]


def _ids(cases: Iterable[Case], kind: str) -> list[str]:
    return [one.public_id for one in cases if one.kind == kind]


def _row(case: Case, thing: ReadingItem | Order) -> Row:
    procedures = list(thing.procedures.all())
    if isinstance(thing, ReadingItem):
        report = getattr(thing, "report", None)
        words, who = thing.description or thing.modality, str(report.author) if report else ""
        numbers = [one.accession_number or one.order.accession_number for one in procedures]
        name = "reading-item"
    else:
        words, who = ", ".join(one.description or one.code for one in procedures), ""
        numbers, name = [thing.accession_number], "order"
    patient = thing.patient.current if thing.patient else None
    return Row(
        kind=case.kind,
        public_id=case.public_id,
        url=reverse(name, args=[case.public_id]),
        start=case.start,
        patient=formats.shown(patient.name if patient else _seen(thing)),
        patient_key=patient.public_id if patient else "",
        patient_id=patient.value if patient else "",
        procedure=words,
        accession=", ".join(dict.fromkeys(filter(None, numbers))),
        modality=case.modality,
        priority=case.priority,
        state=case.state,
        seconds=case.took.total_seconds(),
        target_seconds=None if case.target is None else case.target.total_seconds(),
        is_late=case.is_late,
        who=who,
    )


def _seen(thing: ReadingItem | Order) -> str:
    """Whom the images name, where they are nobody's that is registered."""
    studies = thing.studies.all() if isinstance(thing, ReadingItem) else []
    return next((study.patient_name for study in studies), "")


def _note(request: HttpRequest, rows: Iterable[Row]) -> None:
    keys = dict.fromkeys(row.patient_key for row in rows if row.patient_key)
    authorization.note_reading(request, audit.PATIENT_RECORD, *(("patient", key) for key in keys))


class _Line:
    """A file that gives back what is written."""

    def write(self, text: str) -> str:
        return text


def _lines(user: User, cases: Sequence[Case]) -> Iterator[str]:
    """The rows, read in parts, so that a long list needs little memory."""
    shows_names = period_figures.shows_names()
    writer: Any = csv.writer(_Line())
    yield writer.writerow(_COLUMNS)
    for first in range(0, len(cases), _AT_ONCE):
        for row in _rows(user, cases[first : first + _AT_ONCE]):
            values = [
                row.start.isoformat(), row.patient, row.patient_id, row.procedure, row.accession,
                row.modality, row.priority, row.state, row.seconds, row.target_seconds,
                "yes" if row.is_late else "no", row.who if shows_names else "",
            ]  # fmt: skip
            yield writer.writerow([figure_formats.harmless(value) for value in values])
