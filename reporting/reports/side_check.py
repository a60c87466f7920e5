"""Whether a report's text names the side that was examined; the other side is asked about."""

import re
from collections.abc import Mapping
from typing import Final

from archive.models import Series
from archive.reconcile.order_evidence import sides
from reporting.errors import Block
from reporting.models import ReadingItem, ReportHeading

_SIDES: Final = {"L": "left", "R": "right"}
_OTHER: Final = {"L": "R", "R": "L"}
_BOTH: Final = re.compile(r"\b(both|bilateral|beide|beiderseits|beidseits|bilatéral)", re.IGNORECASE)
_CHECKED: Final = (ReportHeading.TECHNIQUE, ReportHeading.FINDINGS, ReportHeading.IMPRESSION)
"""What was examined and seen. An indication or a comparison may well be about the other side."""


def of_side(item: ReadingItem, sections: Mapping[str, str]) -> list[Block]:
    """The sections that name only the side that neither the order nor the images are of."""
    ordered, shown = _ordered(item), _shown(item)
    examined = ordered | shown
    if len(examined) != 1 or (side := next(iter(examined))) not in _SIDES:
        return []
    says = " and ".join(name for name, found in (("the order", ordered), ("the images", shown)) if found)
    verb = "say" if shown else "says"
    return [
        Block(
            f"side_{name.value}",
            f"{name.label} names only the {_SIDES[_OTHER[side]]} side, but {says} {verb} {_SIDES[side]}",
            asks=True,
            section=name.value,
        )
        for name in _CHECKED
        if named(sections.get(name, "")) == {_OTHER[side]}
    ]


def named(text: str) -> set[str]:
    """The sides that a text names; both where it says so."""
    return {"L", "R"} if _BOTH.search(text) else sides(text)


def _ordered(item: ReadingItem) -> set[str]:
    """The sides of the procedures: each as it is coded, else as its description says."""
    found: set[str] = set()
    for one in item.procedures.all():
        found |= _coded({one.laterality}) or named(one.description)
    return found


def _shown(item: ReadingItem) -> set[str]:
    """The sides of the images: as their series are coded, else as the descriptions say."""
    studies = item.studies.all()
    series = list(Series.objects.filter(study__in=studies).values_list("laterality", "description"))
    coded = _coded({side for side, _ in series})
    return coded or named(" ".join([*(one.description for one in studies), *(words for _, words in series)]))


def _coded(values: set[str]) -> set[str]:
    found = {value.strip().upper()[:1] for value in values} & {"L", "R", "B"}
    return {"L", "R"} if "B" in found else found
