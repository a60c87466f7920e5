"""The signed report of a prior, to be read beside the draft."""

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from reporting.models import ReportHeading, ReportVersion
from reporting.reading_worklist import reader_inbox
from reporting.rendering import composition, signed_identity
from web.kernel import layout
from web.pages.reading import report_editor


@require_safe
@layout.may("report.view")
def prior_report(request: HttpRequest, key: str, prior: str) -> HttpResponse:
    """The newest text of `prior`, an item of the patient whose item `key` is read."""
    user = layout.user_of(request)
    reading = report_editor.find(request, user, key)
    item = report_editor.find(request, user, prior)
    if not reader_inbox.items_of_patient(reading, user).filter(pk=item.pk).exists():
        raise Http404("It is no exam of this patient.")
    rows = ReportVersion.objects.filter(report__item=item, undone_at=None).select_related("report")
    version = rows.order_by("-number").first()
    if version is None:
        raise Http404("The exam has no signed report.")
    report_editor.note(request, item)
    document = composition.compose(version)
    titles = dict(ReportHeading.choices)
    with timezone.override(layout.zone_of(request)):
        context = {
            "reading": reading,
            "item": item,
            "document": document,
            "sections": [(titles[name], text) for name, text in document.sections.items() if text.strip()],
            "renamed": signed_identity.notice(document.signed_for, version.report),
            "is_retracted": version.kind == "retraction",
        }
        return layout.page(request, "web/reading/prior_report.html", context)
