"""Whether order, images and text are of one side; what names the other one is asked about."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
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

_MOST_NAMED: Final = 3


def of_side(item: ReadingItem, sections: Mapping[str, str]) -> list[Block]:
    """That order and images are of two sides; else the sections that name only the side of neither.

    Which side a report of contradicting evidence is of no text can settle: a person writes why it is signed.
    """
    ordered, shown = _ordered(item), _shown(item)
    if contradicting := _contradiction([*ordered, *shown]):
        words = " and ".join(one.words for one in contradicting)
        return [Block("side_contradiction", f"{words}: which side was examined?", overridable=True)]
    examined = set[str]().union(*(one.sides for one in [*ordered, *shown]))
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


@dataclass(frozen=True)
class _Evidence:
    """What names sides, and as which words a person reads it."""

    sides: frozenset[str]
    words: str


def _contradiction(found: Sequence[_Evidence]) -> list[_Evidence]:
    """The first two that have no side in common; what is of both sides contradicts nobody."""
    return next((list(pair) for pair in combinations(found, 2) if not pair[0].sides & pair[1].sides), [])


def named(text: str) -> set[str]:
    """The sides that a text names; both where it says so."""
    return {"L", "R"} if _BOTH.search(text) else sides(text)


def _ordered(item: ReadingItem) -> list[_Evidence]:
    """The sides of the procedures: each as it is coded, else as its description says."""
    found: set[str] = set()
    texts: list[str] = []
    for one in item.procedures.all():
        coded = _coded({one.laterality})
        if sides_of := coded or named(one.description):
            found |= sides_of
            texts += [one.description, f"laterality {one.laterality}" if coded else ""]
    return _evidence("the order says", found, texts)


def _shown(item: ReadingItem) -> list[_Evidence]:
    """The sides of the images: as their series are coded or described, and as the studies are described.

    The two are apart: a study is often described by its order, whatever was imaged.
    """
    studies = item.studies.all()
    series = list(Series.objects.filter(study__in=studies).values_list("laterality", "description"))
    found: set[str] = set()
    texts: list[str] = []
    for side, description in series:
        coded = _coded({side})
        if sides_of := coded or named(description):
            found |= sides_of
            texts += [description, f"Laterality {side}" if coded else ""]
    described = [study.description for study in studies if named(study.description)]
    return [
        *_evidence("the images say", found, texts),
        *_evidence("the study is described as", set().union(*map(named, described)), described),
    ]


def _evidence(who: str, found: set[str], texts: list[str]) -> list[_Evidence]:
    if not found:
        return []
    said = "; ".join(list(dict.fromkeys(filter(None, texts)))[:_MOST_NAMED])
    names = " and ".join(_SIDES[side] for side in sorted(found))
    return [_Evidence(frozenset(found), f"{who} {names} ({said})")]


def _coded(values: set[str]) -> set[str]:
    found = {value.strip().upper()[:1] for value in values} & {"L", "R", "B"}
    return {"L", "R"} if "B" in found else found
