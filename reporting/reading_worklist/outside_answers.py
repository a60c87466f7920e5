"""What an outside report answers need not be read again, where its source's policy says so."""

from collections.abc import Collection
from typing import Any

from archive.models import ReadingStatus, Study
from reporting import reporting_events
from reporting.models import OutsideReportVersion, OutsideStatus, ReadingItem
from reporting.reading_worklist import reading_items, reading_status
from reporting.reports import outside_reports, whose_outside_report
from reporting.reports.outside_reports import ANSWERS, READ_OUTSIDE, OutsideReportUpdate
from worklist.change_set import Registration
from worklist.provenance import Provenance


def take(
    update: OutsideReportUpdate, patient: int, said: Registration, provenance: Provenance
) -> OutsideReportVersion:
    """Keep a version of an outside report, and bring the items of its studies in line with it.

    Signers are asked where one was corrected or withdrawn, or says something else, after their signature.
    Raises `OrderOfAnother` where it names what is another patient's than the one of `said`.
    """
    whose_outside_report.check(update, patient, said)
    before = outside_reports.current(update)
    version = outside_reports.take(update, patient, provenance)
    versions = [version, before] if before else [version]
    studies = {study.pk for one in versions for study in outside_reports.studies_of(one)}
    rows = Study.objects.select_for_update(of=("self",)).filter(pk__in=studies)
    for study in rows.order_by("study_instance_uid"):
        follow_study(None, study=study)
    if version.is_current and before != version and _is_taken_back(version, before):
        _ask_signers(studies)
    return version


def _is_taken_back(version: OutsideReportVersion, before: OutsideReportVersion | None) -> bool:
    """Whether what one may have relied on counts no more."""
    if version.status in (OutsideStatus.CORRECTED, OutsideStatus.WITHDRAWN):
        return True
    return before is not None and before.status in ANSWERS and before.text != version.text


def _ask_signers(studies: Collection[int]) -> None:
    """Locks what is open too: a signature at the same time is before this, or it meets the new version."""
    rows = ReadingItem.objects.filter(pk__in=ReadingItem.objects.filter(studies__in=studies).values("pk"))
    for item in rows.select_for_update(of=("self",)).order_by("pk"):
        if item.status in reading_status.SIGNED:
            reading_items.raise_recheck(item, reading_items.OUTSIDE_CHANGED)


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
