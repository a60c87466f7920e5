"""The study page: whose it is, what it fits, its series, and where its reading stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from accounts import access
from accounts.models import User
from archive import archive_events
from archive.models import ExceptionStatus, Import, Outcome, Study, StudyException, Verdict
from archive.reconcile import verdict_record
from archive.reconcile.finding import Finding
from archive.reconcile.reconcile_policy import FIELDS
from ledger import audit, events
from reporting.turnaround import current_stage
from web.kernel import authorization, formats, layout
from web.pages import patients, timelines
from web.pages.exceptions import evidence
from web.pages.record_columns import ORDERS
from worklist.models import Order

MOST_SERIES: Final = 200
MOST_IMPORTS: Final = 5
REPORTS: Final = "web/reading/study_reports.html"

_BANNERS: Final = {
    Outcome.MATCHED: ("green", "These images match a scheduled exam."),
    Outcome.CORRECTED: (
        "green",
        "These images match a scheduled exam after a correction that the policy allows.",
    ),
    Outcome.PENDING: ("", "The study is checked against the schedule once no more images arrive."),
    Outcome.LATE_ORDER: (
        "amber",
        "The order arrived after the images. Confirm that they belong together.",
    ),
    Outcome.PROBABLE: ("amber", "These images probably belong to a scheduled exam. Confirm it."),
    Outcome.AMBIGUOUS: ("amber", "Several scheduled exams could match."),
    Outcome.UNSCHEDULED: ("amber", "No scheduled exam matches these images."),
    Outcome.PHANTOM: ("", "Phantom or test images by the site's rule: nothing to read, linked to nobody."),
    Outcome.MISMATCH: ("magenta", "These images contradict the exam they name: possibly the wrong patient."),
}


@dataclass(frozen=True)
class FindingRow:
    """One field as seen in the images and as expected, and whether they contradict each other.

    Another Study Instance UID than the planned one contradicts nothing: many devices make their own.
    """

    field: str
    seen: str
    expected: str
    differs: bool
    agreement: str


@require_safe
@layout.may("study.view")
def study(request: HttpRequest, uid: str) -> HttpResponse:
    """One study, by its Study Instance UID."""
    user = layout.user_of(request)
    row = _find(request, user, uid)
    authorization.note_reading(request, audit.INSTANCES_ACCESSED, ("study", row.study_instance_uid))
    if row.patient is not None:
        authorization.note_reading(request, audit.PATIENT_RECORD, ("patient", row.patient.current.public_id))
    verdict = Verdict.objects.filter(study=row).order_by("-number").first()
    exception = StudyException.objects.filter(study=row).first()
    series = list(row.series.order_by("id")[: MOST_SERIES + 1])
    with timezone.override(layout.zone_of(request)):
        context = {
            "study": row,
            "patient": patients.header(row.patient, study=row),
            "in_images": _in_images(row),
            "verdict": verdict,
            "banner": _banner(row, exception),
            "why": _reason(verdict),
            "findings": findings(verdict) if verdict else [],
            "is_fine": row.verdict in (Outcome.MATCHED, Outcome.CORRECTED),
            "exception": exception,
            "exception_url": _exception_url(user, exception),
            "decide_url": _decide_url(user, row) if verdict else "",
            "is_open": exception is not None and exception.status == ExceptionStatus.OPEN,
            "order_table": ORDERS.without("patient"),
            "orders": _orders(user, row),
            "imports": _imports(user, row),
            "series": series[:MOST_SERIES],
            "has_more_series": len(series) > MOST_SERIES,
            "viewer": f"/viewer?{urlencode({'StudyInstanceUIDs': row.study_instance_uid})}",
            "study_date": formats.date(row.study_date),
            "places": current_stage.of_study(row),
            "reports_part": REPORTS if _exists(REPORTS) else "",
            "timeline": timelines.of("study", row.public_id, user),
        }
        return layout.page(request, "web/study.html", context)


def _imports(user: User, row: Study) -> list[Import]:
    """Who brought something of it, the newest first; for those who may see imports."""
    if not access.can(user, "study.store"):
        return []
    rows = Import.objects.filter(studies__study_instance_uid=row.study_instance_uid)
    return list(access.visible(rows, user).order_by("-begun_at")[:MOST_IMPORTS])


def findings(verdict: Verdict) -> list[FindingRow]:
    """The evidence of a verdict, field by field, what speaks against it first."""
    rows = [_finding(found) for found in verdict_record.findings(verdict)]
    return sorted((row for row in rows if row.seen or row.expected), key=lambda row: not row.differs)


def _finding(found: Finding) -> FindingRow:
    seen, expected = evidence.shown(found.field, found.seen), evidence.shown(found.field, found.expected)
    return FindingRow(
        field=FIELDS[found.field].title,
        seen=seen.replace("^^^", " "),
        expected=expected.replace("^^^", " "),
        differs=found.contradicts and found.field != "study_instance_uid",
        agreement=evidence.words(found.concordance, found.normaliser, bool(seen), bool(expected)),
    )


def _find(request: HttpRequest, user: User, uid: str) -> Study:
    rows: QuerySet[Study] = Study.objects.select_related("patient__authority", "patient__survivor__authority")
    return authorization.find(rows, access.visible(rows, user), request, study_instance_uid=uid)


def _in_images(row: Study) -> patients.Header | None:
    """Whom the images name, where that is not how the patient's record reads."""
    if row.patient is None:
        return None
    seen, known = patients.of_images(row), patients.short(row.patient)
    same = (seen.names[:1], seen.birth_date, seen.identifier) == (
        known.names[:1],
        known.birth_date,
        known.identifier,
    )
    return None if same else seen


def _banner(study: Study, exception: StudyException | None) -> tuple[str, str] | None:
    """A tone and what the verdict means; once a person has decided, it is history."""
    if exception is not None and exception.resolution:
        return "", "A person has decided about these images."
    return _BANNERS.get(Outcome(study.verdict)) if study.verdict in Outcome.values else None


def _reason(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    rows = events.timeline("study", verdict.study.public_id)
    source = f"verdict:{verdict.public_id}"
    said = [row for row in rows if row.kind == archive_events.VERDICT.kind and row.source == source]
    return str(said[0].details.get("reason") or "") if said else ""


def _decide_url(user: User, row: Study) -> str:
    """Where one decides whose images these are, whatever the verdict."""
    if not access.can(user, "exception.decide"):
        return ""
    return reverse("study-decide", args=[row.study_instance_uid])


def _exception_url(user: User, exception: StudyException | None) -> str:
    if exception is None or exception.status == ExceptionStatus.NONE:
        return ""
    if not access.can(user, "exception.view"):
        return ""
    return timelines.path("exception", exception.public_id)


def _orders(user: User, row: Study) -> Sequence[Order]:
    if not access.can(user, "order.view"):
        return []
    rows = access.visible(Order.objects.filter(procedures__studies=row), user).distinct()
    return list(rows.prefetch_related("procedures__steps").order_by("pk"))


def _exists(template: str) -> bool:
    try:
        get_template(template)
    except TemplateDoesNotExist:
        return False
    return True
