"""What an outside report answers need not be read again, where its source's policy says so."""

from typing import Any

from archive.models import ReadingStatus, Study
from reporting import reporting_events
from reporting.models import OutsideReportVersion, ReadingItem
from reporting.reading_worklist import reading_items, reading_status
from reporting.reports import outside_reports
from reporting.reports.outside_reports import READ_OUTSIDE, OutsideReportUpdate
from worklist.provenance import Provenance


def take(update: OutsideReportUpdate, patient: int, provenance: Provenance) -> OutsideReportVersion:
    """Keep a version of an outside report, and bring the items of its studies in line with it."""
    before = outside_reports.current(update)
    version = outside_reports.take(update, patient, provenance)
    versions = [version, before] if before else [version]
    studies = {study.pk for one in versions for study in outside_reports.studies_of(one)}
    rows = Study.objects.select_for_update(of=("self",)).filter(pk__in=studies)
    for study in rows.order_by("study_instance_uid"):
        follow_study(None, study=study)
    return version


def follow_study(sender: object, *, study: Study, **others: Any) -> None:
    """Withdraw what nobody has begun and a report answers; bring it back where that was taken back."""
    items = ReadingItem.objects.filter(
        studies=study, status__in=(ReadingStatus.READY, ReadingStatus.WITHDRAWN)
    )
    keys = list(items.order_by("pk").values_list("pk", flat=True))
    if not keys:
        return
    report = outside_reports.answering(study)
    for key in keys:
        item = ReadingItem.objects.select_for_update(of=("self",)).get(pk=key)
        is_answered = item.withdrawn_reason.startswith(READ_OUTSIDE)
        if report and item.status == ReadingStatus.READY and not reading_items.is_begun(item):
            item.withdrawn_reason = f"{READ_OUTSIDE}{report.sender}"[:200]
            event, reason = reporting_events.WITHDRAWN, item.withdrawn_reason
            reading_status.change(item, ReadingStatus.WITHDRAWN, event=event, reason=reason)
        elif report is None and item.status == ReadingStatus.WITHDRAWN and is_answered:
            reading_status.change(item, ReadingStatus.READY, event=reporting_events.READY)
