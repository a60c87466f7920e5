"""Turnaround, as the API shows it."""

from typing import Any, Final, Literal

from ninja import Schema
from pydantic import Field

from web.rest.schemas import Text, with_example

_FIGURES: Final[dict[str, Any]] = {
    "title": "RTAT-R",
    "from": "completed",
    "to": "final",
    "owner": "department",
    "n": 412,
    "done": 398,
    "waiting": 11,
    "withdrawn": 3,
    "censored": 14,
    "zeroed": 1,
    "bad_times": 0,
    "held": 9,
    "p50": 3120.0,
    "p50_ci": [2880.0, 3420.0],
    "p90": 13500.0,
    "p90_ci": [11700.0, 15840.0],
    "p95": None,
    "p95_ci": [17100.0, None],
    "longest": 19920.0,
    "net": {"p50": 3060.0, "p90": 12600.0, "p95": 18900.0},
    "within_target": None,
}


class Net(Schema):
    """Percentiles in seconds, holds for somebody outside left out."""

    p50: float | None
    p90: float | None
    p95: float | None


class Figures(Schema):
    """One interval. Times are in seconds; n = done + waiting + withdrawn."""

    model_config = with_example(_FIGURES)

    title: str
    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")
    owner: str = Field(description="who answers for it")
    n: int
    done: int
    waiting: int
    withdrawn: int
    censored: int = Field(description="those whose end was not seen: waiting + withdrawn")
    zeroed: int = Field(description="those that ended up to 120 s before they began; they count as 0")
    bad_times: int = Field(description="those that ended earlier than that; they don't count")
    held: int = Field(description="those that were held for information or images for a while")
    p50: float | None = Field(description="null: n < 20, or not reached, which means more than `longest`")
    p50_ci: tuple[float | None, float | None] | None = Field(description="95 %, log-log Greenwood")
    p90: float | None
    p90_ci: tuple[float | None, float | None] | None
    p95: float | None
    p95_ci: tuple[float | None, float | None] | None
    longest: float = Field(description="the longest time that was seen")
    net: Net | None = Field(description="null: n < 20")
    within_target: float | None = Field(description="the share that ends in time, withdrawals competing")


class Group(Schema):
    """The figures of one group."""

    key: dict[str, str]
    reads: int = Field(description="reports signed; one for all accessions that it reports")
    intervals: dict[str, Figures]


class BadTime(Schema):
    """A row that ended an interval more than two minutes before it began."""

    kind: Literal["item", "order"]
    id: str
    interval: str
    start: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")


class Turnaround(Schema):
    """The turnaround of a period."""

    model_config = with_example(
        {
            "from": "2026-03-02T00:00:00+01:00",
            "to": "2026-03-09T00:00:00+01:00",
            "as_of": "2026-03-09T08:00:00+01:00",
            "view": "cohort",
            "group_by": ["modality"],
            "count": 412,
            "censored": 14,
            "reads": 390,
            "intervals": {"rtat_r": _FIGURES},
            "groups": [{"key": {"modality": "CT"}, "reads": 390, "intervals": {"rtat_r": _FIGURES}}],
            "quartiles": {},
            "bad_times": [],
        }
    )

    begin: str = Field(serialization_alias="from")
    end: str = Field(serialization_alias="to")
    as_of: str
    view: str
    group_by: list[str]
    count: int = Field(description="n of RTAT-R, or of the first interval asked for")
    censored: int
    reads: int
    intervals: dict[str, Figures]
    groups: list[Group]
    quartiles: dict[str, tuple[float, float, float]] = Field(
        description="by interval, of the readers' medians, where `reader` is grouped by"
    )
    bad_times: list[BadTime]


class TurnaroundFilters(Schema):
    """What is asked."""

    begin: Text = Field("", alias="from", description="a day, or a time with offset; default: six days ago")
    end: Text = Field("", alias="to", description="the same, not included; default: now")
    as_of: Text = Field("", description="as the figures were at this time; default: now")
    group_by: Text = Field(
        "", description="modality, priority, reader, facility, hour, weekday, day, or two of them by comma"
    )
    interval: Text = Field("", description="intervals by comma, such as rtat_r,queue; default: all")
    view: Text = Field("cohort", description="cohort: began in the period; period: under way in it")
    modality: Text = ""
    priority: Text = ""
