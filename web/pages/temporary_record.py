"""The page that names a temporary patient: who of those whom the HIS knows is the same person."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.actor import actor_of
from ledger.errors import Missing, Refused
from web.kernel import layout
from web.kernel.list_filters import text_of
from web.pages import patients
from worklist.models import Patient
from worklist.patients import temporary_records

_LONGEST = 200


@require_http_methods(["GET", "HEAD", "POST"])
@layout.may("patient.link")
def link(request: HttpRequest, public_id: str) -> HttpResponse:
    """Find the record, compare, and link; what is temporary no longer leads to its patient's page."""
    record = patients.find(request, public_id)
    with timezone.override(layout.zone_of(request)):
        if not temporary_records.is_temporary(record):
            return HttpResponseRedirect(reverse("patient", args=[public_id]))
        return _link(request, record) if request.method == "POST" else _panel(request, record)


def _link(request: HttpRequest, record: Patient) -> HttpResponse:
    try:
        with transaction.atomic():
            chosen = text_of(request.POST, "patient", _LONGEST)
            if not chosen:
                raise Missing("choose a patient", "patient")
            to = patients.find(request, chosen)
            temporary_records.link(
                record,
                to=to,
                reason=text_of(request.POST, "reason", _LONGEST),
                by=actor_of(request),
                although=bool(text_of(request.POST, temporary_records.ALTHOUGH, _LONGEST)),
            )
    except Refused as error:
        problem = f"{error.sentence}. Nothing was linked."
        return _panel(request, record, problem, asks=error.field == temporary_records.ALTHOUGH)
    layout.flash(request, f"{patients.named(record)} is now {patients.named(to.current)}.")
    return HttpResponseRedirect(reverse("patient", args=[to.current.public_id]))


def _panel(request: HttpRequest, record: Patient, problem: str = "", *, asks: bool = False) -> HttpResponse:
    said = {name: str(value) for name, value in request.POST.items()}
    text = request.GET.get("q", said.get("q", ""))[:_LONGEST].strip()
    found = patients.found(request, text) if text else []
    rows = [row for row in found if not temporary_records.is_temporary(row) and row.pk != record.pk]
    context: dict[str, Any] = {
        "record": record,
        "patient": patients.header(record),
        "text": text,
        "found": [
            {
                "id": row.public_id,
                "header": patients.short(row),
                "differ": temporary_records.differences(record, row),
            }
            for row in rows
        ],
        "said": said,
        "problem": problem,
        "although": temporary_records.ALTHOUGH if asks or temporary_records.ALTHOUGH in said else "",
        "back": reverse("patient", args=[record.public_id]),
    }
    return layout.page(request, "web/temporary_record.html", context, 422 if problem else 200)
