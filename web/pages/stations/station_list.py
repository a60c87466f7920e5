"""The list of stations: those that the site declares, and strangers that came to the DICOM port."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from interfaces.dicom.models import StationContact
from web.kernel import layout
from worklist.models import Station

MOST_STRANGERS = 100


@dataclass(frozen=True)
class Row:
    """A station with its newest query and association."""

    ae_title: str
    station: Station | None
    query: StationContact | None
    association: StationContact | None

    @property
    def newest(self) -> datetime | None:
        """When it was here last."""
        return max((one.at for one in (self.query, self.association) if one), default=None)


@require_safe
@layout.may("station.view")
def stations(request: HttpRequest) -> HttpResponse:
    """Declared stations by AE title, then strangers, the latest first."""
    declared = {station.ae_title: station for station in Station.objects.order_by("ae_title")}
    newest = _newest()
    rows = [_row(title, station, newest) for title, station in declared.items()]
    strangers = [_row(title, None, newest) for title in {title for title, _ in newest} - set(declared)]
    strangers.sort(key=lambda row: row.newest.timestamp() if row.newest else 0, reverse=True)
    context = {
        "rows": rows,
        "strangers": strangers[:MOST_STRANGERS],
        "more_strangers": max(0, len(strangers) - MOST_STRANGERS),
        "dicom_address": "{}:{}".format(*settings.DICOM_ADDRESS),
        "ae_title": settings.AE_TITLE,
    }
    return layout.page(request, "web/stations/station_list.html", context)


def _newest() -> dict[tuple[str, str], StationContact]:
    """The newest contact of each AE title and kind."""
    groups = StationContact.objects.order_by().values("calling_ae_title", "kind").annotate(newest=Max("id"))
    found: Iterable[StationContact] = StationContact.objects.defer("identifier").filter(
        id__in=[group["newest"] for group in groups]
    )
    return {(contact.calling_ae_title, contact.kind): contact for contact in found}


def _row(title: str, station: Station | None, newest: dict[tuple[str, str], StationContact]) -> Row:
    return Row(
        title,
        station,
        newest.get((title, StationContact.Kind.QUERY)),
        newest.get((title, StationContact.Kind.ASSOCIATION)),
    )
