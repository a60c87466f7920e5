"""Outside reports, marked as such, beside the studies, orders and patients that they are of."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts import access
from accounts.models import User
from archive.models import Study
from ledger import audit
from reporting.models import OutsideDocument, OutsideReport, OutsideReportVersion, OutsideStatus
from reporting.reports import outside_reports
from web.kernel import authorization, layout, paging
from worklist.models import Order

_MOST: Final = 20


@dataclass(frozen=True)
class ShownOutsideReport:
    """A report with its newest version, and those before it, the newest first.

    `studies` are those of the report, where that is shown beside something else than these.
    """

    report: OutsideReport
    newest: OutsideReportVersion
    earlier: Sequence[OutsideReportVersion]
    studies: Sequence[Study] | None = None

    @property
    def is_withdrawn(self) -> bool:
        """Whether its sender took it back: it must not be used."""
        return self.newest.status == OutsideStatus.WITHDRAWN


def of_studies(studies: Iterable[Study]) -> list[ShownOutsideReport]:
    """The outside reports of studies, each once."""
    found = {one.pk: one for reports in outside_reports.of_studies(studies).values() for one in reports}
    return [_shown(found[key]) for key in sorted(found)]


def read_of(shown: Iterable[ShownOutsideReport], saved_at: datetime | None) -> list[str]:
    """The ids of the versions that a reader has read: those shown, or what a draft that was saved knew."""
    known = []
    for one in shown:
        versions = [one.newest, *one.earlier]
        known += [version for version in versions if saved_at is None or version.received_at <= saved_at][:1]
    return [version.public_id for version in known]


def of_order(order: Order, user: User) -> list[ShownOutsideReport]:
    """The outside reports that name an order, as far as the user may see them, with their studies."""
    if not access.can(user, "report.view"):
        return []
    mine = access.visible(OutsideReport.objects.all(), user)
    found = outside_reports.of_order(order)
    there = set(mine.filter(pk__in=[one.pk for one in found]).values_list("pk", flat=True))
    return _with_studies([one for one in found if one.pk in there], user)


def of_people(
    request: HttpRequest, user: User, records: Collection[int]
) -> paging.Cut[ShownOutsideReport] | None:
    """The outside reports of patient records, the newest first, with their studies."""
    if not access.can(user, "report.view"):
        return None
    cut = paging.cut(
        request, _of_people(user, records), outside_reports.with_versions, size=_MOST, name="reports"
    )
    return cut.with_rows(_with_studies(cut.rows, user))


def of_others(
    user: User, records: Collection[int], shown: Iterable[ShownOutsideReport]
) -> list[ShownOutsideReport]:
    """The newest outside reports of patient records that are not shown already."""
    rows = _of_people(user, records).exclude(pk__in=[one.report.pk for one in shown])
    return _with_studies(outside_reports.with_versions(rows)[:_MOST], user)


def _of_people(user: User, records: Collection[int]) -> QuerySet[OutsideReport]:
    return access.visible(outside_reports.of_people(records), user)


def _with_studies(rows: Iterable[OutsideReport], user: User) -> list[ShownOutsideReport]:
    """Of a report whose studies are here for others only, nothing is said of them."""
    mine = access.visible(Study.objects.all(), user)
    shown = []
    for one in map(_shown, rows):
        keys = [study.pk for study in outside_reports.studies_of(one.newest)]
        studies = list(mine.filter(pk__in=keys)) if keys else []
        shown.append(replace(one, studies=studies if studies or not keys else None))
    return shown


@require_safe
@layout.may("report.view")
def document(request: HttpRequest, key: str) -> HttpResponse:
    """A document of an outside report, as it came: a PDF is shown, anything else saved."""
    user = layout.user_of(request)
    row = OutsideDocument.objects.select_related("version__patient", "version__report").filter(public_id=key)
    found = row.first()
    if found is None or not _may_see(user, found.version):
        raise Http404("No document of this id is here.")
    authorization.note_reading(request, audit.PATIENT_RECORD, ("patient", found.version.patient.public_id))
    answer = HttpResponse(bytes(found.content), content_type=found.media_type)
    shown = "inline" if found.media_type == "application/pdf" else "attachment"
    answer["Content-Disposition"] = f'{shown}; filename="outside-report-{found.public_id}"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _may_see(user: User, version: OutsideReportVersion) -> bool:
    """Whether the report is of a facility of the user's."""
    return access.visible(OutsideReport.objects.filter(pk=version.report_id), user).exists()


def _shown(report: OutsideReport) -> ShownOutsideReport:
    newest, *earlier = report.versions.all()
    return ShownOutsideReport(report, newest, earlier)
