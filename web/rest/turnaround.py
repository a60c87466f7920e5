"""`/turnaround`: how long each part of a study's way to its report took."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router

from accounts.models import User
from reporting.turnaround import period_figures
from reporting.turnaround.interval_figures import Figures, Quantile
from reporting.turnaround.intervals import HEADLINE, INTERVALS
from web.kernel import authorization
from web.kernel.turnaround_question import asked
from web.rest.schemas.turnaround import Turnaround, TurnaroundFilters

router = Router(tags=["turnaround"])


@router.get("", response=Turnaround, by_alias=True, summary="Measure the turnaround")
def measure(request: HttpRequest, filters: Annotated[TurnaroundFilters, Query()]) -> dict[str, Any]:
    """Counts and percentiles of each interval, by Kaplan and Meier: who still waits counts too."""
    user = authorization.allow(request, "turnaround.view")
    zone = zone_of(user)
    question = asked(filters.model_dump(by_alias=True), zone, timezone.now())
    return _shown(period_figures.report(user, question), zone)


def zone_of(user: User) -> ZoneInfo:
    """The zone of the user's first facility, in which days begin."""
    facility = user.facilities.order_by("pk").first()
    return ZoneInfo(facility.time_zone if facility else "UTC")


def _shown(found: period_figures.Report, zone: ZoneInfo) -> dict[str, Any]:
    question = found.question
    first = found.intervals.get(HEADLINE) or next(iter(found.intervals.values()))
    return {
        "begin": _time(question.begin, zone),
        "end": _time(question.end, zone),
        "as_of": _time(question.seen, zone),
        "view": question.view,
        "group_by": list(question.group_by),
        "count": first.n,
        "censored": first.waiting + first.withdrawn,
        "reads": found.reads,
        "intervals": _figures(found.intervals),
        "groups": [
            {
                "key": dict(zip(question.group_by, group.titles, strict=True)),
                "reads": group.reads,
                "intervals": _figures(group.intervals),
            }
            for group in found.groups
        ],
        "quartiles": found.quartiles,
        "bad_times": [
            {
                "kind": one.kind,
                "id": one.public_id,
                "interval": one.interval,
                "start": _time(one.start, zone),
                "end": _time(one.end, zone),
            }
            for one in found.bad_times
        ],
    }


def _time(value: datetime, zone: ZoneInfo) -> str:
    return value.astimezone(zone).isoformat()


def _figures(intervals: Mapping[str, Figures]) -> dict[str, dict[str, Any]]:
    return {name: _one(name, figures) for name, figures in intervals.items()}


def _one(name: str, figures: Figures) -> dict[str, Any]:
    interval = INTERVALS[name]
    gross, net = figures.gross, figures.net
    return {
        "title": interval.title,
        "start": interval.start,
        "end": " or ".join(interval.ends),
        "owner": interval.owner,
        "n": figures.n,
        "done": figures.done,
        "waiting": figures.waiting,
        "withdrawn": figures.withdrawn,
        "censored": figures.waiting + figures.withdrawn,
        "zeroed": figures.zeroed,
        "bad_times": figures.bad,
        "held": figures.held,
        **{p: _value(gross.get(p)) for p in ("p50", "p90", "p95")},
        **{f"{p}_ci": _limits(gross.get(p)) for p in ("p50", "p90", "p95")},
        "longest": figures.longest,
        "net": {p: _value(net.get(p)) for p in ("p50", "p90", "p95")} if net else None,
        "within_target": figures.within,
    }


def _value(quantile: Quantile | None) -> float | None:
    return quantile.value if quantile else None


def _limits(quantile: Quantile | None) -> tuple[float | None, float | None] | None:
    return (quantile.low, quantile.high) if quantile else None
