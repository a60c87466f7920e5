"""How figures are written on the page and in CSV."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from reporting.turnaround.interval_figures import Figures, Quantile

HEADINGS: Final = ("p50", "p90", "p95")


@dataclass(frozen=True)
class Cell:
    """A time: `text` for people, `value` in seconds for charts, `title` with its confidence limits.

    `seconds` are the value as it was calculated, None where there is none.
    """

    text: str
    value: str = ""
    title: str = ""
    seconds: float | None = None


TOO_FEW: Final = Cell("–", title="fewer than 20: no percentile is told")


def duration(seconds: float) -> str:
    """A length of time in its two largest units: 48 s, 52 min, 3 h 12 min, 2 d 4 h."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def cell(quantile: Quantile | None) -> Cell:
    """A percentile, as a table shows it."""
    if quantile is None:
        return TOO_FEW
    low, high = (_limit(value, quantile) for value in (quantile.low, quantile.high))
    title = f"95 % confidence: {low} to {high}"
    if quantile.value is None:
        return Cell(f"> {duration(quantile.longest)}", title=f"not reached; {title}")
    return Cell(duration(quantile.value), f"{quantile.value:.0f}", title, quantile.value)


def _limit(value: float | None, quantile: Quantile) -> str:
    return f"more than {duration(quantile.longest)}" if value is None else duration(value)


def percent(share: float | None) -> str:
    """A share as a percentage, never broken before its sign; empty where there is none."""
    return "" if share is None else f"{share:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def row(title: str, figures: Figures, **more: Any) -> dict[str, Any]:
    """What a table's row shows of figures."""
    return {
        "title": title,
        "figures": figures,
        "cells": [(name, cell(figures.gross.get(name))) for name in HEADINGS],
        "net": [(name, cell(figures.net.get(name))) for name in HEADINGS[:2]] if figures.held else [],
        "within": percent(figures.within),
        **more,
    }


COLUMNS: Final = (
    "interval",
    "from_to",
    "owner",
    "n",
    "done",
    "waiting",
    "withdrawn",
    "p50_s",
    "p50_low_s",
    "p50_high_s",
    "p90_s",
    "p90_low_s",
    "p90_high_s",
    "p95_s",
    "p95_low_s",
    "p95_high_s",
    "longest_s",
    "net_p50_s",
    "net_p90_s",
    "within_target",
    "zeroed",
    "bad_times",
)


def csv_values(names: tuple[str, str, str], figures: Figures) -> list[Any]:
    """The values of `COLUMNS`; an empty one is not known, or not reached."""
    values: list[Any] = [*names, figures.n, figures.done, figures.waiting, figures.withdrawn]
    for name in HEADINGS:
        quantile = figures.gross.get(name)
        values += [quantile.value, quantile.low, quantile.high] if quantile else [None] * 3
    values.append(figures.longest)
    values += [_value(figures.net, name) for name in HEADINGS[:2]]
    return [*values, figures.within, figures.zeroed, figures.bad]


def _value(quantiles: Mapping[str, Quantile], name: str) -> float | None:
    quantile = quantiles.get(name)
    return quantile.value if quantile else None


def harmless(value: Any) -> str:
    """A CSV cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return f"{value:g}" if isinstance(value, float) and abs(value) < 1 else f"{round(value, 3):.10g}"
    return f"'{value}" if value[:1] in tuple("=+-@\t\r\n") and value else value
