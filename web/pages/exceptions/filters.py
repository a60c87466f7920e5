"""The filters of the exceptions list: what the URL says, as keys, and as chips that change the URL."""

from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, QueryDict

from archive.models import ExceptionStatus, Outcome, Series
from archive.reconcile import listing
from worklist.models import Station

STATES: Final = {"open": "Open", "resolved": "Decided", "closed": "Gone by itself", "all": "All"}
VERDICTS: Final = {
    Outcome.MISMATCH.value: "Mismatch",
    Outcome.AMBIGUOUS.value: "Ambiguous",
    Outcome.PROBABLE.value: "Probable",
    Outcome.UNSCHEDULED.value: "Unscheduled",
    Outcome.LATE_ORDER.value: "Late order",
}
_LONGEST: Final = 200


@dataclass(frozen=True)
class Chip:
    """A filter to click: it sets its value, or takes it away where it is set."""

    text: str
    url: str
    is_on: bool


@dataclass(frozen=True)
class Filters:
    """What the URL asks for, cleaned; what makes no sense is as if not there."""

    state: str = "open"
    verdicts: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    station: str = ""
    text: str = ""
    sort: str = "due"
    descending: bool = False

    def keys(self) -> listing.Keys:
        """The same as keys of the search."""
        return listing.Keys(
            statuses=() if self.state == "all" else (ExceptionStatus(self.state),),
            verdicts=self.verdicts,
            modalities=self.modalities,
            station=self.station,
            text=self.text,
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is asked for beside what is open."""
        return self != Filters(sort=self.sort, descending=self.descending)


def read(query: QueryDict) -> Filters:
    """The filters in a query string."""
    sort, state = _text(query, "sort"), _text(query, "status")
    return Filters(
        state=state if state in STATES else "open",
        verdicts=tuple(value for value in VERDICTS if value in query.getlist("verdict")),
        modalities=_texts(query, "modality"),
        station=_text(query, "station")[:64],
        text=_text(query, "q"),
        sort=sort.removeprefix("-") if sort.removeprefix("-") in listing.SORTS else "due",
        descending=sort.startswith("-") and sort.removeprefix("-") in listing.SORTS,
    )


def _text(query: QueryDict, name: str) -> str:
    return "".join(letter for letter in query.get(name, "")[:_LONGEST] if letter.isprintable()).strip()


def _texts(query: QueryDict, name: str) -> tuple[str, ...]:
    values = (value[:16] for value in query.getlist(name)[:20])
    return tuple(dict.fromkeys(value for value in values if value and value.isprintable()))


def chips(request: HttpRequest, filters: Filters) -> list[tuple[str, list[Chip]]]:
    """The chips by group; a status is one of several, verdicts and modalities add up."""
    known = {name for names in Station.objects.values_list("modalities", flat=True) for name in names}
    modalities = sorted(known | set(filters.modalities))
    return [
        ("Status", [_one(request, key, text, filters.state) for key, text in STATES.items()]),
        ("Verdict", [_many(request, "verdict", *pair, filters.verdicts) for pair in VERDICTS.items()]),
        ("Modality", [_many(request, "modality", key, key, filters.modalities) for key in modalities]),
    ]


def stations(filters: Filters) -> list[str]:
    """The AE titles that a list can be narrowed to: the site's, and the one that is asked for."""
    known = set(Station.objects.values_list("ae_title", flat=True)) | {filters.station}
    if not known - {""}:
        known |= set(Series.objects.values_list("station_ae_title", flat=True).distinct()[:50])
    return sorted(known - {""})


def _one(request: HttpRequest, key: str, text: str, chosen: str) -> Chip:
    return Chip(text, _url(request, "status", [] if key == "open" else [key]), key == chosen)


def _many(request: HttpRequest, name: str, key: str, text: str, chosen: tuple[str, ...]) -> Chip:
    values = [value for value in chosen if value != key] + ([] if key in chosen else [key])
    return Chip(text, _url(request, name, values), key in chosen)


def _url(request: HttpRequest, name: str, values: list[str]) -> str:
    query = request.GET.copy()
    query.pop("page", None)
    query.setlist(name, values)
    return f"{request.path}?{query.urlencode()}" if any(query.lists()) else request.path
