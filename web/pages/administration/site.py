"""The site: what is in force, where it comes from, and what is wrong in the site file."""

import shutil
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts import site_sync
from accounts.models import Facility, SiteSection
from archive.models import Volume
from archive.storage import volumes
from interfaces.hl7.models import Destination, Source
from interfaces.hl7.outbound import message_types
from web.kernel import layout
from web.pages.administration import tabs
from worklist.models import AssigningAuthority, ProcedureCode, Station


@require_safe
@layout.may("site.change")
def site(request: HttpRequest) -> HttpResponse:
    """All that the site file says, as it is in force."""
    sections = SiteSection.objects.exclude(name=site_sync.FILE).order_by("name")
    applied = SiteSection.objects.filter(name=site_sync.FILE).first()
    context = {
        "file": site_sync.file_state(),
        "applied_at": applied.applied_at if applied else None,
        "facilities": list(Facility.objects.order_by("code")),
        "authorities": list(AssigningAuthority.objects.order_by("namespace")),
        "stations": list(Station.objects.order_by("ae_title")),
        "procedures": list(ProcedureCode.objects.order_by("modality", "code")[:500]),
        "sources": [
            (source, _flat(source.options))
            for source in Source.objects.select_related("facility").order_by("name")
        ],
        "destinations": [(row, message_types.sent_to(row)) for row in Destination.objects.order_by("name")],
        "volumes": [_volume(volume) for volume in Volume.objects.order_by("id")],
        "policies": [(section.name, _flat(section.content)) for section in sections],
    }
    return tabs.page(request, "site", "web/administration/site.html", context)


def _volume(volume: Volume) -> dict[str, Any]:
    """A volume and how much room it has; None where its folder is not there (yet)."""
    try:
        usage = shutil.disk_usage(volumes.root_of(volume))
    except OSError:
        return {"volume": volume, "free": None, "total": None}
    return {"volume": volume, "free": usage.free, "total": usage.total}


def _flat(content: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """A section's policies as names and values."""
    found: list[tuple[str, str]] = []
    for name, value in content.items():
        if isinstance(value, dict) and value:
            found += _flat(value, f"{before}{name}.")
        else:
            found.append((f"{before}{name}", _plain(value)))
    return found


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_plain(one) for one in value) or "none"
    return str(value) if value not in ("", None, {}) else "none"
