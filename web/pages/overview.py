"""The overview: what came lately, and what a person must look at."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import access
from accounts.models import User
from archive import searching
from archive.models import ExceptionStatus, Outcome, Study, StudyException, Verdict
from interfaces.hl7.models import InboundMessage, OutboundMessage
from ledger import audit
from web.pages import naming
from web.rest.messages import newest
from web.rest.paging import Paging
from web.rest.schemas.messages import MessageFilters
from worklist.models import Order, Patient

ROWS: Final = 12
_MARKS: Final[Mapping[str, str]] = {
    Outcome.MATCHED: "●",
    Outcome.CORRECTED: "●",
    Outcome.MISMATCH: "▲",
    Outcome.PENDING: "○",
}
"""A shape beside the word: colour alone tells nothing to those who don't see it."""


@dataclass(frozen=True)
class Section:
    """A part of the page: its rows, and the links to those before and after."""

    name: str
    page: Page[Any]
    rows: list[dict[str, Any]]
    previous: str
    next: str


@never_cache
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """The one page that there is yet."""
    user = request.user
    assert isinstance(user, User)
    facilities = list(user.facilities.order_by("pk"))
    zone = ZoneInfo(facilities[0].time_zone if facilities else "UTC")
    context = {
        "facilities": facilities,
        "zone": zone.key,
        "orders": _orders(request, user),
        "studies": _studies(request, user),
        "exceptions": _exceptions(user),
        "messages": _messages(request, user),
        "hl7_address": "{}:{}".format(*settings.HL7_ADDRESS),
        "dicom_address": "{}:{}".format(*settings.DICOM_ADDRESS),
        "ae_title": settings.AE_TITLE,
    }
    with timezone.override(zone):
        return render(request, "web/overview.html", context)


# Orders


def _orders(request: HttpRequest, user: User) -> Section | None:
    if not access.can(user, "order.view"):
        return None
    rows = access.visible(Order.objects.all(), user).order_by("-pk")
    rows = rows.select_related("patient__authority", "patient__survivor__authority")
    page = _page(request, rows.prefetch_related("procedures__steps"), "orders")
    _note(request, user, audit.ORDER_RECORD, [("order", row.public_id) for row in page])
    return _section(request, "orders", page, [_order(row) for row in page])


def _order(row: Order) -> dict[str, Any]:
    procedures = sorted(row.procedures.all(), key=lambda procedure: procedure.pk)
    steps = [step for procedure in procedures for step in procedure.steps.all()]
    return {
        "order": row,
        "patient": _patient(row.patient) if row.patient else None,
        "procedure": ", ".join(procedure.description or procedure.code for procedure in procedures),
        "modality": ", ".join(sorted({step.modality for step in steps})),
        "due": min((step.due for step in steps), default=None),
    }


# Studies


def _studies(request: HttpRequest, user: User) -> Section | None:
    if not access.can(user, "study.view"):
        return None
    rows = searching.studies(user=user).select_related("exception")
    page = _page(request, rows, "studies")
    _note(request, user, audit.QUERY, [("study", row.study_instance_uid) for row in page])
    verdicts = _newest_verdicts(page)
    return _section(request, "studies", page, [_study(row, verdicts.get(row.pk)) for row in page])


def _newest_verdicts(studies: Iterable[Study]) -> dict[int, Verdict]:
    newer = Verdict.objects.filter(study=OuterRef("study"), number__gt=OuterRef("number"))
    rows = Verdict.objects.filter(~Exists(newer), study__in=[study.pk for study in studies])
    return {row.study_id: row for row in rows}


_AGREED = (Outcome.MATCHED, Outcome.CORRECTED)
"""Verdicts that need nobody to look at what differs."""


def _study(row: Study, verdict: Verdict | None) -> dict[str, Any]:
    header = {
        "name": naming.shown(row.patient_name),
        "identifier": row.header_patient_id,
        "authority": row.issuer_of_patient_id,
        "birth_date": naming.date(row.birth_date),
        "sex": row.sex,
    }
    exception = getattr(row, "exception", None)
    return {
        "study": row,
        "patient": _patient(row.patient) if row.patient else header,
        "is_header": row.patient is None,
        "modalities": ", ".join(row.modalities),
        "verdict": row.verdict.replace("_", " "),
        "mark": _MARKS.get(row.verdict, "◆"),
        "evidence": _strongest(verdict) if verdict and verdict.outcome not in _AGREED else None,
        "decision": exception.resolution.replace("_", " ") if exception else "",
    }


def _strongest(verdict: Verdict) -> dict[str, Any] | None:
    """The finding that speaks the loudest against the best candidate."""
    against = [
        finding
        for finding in verdict.findings
        if finding.get("agreement") is not None and finding["agreement"] < 1
    ]
    if not against:
        return None
    finding = max(against, key=lambda one: one["weight"] * (1 - one["agreement"]))
    return {**finding, "field": str(finding["field"]).replace("_", " ")}


# Exceptions and messages


def _exceptions(user: User) -> dict[str, int] | None:
    if not access.can(user, "exception.view"):
        return None
    mine = access.visible(Study.objects.all(), user).values("pk")
    rows = StudyException.objects.filter(study__in=mine, status=ExceptionStatus.OPEN)
    return {"open": rows.count(), "mismatch": rows.filter(study__verdict=Outcome.MISMATCH).count()}


def _messages(request: HttpRequest, user: User) -> Section | None:
    if not access.can(user, "message.view"):
        return None
    page = _page(request, _Messages(), "messages")
    rows = [_received(row) if isinstance(row, InboundMessage) else _sent(row) for row in page]
    return _section(request, "messages", page, rows)


class _Messages:
    """The messages of both directions, the newest first, as a paginator takes them."""

    def count(self) -> int:
        return InboundMessage.objects.count() + OutboundMessage.objects.count()

    def __getitem__(self, part: slice) -> list[InboundMessage | OutboundMessage]:
        paging = Paging.model_construct(limit=part.stop - part.start, offset=part.start)
        return newest(MessageFilters(control_id=""), paging)[1]


def _received(row: InboundMessage) -> dict[str, Any]:
    return {
        "message": row,
        "is_received": True,
        "at": row.received_at,
        "partner": row.source.replace("|", " · "),
        "error_code": row.error_code,
        "error_location": row.error_location,
        "error_text": row.error_text,
    }


def _sent(row: OutboundMessage) -> dict[str, Any]:
    return {
        "message": row,
        "is_received": False,
        "at": row.created_at,
        "partner": row.destination.name,
        "error_text": row.last_error,
    }


# Common to all sections


def _patient(record: Patient) -> dict[str, str]:
    current = record.current
    return {
        "name": naming.shown(current.name),
        "identifier": current.value,
        "authority": current.authority.namespace,
        "birth_date": naming.date(current.birth_date),
        "sex": current.sex,
    }


def _page(request: HttpRequest, rows: Any, name: str) -> Page[Any]:
    return Paginator(rows, ROWS).get_page(request.GET.get(name, "1")[:9])


def _section(request: HttpRequest, name: str, page: Page[Any], rows: list[dict[str, Any]]) -> Section:
    previous = _link(request, name, page.previous_page_number()) if page.has_previous() else ""
    following = _link(request, name, page.next_page_number()) if page.has_next() else ""
    return Section(name, page, rows, previous, following)


def _link(request: HttpRequest, name: str, number: int) -> str:
    """This page with another part of one section; the other sections stay as they are."""
    query = request.GET.copy()
    query[name] = str(number)
    return f"?{query.urlencode()}#{name}"


def _note(request: HttpRequest, user: User, code: str, things: list[audit.Thing]) -> None:
    if things:
        address = str(request.META.get("REMOTE_ADDR", ""))
        audit.record_once(code, audit.READ, actor=user.get_username(), address=address, objects=things)
