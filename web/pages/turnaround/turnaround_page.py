"""The turnaround page and its CSV: read the URL, ask once, show."""

import csv
import io
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from ledger import written_dates
from ledger.errors import Invalid
from reporting.models import ReadingItem
from reporting.turnaround import backlog, breakdown, orphans, period_figures
from reporting.turnaround.backlog import Exceptions
from reporting.turnaround.dashboard import Dashboard, Now, PriorityToday, dashboard
from reporting.turnaround.interval_figures import Figures
from reporting.turnaround.intervals import HEADLINE, INTERVALS
from web.kernel import layout
from web.kernel.list_filters import Chip, chip
from web.kernel.paging import Cut, number_of
from web.kernel.turnaround_question import asked
from web.pages.turnaround import figure_formats, figure_links
from web.pages.turnaround.asked_period import PERIODS, asked_of
from web.pages.turnaround.orphan_columns import ORPHANS
from web.templatetags.pages import priority_words, with_modality

_BY: Final = {"modality": "Modality", "priority": "Priority", "reader": "Reader", "facility": "Site"}
_ROWS: Final = 20
"""Rows of a list of orphans."""
_LEVELS: Final = 6


@require_safe
@layout.may("turnaround.view")
def turnaround(request: HttpRequest) -> HttpResponse:
    """The page. What can't be read in the URL is told, and the usual period is shown instead."""
    user, zone = layout.user_of(request), layout.zone_of(request)
    try:
        question, problem = asked_of(request, zone), ""
    except Invalid as error:
        question, problem = asked({}, zone, timezone.now()), error.text
    chosen = request.GET.get("interval", HEADLINE)
    if chosen not in INTERVALS:
        chosen, problem = HEADLINE, problem or f"There is no interval {chosen!r}."
    content = dashboard(user, question, chosen, zone)
    context = {
        "problem": problem,
        "board": content,
        "chosen": INTERVALS[chosen],
        "chips": _chips(request, content),
        "tiles": _tiles(request, content),
        "priorities": _priorities(request, content.now),
        "pressing": _pressing(request, content.now),
        "intervals": [_interval(request, content, name) for name in content.intervals],
        "over_time": [
            figure_links.with_links(
                figure_formats.row(slot.title, slot.figures, hours=_hours(slot)),
                figure_links.to_studies(request, interval=chosen, **slot.keys),
            )
            for slot in content.over_time
        ],
        "heat": _heat(request, content),
        "has_medians": _has_medians(content),
        "hours": range(24),
        "by": [_by(request, content, name) for name in content.by],
        "quartiles": [figure_formats.duration(one) for one in content.quartiles or ()],
        "orphans": _orphans(request, content),
        "bad_times": [
            {"interval": INTERVALS[one.interval], "row": one, "url": _url(one.kind, one.public_id)}
            for one in content.bad_times
        ],
        "from": question.begin.astimezone(zone),
        "last_day": (question.end - timedelta(milliseconds=1)).astimezone(zone),
        "chosen_figures": content.intervals[chosen],
        "until": question.end.astimezone(zone),
        "is_earlier": "as_of" in request.GET and not problem,
    }
    return layout.page(request, "web/turnaround/turnaround.html", context)


@require_safe
@layout.may("turnaround.view")
def table(request: HttpRequest) -> HttpResponse:
    """The figures as CSV: of each interval in all and, by `group_by`, of each group."""
    user, zone = layout.user_of(request), layout.zone_of(request)
    try:
        found = period_figures.report(user, asked_of(request, zone, request.GET.get("group_by", "")))
    except Invalid as error:
        return layout.refuse(
            request, 422, "These figures can't be calculated", error.text, reverse("turnaround")
        )
    question = found.question
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*question.group_by, *figure_formats.COLUMNS])
    groups = [(group.titles, group.intervals) for group in found.groups]
    for titles, intervals in [*groups, (("all",) * len(question.group_by), found.intervals)]:
        for name, figures in intervals.items():
            one = INTERVALS[name]
            values = [*titles, *figure_formats.csv_values((one.title, one.words, one.owner), figures)]
            writer.writerow([figure_formats.harmless(value) for value in values])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    days = [written_dates.day(moment.astimezone(zone)) for moment in (question.begin, question.end)]
    name = f"turnaround-{'-'.join(days)}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


# Parts of the page


def _tiles(request: HttpRequest, content: Dashboard) -> list[dict[str, Any]]:
    waiting, exceptions, today = content.now.waiting, content.exceptions, content.now.today
    in_time = today["reading"]
    oldest = waiting.oldest.total_seconds() if waiting.oldest else None
    return [
        {
            "title": "Late now",
            "big": waiting.past_due,
            "note": "past due, not final",
            "url": _now(request, "late"),
            "tone": "overdue" if waiting.past_due else "",
            "shape": "▲" if waiting.past_due else "",
        },
        {
            "title": "At risk",
            "big": waiting.due_soon,
            "note": "due within 30 min",
            "url": _now(request, "at_risk"),
        },
        {
            "title": "Waiting now",
            "big": waiting.count,
            "note": f"{waiting.held} on hold",
            "url": _now(request, "waiting"),
        },
        {
            "title": "Oldest",
            "big": figure_formats.duration(oldest) if oldest is not None else "–",
            "note": "longest wait" if oldest is not None else "nothing waiting",
            "url": _url("item", waiting.oldest_id) if waiting.oldest_id else "",
        },
        {
            "title": "Final in time today",
            "big": figure_formats.percent(in_time.in_time) or "–",
            "share": in_time.in_time,
            "note": f"of {in_time.judged} final or past due",
            "url": _today(request, "reading", state="judged"),
        },
        {
            "title": "Completed → final today",
            "cells": [figure_formats.cell(today[HEADLINE].gross.get(name)) for name in ("p50", "p90")],
            "note": _n(today[HEADLINE]),
            "url": _today(request, HEADLINE),
        },
        {
            "title": "Exceptions",
            "big": _rate(exceptions),
            "note": f"{exceptions.opened} opened, {exceptions.judged} studies judged in the period",
            "url": reverse("exceptions"),
        },
    ]


def _now(request: HttpRequest, name: str, **values: str) -> str:
    return figure_links.to_studies(request, now=name, **values)


def _today(request: HttpRequest, interval: str, **values: str) -> str:
    """What began today, whatever period the rest of the page shows."""
    only = {"period": "today", "from": "", "to": "", "view": "", "interval": interval}
    return figure_links.to_studies(request, **{**only, **values})


def _priorities(request: HttpRequest, now: Now) -> list[dict[str, Any]]:
    """Today against target, a row for each priority."""
    return [
        {
            **priority_row(one),
            "urls": {
                "n": _today(request, "reading", priority=one.priority),
                "done": _today(request, "reading", priority=one.priority, state="done"),
                "judged": _today(request, "reading", priority=one.priority, state="judged"),
                "not_in_time": _today(request, "reading", priority=one.priority, state="late"),
                **{name: _now(request, name, priority=one.priority) for name in backlog.PARTS},
            },
        }
        for one in now.priorities
    ]


def priority_row(one: PriorityToday) -> dict[str, Any]:
    """A priority's numbers of today."""
    return {
        "priority": one.priority,
        "target": figure_formats.duration(one.target.total_seconds()),
        "figures": one.figures,
        "in_time": figure_formats.percent(one.figures.in_time),
        "share": one.figures.in_time,
        "waiting": one.waiting,
    }


def _pressing(request: HttpRequest, now: Now) -> list[dict[str, Any]]:
    """What is late, and what will be: the first due of each, and where all are."""
    parts = (("late", now.late, now.waiting.past_due), ("at_risk", now.at_risk, now.waiting.due_soon))
    titles = {"late": "Late now", "at_risk": "At risk"}
    return [
        {
            "key": name,
            "title": titles[name],
            "count": count,
            "url": _now(request, name),
            "rows": [pressing_row(item, now.seen) for item in items],
        }
        for name, items, count in parts
    ]


def pressing_row(item: ReadingItem, seen: datetime) -> dict[str, Any]:
    """An item by what it is, how late it is and who has it; not whose."""
    lease = getattr(item, "lease", None)
    late = (seen - item.due_at).total_seconds()
    words = figure_formats.duration(abs(late))
    return {
        "url": _url("item", item.public_id),
        "priority": item.priority,
        "words": with_modality(item.description, [item.modality]),
        "is_late": late > 0,
        "late": f"{words} late" if late > 0 else f"due in {words}",
        "hold": item.hold_reason,
        "who": str(lease.holder) if lease and lease.holder and lease.until > seen else "",
    }


def _rate(exceptions: Exceptions) -> str:
    """The share; how many where more were opened than studies judged, for old ones open again."""
    if exceptions.opened > exceptions.judged:
        return str(exceptions.opened)
    return figure_formats.percent(exceptions.rate) or "–"


def _n(figures: Figures) -> str:
    return f"n = {figures.n}: {figures.done} done, {figures.waiting} waiting, {figures.withdrawn} withdrawn"


def _interval(request: HttpRequest, content: Dashboard, name: str) -> dict[str, Any]:
    row = figure_formats.row(INTERVALS[name].title, content.intervals[name], interval=INTERVALS[name])
    return figure_links.with_links(row, figure_links.to_studies(request, interval=name))


def _by(request: HttpRequest, content: Dashboard, name: str) -> dict[str, Any]:
    said = priority_words if name == "priority" else str
    rows = [
        figure_links.with_links(
            figure_formats.row(
                said(group.titles[0]) or "not known", group.intervals[content.chosen], reads=group.reads
            ),
            figure_links.to_studies(request, interval=content.chosen, **{name: str(group.keys[0])}),
        )
        for group in content.by[name]
    ]
    return {"key": name, "title": _BY[name], "rows": rows}


def _hours(slot: Any) -> str:
    return "" if slot.hours == 24 else f"{slot.hours:g} h"


def _heat(request: HttpRequest, content: Dashboard) -> list[dict[str, Any]]:
    """A row for each weekday; a cell's level says how its value stands to the greatest one.

    The value is the median; where no cell has the 20 that one takes, how many began.
    """
    values = [[_median(figures) for figures in row] for row in content.heat]
    if not _has_medians(content):
        values = [[float(figures.n) or None for figures in row] for row in content.heat]
    most = max((value for row in values for value in row if value), default=0)
    return [
        {
            "title": breakdown.WEEKDAYS[weekday],
            "cells": [
                {
                    "n": figures.n,
                    "url": figure_links.to_studies(
                        request, interval=content.chosen, weekday=str(weekday), hour=str(hour)
                    ),
                    "cell": figure_formats.cell(figures.gross.get("p50")),
                    "level": max(1, round(_LEVELS * value / most)) if value is not None and most else 0,
                }
                for hour, (figures, value) in enumerate(zip(row, valued, strict=True))
            ],
        }
        for weekday, (row, valued) in enumerate(zip(content.heat, values, strict=True))
    ]


def _has_medians(content: Dashboard) -> bool:
    return any(figures.gross for row in content.heat for figures in row)


def _median(figures: Figures) -> float | None:
    quantile = figures.gross.get("p50")
    return quantile.value if quantile else None


def _orphans(request: HttpRequest, content: Dashboard) -> dict[str, Any]:
    """The lists with their lengths, and a part of the one that the URL names, else of the first not empty."""
    counts = content.orphan_counts
    named = request.GET.get("list", "")
    key = named if named in counts else next((key for key in counts if counts[key]), next(iter(counts)))
    number = number_of(request, counts[key], _ROWS)
    user = layout.user_of(request)
    rows = orphans.part(user, timezone.now(), key, (number - 1) * _ROWS, _ROWS)
    return {
        "chips": [
            chip(request, kind.title, name == key, {"list": name}, count=counts[name])
            for name, kind in orphans.KINDS.items()
        ],
        "kind": orphans.KINDS[key],
        "table": ORPHANS,
        "rows": [{"row": row, "url": _url(row.kind, row.key)} for row in rows],
        "paging": Cut(rows, number, counts[key], _ROWS),
    }


def _url(kind: str, key: str) -> str:
    return reverse({"item": "reading-item", "order": "order", "study": "study"}[kind], args=[key])


# Chips


def _chips(request: HttpRequest, content: Dashboard) -> list[tuple[str, list[Chip]]]:
    given = request.GET
    is_own = bool(given.get("from") or given.get("to"))
    period = "" if is_own else given.get("period", "7d")
    question = content.question
    return [
        (
            "Period",
            [
                chip(request, words, key == period, {"period": key, "from": "", "to": ""})
                for key, (words, _) in PERIODS.items()
            ],
        ),
        (
            "Interval",
            [
                chip(
                    request,
                    one.title,
                    key == content.chosen,
                    {"interval": key},
                    tip=f"{one.words}: {one.owner}",
                )
                for key, one in INTERVALS.items()
            ],
        ),
        ("Modality", _choices(request, "modality", content.modalities, question.modality)),
        ("Priority", _choices(request, "priority", content.priorities, question.priority, priority_words)),
        (
            "Count",
            [
                chip(request, "began in the period", question.view == "cohort", {"view": "cohort"}),
                chip(request, "under way in it", question.view == "period", {"view": "period"}),
            ],
        ),
    ]


def _choices(
    request: HttpRequest,
    name: str,
    values: Sequence[str],
    chosen: str,
    words: Callable[[str], str] = lambda value: value,
) -> list[Chip]:
    found = [chip(request, "all", not chosen, {name: ""})]
    return found + [chip(request, words(value), value == chosen, {name: value}) for value in values]
