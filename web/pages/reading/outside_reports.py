"""Outside reports, marked as such: beside the studies that they are of, and their documents."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts import access
from accounts.models import User
from archive.models import Study
from ledger import audit
from reporting.models import OutsideDocument, OutsideReport, OutsideReportVersion, OutsideStatus
from reporting.reports import outside_reports
from web.kernel import authorization, layout


@dataclass(frozen=True)
class ShownOutsideReport:
    """A report with its newest version, and those before it, the newest first."""

    report: OutsideReport
    newest: OutsideReportVersion
    earlier: Sequence[OutsideReportVersion]

    @property
    def is_withdrawn(self) -> bool:
        """Whether its sender took it back: it must not be used."""
        return self.newest.status == OutsideStatus.WITHDRAWN


def of_studies(studies: Iterable[Study]) -> list[ShownOutsideReport]:
    """The outside reports of studies, each once."""
    found = {one.pk: one for reports in outside_reports.of_studies(studies).values() for one in reports}
    return [_shown(found[key]) for key in sorted(found)]


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
