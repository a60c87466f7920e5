"""The page on which a dictation is typed: its sound above, the sections below."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import access
from accounts.models import User
from ledger import audit, clock
from reporting.models import SECTIONS, WAITING, Dictation, ReadingItem, Report, ReturnReason
from reporting.reporting_section import ReportingSection
from reporting.reports import drafts
from web.kernel import authorization, layout
from web.pages import patients
from web.pages.reading import reading_rows
from web.pages.reading.report_editor import TITLES


@require_safe
@layout.may("transcription.type")
def dictation(request: HttpRequest, key: str) -> HttpResponse:
    """One dictation, by its UUID."""
    user = layout.user_of(request)
    rows = Dictation.objects.select_related(
        "item__facility", "item__patient__authority", "item__patient__survivor__authority", "author", "typist"
    )
    mine = rows.filter(item__in=access.visible(ReadingItem.objects.all(), user))
    row = authorization.find(rows, mine, request, uuid=key)
    patient = row.item.patient
    things = [("dictation", row.uuid)] + ([("patient", patient.current.public_id)] if patient else [])
    authorization.note_reading(request, audit.PATIENT_RECORD, *things)
    with timezone.override(layout.zone_of(request)):
        context = _context(request, user, row)
    return layout.page(request, "web/transcription/transcription_editor.html", context)


def _context(request: HttpRequest, user: User, row: Dictation) -> dict[str, Any]:
    item, now = row.item, clock.now()
    studies = list(item.studies.order_by("pk"))
    procedure = item.procedures.select_related("order").order_by("pk").first()
    report = Report.objects.filter(item=item).first()
    held = row.typing_until is not None and row.typing_until > now and row.typist_id != user.pk
    is_open = row.state in WAITING and not held
    template = drafts.template_for(item) if report is None else None
    return {
        "dictation": row,
        "item": item,
        "report": report,
        "patient": patients.header(
            item.patient, order=procedure.order if procedure else None, study=studies[0] if studies else None
        ),
        "order": procedure.order if procedure else None,
        "wait": reading_rows.wait(item, now),
        "is_open": is_open,
        "holder": str(row.typist) if held else "",
        "sections": [(name, TITLES[name], row.sections.get(name, "")) for name in SECTIONS],
        "before": [(TITLES[name], text) for name in SECTIONS if (text := _written(report, template, name))],
        "reasons": ReturnReason.values,
        "data": {
            "dictation": row.uuid,
            "item": item.public_id,
            "isOpen": is_open,
            "seconds": row.seconds,
            "sampleRate": row.sample_rate,
            "revision": row.revision,
            "typed": row.sections,
            "patient": {
                "id": item.patient.current.public_id if item.patient else "",
                "name": reading_rows.who(item.patient, studies)[0],
            },
            "sections": list(SECTIONS),
            "titles": TITLES,
            "macros": ReportingSection.current().macros,
            "me": {"id": user.public_id, "name": str(user), "username": user.username},
            "zone": layout.zone_of(request).key,
            "list": reverse("transcription"),
        },
    }


def _written(report: Report | None, template: Any, name: str) -> str:
    sections = report.sections if report else template.sections if template else {}
    return str(sections.get(name, "")).strip()
