"""Reject analysis: which share of the radiographs of patients was not presented for diagnosis, and why.

Rejected are those that a person, or a note of the modality, has rejected for quality or safety, kept are all
others; an image of a wrong worklist entry (113038), or one whose time is over (113039), is neither. A repeat
is a kept image beyond the first of its view in a study: it was exposed again, and is presented as well (AAPM
TG-305). Of images that do not say which view they are, none is a repeat.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from django.db.models import Count, F, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform

from accounts import access
from accounts.models import User
from archive.decisions.reject import Reject
from archive.modality import RADIOGRAPHS
from archive.models import Decision, Hidden, Instance, Study
from archive.rejections.rejection_titles import INCORRECT_WORKLIST_ENTRY, RETENTION_EXPIRED
from ledger.errors import Invalid
from worklist.models import Station
from worklist.patients import person_names

LONGEST: Final = 400
"""Days that one analysis covers at most."""
NOT_SAID: Final = "not said"
_NO_REJECTS: Final = (INCORRECT_WORKLIST_ENTRY, RETENTION_EXPIRED)


@dataclass(frozen=True)
class View:
    """Radiographs of one view of one study, taken by one person in one room."""

    study: int
    room: str
    technologist: str
    projection: str
    month: str
    count: int
    is_known: bool = True
    """Whether the images say which view they are."""
    reason: str = ""
    """Why they were rejected; empty where they were kept."""


DIMENSIONS: Final[Mapping[str, Callable[[View], str]]] = {
    "room": lambda view: view.room,
    "technologist": lambda view: view.technologist,
    "projection": lambda view: view.projection,
    "reason": lambda view: view.reason,
    "month": lambda view: view.month,
}
"""What one groups by and narrows to."""


@dataclass(frozen=True)
class Question:
    """Which days, both included, grouped by which dimension, and what else it is narrowed to."""

    begin: date
    end: date
    by: str = "room"
    only: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise `Invalid` for what can't be asked."""
        if self.by not in DIMENSIONS or set(self.only) - set(DIMENSIONS):
            raise Invalid(f"group by one of {', '.join(DIMENSIONS)}", "by")
        if not 0 <= (self.end - self.begin).days <= LONGEST:
            raise Invalid(f"ask for 1 to {LONGEST} days", "from")


@dataclass(frozen=True)
class Rate:
    """How many images of a group were rejected and kept, and how many of the kept are repeats."""

    title: str
    rejected: int = 0
    kept: int = 0
    repeats: int = 0

    @property
    def share(self) -> float | None:
        """Rejected of all that were taken, in percent."""
        taken = self.rejected + self.kept
        return 100 * self.rejected / taken if taken else None

    @property
    def repeat_share(self) -> float | None:
        """Repeats of those kept, in percent."""
        return 100 * self.repeats / self.kept if self.kept else None


@dataclass(frozen=True)
class Analysis:
    """The groups, those with most rejects first, months in their order; all together; what was rejected."""

    rates: Sequence[Rate]
    total: Rate
    reasons: Sequence[Rate]
    studies: Sequence[Study]


def analyse(user: User, question: Question, *, most_studies: int = 100) -> Analysis:
    """The analysis of what a person may see; raises `Invalid`."""
    question.check()
    views = [view for view in _views(user, question) if _is_asked(view, question.only)]
    of = DIMENSIONS[question.by]
    groups: dict[str, list[View]] = {}
    for view in views:
        if question.by != "reason" or view.reason:
            groups.setdefault(of(view), []).append(view)
    rates = [_rate(title, rows) for title, rows in groups.items()]
    total = _rate("all", views)
    if question.by == "reason":  # of all that were taken, for a kept image has no reason
        rates = [replace(rate, kept=total.kept + total.rejected - rate.rejected) for rate in rates]
    rates.sort(key=lambda rate: rate.title if question.by == "month" else (-rate.rejected, rate.title))
    keys = list(dict.fromkeys(view.study for view in views if view.reason))
    studies = Study.objects.filter(pk__in=keys[:most_studies]).order_by("-study_date", "-pk")
    reasons = sorted({view.reason for view in views if view.reason})
    counted = [_rate(text, [view for view in views if view.reason == text]) for text in reasons]
    return Analysis(rates, total, counted, list(studies))


def _rate(title: str, views: Iterable[View]) -> Rate:
    rejected = kept = 0
    firsts: dict[tuple[int, str], int] = {}
    for view in views:
        if view.reason:
            rejected += view.count
        else:
            kept += view.count
            if not view.is_known:
                continue
            key = (view.study, view.projection)
            firsts[key] = firsts.get(key, 0) + view.count
    return Rate(title, rejected, kept, sum(count - 1 for count in firsts.values()))


def _is_asked(view: View, only: Mapping[str, str]) -> bool:
    """Whether a view is among those asked for; a reason leaves the kept ones in, for the rate."""
    return all(
        DIMENSIONS[name](view) == text or (name == "reason" and not view.reason)
        for name, text in only.items()
    )


def _views(user: User, question: Question) -> Iterable[View]:
    """One row for each view of a study, counted by the database."""
    studies = access.visible(Study.objects.exclude(hidden=Hidden.JOINED), user)
    rows = Instance.objects.filter(
        Q(series__study__study_date__range=(f"{question.begin:%Y%m%d}", f"{question.end:%Y%m%d}")),
        series__study__in=studies,
        series__modality__in=RADIOGRAPHS,
    )
    counted = rows.values(
        hidden=F("series__study__hidden"),
        rejected=F("rejection__code"),
        cause=F("rejection__cause"),
        of_study=F("series__study"),
        on=F("series__study__study_date"),
        ae_title=F("series__station_ae_title"),
        station=F("series__station_name"),
        operator=KeyTextTransform("operators_name", "series__header"),
        body_part=F("series__body_part"),
        laterality=F("series__laterality"),
        view=KeyTextTransform("view_position", "header"),
        side=KeyTextTransform("laterality", "header"),
    ).annotate(count=Count("pk"))
    reasons, rooms = _reasons(studies, question), _rooms()
    for row in counted.order_by().iterator(2000):
        if row["rejected"]:
            reason = INCORRECT_WORKLIST_ENTRY if row["rejected"] in _NO_REJECTS else row["cause"] or NOT_SAID
        else:
            reason = reasons.get(row["of_study"], NOT_SAID) if row["hidden"] else ""
        if reason == INCORRECT_WORKLIST_ENTRY:
            continue
        parts = (row["body_part"], row["view"], row["side"] or row["laterality"])
        yield View(
            study=row["of_study"],
            room=rooms.get(row["ae_title"]) or row["station"] or row["ae_title"] or NOT_SAID,
            technologist=person_names.readable(row["operator"]) if row["operator"] else NOT_SAID,
            projection=" ".join(filter(None, parts)) or NOT_SAID,
            month=f"{row['on'][:4]}-{row['on'][4:6]}",
            count=row["count"],
            is_known=bool(row["view"]),
            reason=reason,
        )


def _reasons(studies: QuerySet[Study], question: Question) -> dict[int, str]:
    """Why each rejected study was; the code of those that are no rejects."""
    rows = Decision.objects.filter(
        study__in=studies.filter(
            hidden=Hidden.REJECTED,
            study_date__range=(f"{question.begin:%Y%m%d}", f"{question.end:%Y%m%d}"),
        ),
        kind=Reject.kind,
        undone_at=None,
    )
    return {row.study_id: _reason(row.parameters) for row in rows.order_by("pk")}


def _reason(kept: Mapping[str, str]) -> str:
    if kept.get("code") == INCORRECT_WORKLIST_ENTRY:
        return INCORRECT_WORKLIST_ENTRY
    return kept.get("cause") or NOT_SAID


def _rooms() -> dict[str, str]:
    """What the stations are called where they stand."""
    rows = Station.objects.values_list("ae_title", "location", "name")
    return {ae_title: location or name for ae_title, location, name in rows}
