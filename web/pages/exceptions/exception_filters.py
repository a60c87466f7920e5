"""The filters of the exceptions list: what the URL says, as keys, and as chips that change the URL."""

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.http import HttpRequest, QueryDict

from archive.models import ExceptionKind, ExceptionStatus, Outcome, Series
from archive.reconcile import exception_list
from web.kernel.list_filters import Chip, any_of, modalities, one_of, text_of, texts_of
from web.pages.exceptions.exception_columns import TABLE
from worklist.models import Station

STATES: Final = {"open": "Open", "resolved": "Decided", "closed": "Resolved automatically", "all": "All"}
VERDICTS: Final = {
    Outcome.MISMATCH.value: "Mismatch",
    Outcome.AMBIGUOUS.value: "Ambiguous",
    Outcome.PROBABLE.value: "Probable",
    Outcome.UNSCHEDULED.value: "Unscheduled",
    Outcome.LATE_ORDER.value: "Late order",
    Outcome.PHANTOM.value: "Phantom",
}
KINDS: Final = {
    ExceptionKind.CANCELLED_AFTER_IMAGES.value: "Order cancelled",
    ExceptionKind.NOTE_HELD.value: "Rejection note",
    ExceptionKind.IDENTITY_REPLACED.value: "Patient details replaced",
    ExceptionKind.RESENT.value: "Sent again",
    ExceptionKind.IMAGES_AFTER_REJECTION.value: "Images after rejection",
    ExceptionKind.SPLIT_OFF.value: "Split off",
}
_LONGEST: Final = 200


@dataclass(frozen=True)
class Filters:
    """What the URL asks for, cleaned; what makes no sense is as if not there."""

    state: str = "open"
    verdicts: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    station: str = ""
    text: str = ""
    sort: str = TABLE.usual

    def keys(self) -> exception_list.Keys:
        """The same as keys of the search."""
        return exception_list.Keys(
            statuses=() if self.state == "all" else (ExceptionStatus(self.state),),
            verdicts=self.verdicts,
            kinds=self.kinds,
            modalities=self.modalities,
            station=self.station,
            text=self.text,
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is asked for beside what is open."""
        return self != Filters(sort=self.sort)


def read(query: QueryDict) -> Filters:
    """The filters in a query string."""
    state = text_of(query, "status", _LONGEST)
    return Filters(
        state=state if state in STATES else "open",
        verdicts=tuple(value for value in VERDICTS if value in query.getlist("verdict")),
        kinds=tuple(value for value in KINDS if value in query.getlist("kind")),
        modalities=texts_of(query, "modality", 16),
        station=text_of(query, "station", _LONGEST)[:64],
        text=text_of(query, "q", _LONGEST),
        sort=TABLE.sort_of(query),
    )


def chips(request: HttpRequest, filters: Filters) -> list[tuple[str, list[Chip]]]:
    """The chips by group; a status is one of several, verdicts and modalities add up."""
    return [
        (
            "Status",
            [one_of(request, "status", key, text, filters.state, "open") for key, text in STATES.items()],
        ),
        ("Verdict", [any_of(request, "verdict", *pair, filters.verdicts) for pair in VERDICTS.items()]),
        ("Changed since", [any_of(request, "kind", *pair, filters.kinds) for pair in KINDS.items()]),
        (
            "Modality",
            [
                any_of(request, "modality", key, key, filters.modalities)
                for key in modalities(filters.modalities)
            ],
        ),
    ]


def stations(filters: Filters) -> list[str]:
    """The AE titles that a list can be narrowed to: the site's, and the one that is asked for."""
    known = set(Station.objects.values_list("ae_title", flat=True)) | {filters.station}
    if not known - {""}:
        known |= set(Series.objects.values_list("station_ae_title", flat=True).distinct()[:50])
    return sorted(known - {"", settings.AE_TITLE})
