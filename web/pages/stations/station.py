"""One station: its configuration, its last queries and associations, what it sent, and why not."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts import access
from archive.models import Series, Study
from interfaces.dicom import association_log
from interfaces.dicom.models import StationContact
from interfaces.dicom.services import mwl_diagnosis
from interfaces.dicom.services.mwl_diagnosis import CannotTell
from ledger import audit
from web.kernel import authorization, layout
from web.pages.stations import station_columns
from web.pages.timelines import path
from worklist.models import ScheduledProcedureStep, Station
from worklist.mwl.criteria import Exclusion

SHOWN = 30
STEPS = 10
QUERIES = 5
"""Different queries, the newest, that "why not" is answered for."""


@dataclass(frozen=True)
class Asked:
    """A kept query, and what kept the step from its answers; `problem` where that can't be told."""

    contact: StationContact
    reasons: list[Exclusion] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True)
class Explained:
    """A step, what the station's policy says of it, and what each kept query does."""

    step: ScheduledProcedureStep
    by_policy: list[Exclusion]
    queries: list[Asked]


@require_safe
@layout.may("station.view")
def station(request: HttpRequest, ae_title: str) -> HttpResponse:
    """A station, declared or not, by its AE title."""
    row = Station.objects.filter(ae_title=ae_title).first()
    queries = association_log.latest(ae_title, StationContact.Kind.QUERY, association_log.KEPT_EACH)
    associations = association_log.latest(ae_title, StationContact.Kind.ASSOCIATION, SHOWN)
    if row is None and not queries and not associations:
        raise Http404
    text = "".join(letter for letter in request.GET.get("why", "")[:64] if letter.isprintable()).strip()
    steps = _steps(request, text) if text else []
    context: dict[str, Any] = {
        "ae_title": ae_title,
        "station": row,
        "query_table": station_columns.QUERIES,
        "queries": queries[:SHOWN],
        "query_count": len(queries),
        "association_table": station_columns.ASSOCIATIONS,
        "associations": associations,
        "sent": _sent(request, ae_title),
        "why": text,
        "explained": [_explained(step, queries, row) for step in steps],
        "may_query": row is None or "worklist" in row.services,
        "own_ae_title": settings.AE_TITLE,
        "dicom_address": "{}:{}".format(*settings.DICOM_ADDRESS),
    }
    return layout.page(request, "web/stations/station.html", context)


def _steps(request: HttpRequest, text: str) -> list[ScheduledProcedureStep]:
    """Steps of the person's facilities that a number names."""
    named = (
        Q(scheduled_procedure_step_id=text)
        | Q(public_id=text)
        | Q(procedure__accession_number=text)
        | Q(procedure__requested_procedure_id=text)
        | Q(procedure__study_instance_uid=text)
        | Q(procedure__order__accession_number=text)
        | Q(procedure__order__numbers__value=text)
    )
    mine = layout.user_of(request).facilities.all()
    rows = ScheduledProcedureStep.objects.filter(named, procedure__order__facility__in=mine).distinct()
    steps = list(
        rows.select_related(
            "procedure__order__patient__authority",
            "procedure__order__patient__survivor__authority",
            "procedure__order__facility",
            "procedure__order__visit",
        ).order_by("id")[:STEPS]
    )
    authorization.note_reading(request, audit.PROCEDURE_RECORD, *(("step", step.public_id) for step in steps))
    return steps


def _explained(
    step: ScheduledProcedureStep, queries: Iterable[StationContact], row: Station | None
) -> Explained:
    different: dict[bytes, StationContact] = {}
    for contact in queries:
        different.setdefault(bytes(contact.identifier or b""), contact)
    asked = [_asked(step, contact, row) for contact in list(different.values())[:QUERIES]]
    return Explained(step, mwl_diagnosis.by_policy(step, row), asked)


def _asked(step: ScheduledProcedureStep, contact: StationContact, row: Station | None) -> Asked:
    try:
        return Asked(contact, mwl_diagnosis.why_not(step, contact, row))
    except CannotTell as error:
        return Asked(contact, problem=str(error))


def _sent(request: HttpRequest, ae_title: str) -> list[tuple[Study, str]]:
    """The studies that it sent last, and the path of each."""
    user = layout.user_of(request)
    if not access.can(user, "study.view"):
        return []
    newest = Series.objects.filter(station_ae_title=ae_title).order_by("-id").values("study")[:200]
    mine = access.visible(Study.objects.filter(pk__in=[one["study"] for one in newest]), user)
    rows = list(
        mine.select_related("patient__survivor", "patient__authority").order_by("-last_received_at")[:10]
    )
    authorization.note_reading(request, audit.QUERY, *(("study", row.study_instance_uid) for row in rows))
    return [(row, path("study", row.study_instance_uid)) for row in rows]
