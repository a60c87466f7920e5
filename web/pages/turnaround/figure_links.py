"""Where the numbers of the turnaround page lead: to the studies that each counts."""

import math
from typing import Any, Final

from django.http import HttpRequest, QueryDict
from django.urls import reverse

from web.pages.turnaround.figure_formats import Cell

KEPT: Final = ("from", "to", "as_of", "view", "modality", "priority", "period")
"""What of the page's URL says which rows are measured."""


def to_studies(request: HttpRequest, **values: str) -> str:
    """The list of what a figure counts, of the period that the page shows; `values` may name another."""
    query = QueryDict(mutable=True)
    for name in KEPT:
        if text := request.GET.get(name, ""):
            query[name] = text
    for name, text in values.items():
        query[name] = text
    for name in [name for name, text in query.items() if not text]:
        del query[name]
    return f"{reverse('turnaround-studies')}?{query.urlencode()}"


def with_links(row: dict[str, Any], url: str) -> dict[str, Any]:
    """A row of figures whose numbers lead to what they count: `url`, and a part of it."""
    states = {name: f"{url}&state={name}" for name in ("done", "waiting", "withdrawn")}
    cells = [(name, cell, _longer(url, cell)) for name, cell in row["cells"]]
    return {**row, "url": url, "states": states, "cells": cells}


def _longer(url: str, cell: Cell) -> str:
    """Those that took as long as a percentile, or longer."""
    return f"{url}&least={math.floor(cell.seconds)}" if cell.seconds is not None else ""
