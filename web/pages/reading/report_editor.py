"""The report editor: the text left, the patient's priors, sound, versions and documents right."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts import access, presence
from accounts.models import User
from archive.models import Study, StudyException
from ledger import audit, clock
from reporting.models import (
    SECTIONS,
    ClassOfChange,
    HoldReason,
    ReadingItem,
    Report,
    ReportHeading,
    ReportStatus,
    ReportVersion,
)
from reporting.reading_worklist import assignment, priors, reader_inbox, reading_items, reading_status
from reporting.reporting_section import ReportingSection
from reporting.reports import drafts, rechecks, signatures, suggestions
from web.kernel import authorization, formats, layout
from web.pages import patients, timelines
from web.pages.reading import last_signature, outside_reports, prior_rows, signed_report
from web.pages.reading import reading_rows as listing
from worklist.patients import identity

TITLES: Final = dict(ReportHeading.choices)


@require_safe
@layout.may("report.view")
def editor(request: HttpRequest, key: str) -> HttpResponse:
    """An item with its report, and all of its patient that a reader needs."""
    user = layout.user_of(request)
    item = find(request, user, key)
    with transaction.atomic():
        presence.look(item, user=user)
    report = Report.objects.select_related("template", "author", "changed_by").filter(item=item).first()
    note(request, item)
    with timezone.override(layout.zone_of(request)):
        context = _context(request, user, item, report)
    return layout.page(request, "web/reading/report_editor.html", context)


def find(request: HttpRequest, user: User, key: str) -> ReadingItem:
    """The item, if it is one of the user's facilities; raises Http404."""
    rows = ReadingItem.objects.select_related(
        "facility",
        "patient__authority",
        "patient__survivor__authority",
        "lease__holder",
        "reserved_for",
        "report__author",
    )
    return authorization.find(rows, access.visible(rows, user), request, public_id=key)


def note(request: HttpRequest, item: ReadingItem) -> None:
    """Write to the audit trail that an item and its patient were looked at."""
    things = [("reading_item", item.public_id)]
    things += [("patient", item.patient.current.public_id)] if item.patient else []
    authorization.note_reading(request, audit.PATIENT_RECORD, *things)


def _context(request: HttpRequest, user: User, item: ReadingItem, report: Report | None) -> dict[str, Any]:
    now = clock.now()
    studies = list(item.studies.order_by("study_date", "study_time", "pk"))
    found = priors.ranked(item, user)
    procedures = list(item.procedures.select_related("order").order_by("pk"))
    order = procedures[0].order if procedures else None
    rows = list(reader_inbox.versions_of(report)) if report else []
    recheck = reader_inbox.open_recheck(item)
    may_write = access.can(user, "report.write")
    exceptions = StudyException.objects.filter(study__in=studies, status="open").select_related("study")
    is_open = reading_status.is_open(item, report)
    outside = outside_reports.of_studies(studies)
    saved_at = report.changed_at if is_open and report else None
    signed = None if is_open and may_write else signed_report.of(item, rows)
    template = (report.template if report else drafts.template_for(item)) if is_open else None
    begun = template.sections if template else {}
    is_new = is_open and report is None
    suggested = suggestions.suggested(item, priors.best(found), begun) if is_new else {}
    return {
        "item": item,
        "report": report,
        "last": last_signature.of(user, item),
        "patient": patients.header(item.patient, order=order, study=studies[0] if studies else None),
        "wait": listing.wait(item, now),
        "holder": listing.holder(item, now),
        "is_open": is_open,
        "is_signed": report is not None and report.is_signed,
        "signed": signed,
        "sections": [(name, TITLES[name], _text(report, {**begun, **suggested}, name)) for name in SECTIONS],
        "siblings": [
            (one, listing.holder(one, now)) for one in reader_inbox.items_of_patient(item, user)[:20]
        ],
        "outside_reports": outside,
        "other_outside_reports": outside_reports.of_others(user, _records(item), outside),
        "priors": prior_rows.rows(studies, found, item),
        "procedures": procedures,
        "steps": reader_inbox.steps_of(item),
        "order": order,
        "images": reading_items.image_count(item),
        "exceptions": list(exceptions),
        "dictations": list(reader_inbox.spoken(item)),
        "versions": _versions(item, report, rows, user) if report else [],
        "kept": list(reader_inbox.kept_of(report)[:20]) if report else [],
        "recheck": recheck,
        "recheck_obstacle": rechecks.obstacle(item) if recheck else "",
        "addendum": reader_inbox.addendum_of(report, user) if report else None,
        "classes": ClassOfChange.values,
        "hold_reasons": HoldReason.values,
        "lookers": [str(one.user) for one in presence.others(item, user=user)],
        "may_write": may_write,
        "may_sign": access.can(user, "report.sign"),
        "may_sign_preliminary": access.can(user, "report.sign_preliminary"),
        "may_hear": access.can(user, "dictation.hear"),
        "timeline": timelines.of("reading_item", item.public_id, user),
        "data": _data(request, user, item, report, studies, found, template, suggested, is_open)
        | {"outsideReports": outside_reports.read_of(outside, saved_at)},
    }


def _records(item: ReadingItem) -> list[int]:
    """The keys of all records of the item's patient."""
    return [one.pk for one in identity.same_person([item.patient])] if item.patient else []


def _draft_of(user: User, item: ReadingItem, report: Report | None) -> str:
    """Whose draft it is, where that is somebody else's: one takes it over before one writes on it."""
    if report is None or report.status != ReportStatus.DRAFT or report.author_id == user.pk:
        return ""
    lease = assignment.lease_of(item)
    is_held = lease is not None and lease.until > clock.now()
    return "" if is_held or not reading_items.is_begun(item) else str(report.author)


def _data(
    request: HttpRequest,
    user: User,
    item: ReadingItem,
    report: Report | None,
    studies: Sequence[Study],
    found: Sequence[priors.Prior],
    template: Any,
    suggested: dict[str, str],
    is_open: bool,
) -> dict[str, Any]:
    """What the page's scripts begin with."""
    addendum = reader_inbox.addendum_of(report, user) if report else None
    return {
        "item": item.public_id,
        "path": reverse("reading-item", args=[item.public_id]),
        "revision": item.revision,
        "isOpen": is_open and access.can(user, "report.write"),
        "mayWrite": access.can(user, "report.write"),
        "maySign": access.can(user, "report.sign"),
        "maySupervise": access.can(user, "reading.supervise"),
        "me": {"id": user.public_id, "name": str(user), "username": user.username},
        "patient": {
            "id": item.patient.current.public_id if item.patient else "",
            "name": listing.who(item.patient, studies)[0],
        },
        "what": item.description or item.modality,
        "whose": formats.whose(
            listing.who(item.patient, studies)[0],
            [one.accession_number or one.order.accession_number for one in item.procedures.all()],
        ),
        "studies": [study.study_instance_uid for study in studies],
        "patientStudies": sorted({one.study_instance_uid for one in [*studies, *(p.study for p in found)]}),
        "prior": best.study.study_instance_uid if (best := priors.best(found)) else "",
        "suggested": suggested,
        "draftOf": _draft_of(user, item, report),
        "images": reading_items.image_count(item),
        "report": {
            "id": report.public_id,
            "revision": report.revision,
            "status": report.status,
            "sections": report.sections,
        }
        if report
        else None,
        "addendum": {"kind": addendum.kind, "text": addendum.text, "sections": addendum.sections}
        if addendum
        else None,
        "template": {"name": template.name, "sections": template.sections} if template else None,
        "macros": ReportingSection.current().macros,
        "sections": list(SECTIONS),
        "titles": TITLES,
        "viewer": prior_rows.viewer_path(),
        "sideBySide": prior_rows.SIDE_BY_SIDE,
        "zone": layout.zone_of(request).key,
        "lists": reverse("reading"),
        "next": reverse("reading-next"),
    }


def _text(report: Report | None, begun: dict[str, str], name: str) -> str:
    return str((report.sections if report else begun).get(name, ""))


def _versions(
    item: ReadingItem, report: Report, rows: Sequence[ReportVersion], user: User
) -> list[signed_report.SignedVersion]:
    newest = rows[0] if rows else None
    mine = newest is not None and newest.signed_by_id == user.pk
    undo_until = signatures.undoable_until(newest) if newest is not None and mine else None
    return signed_report.versions(item, report, rows, undo_until)
