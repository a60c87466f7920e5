"""The job that lets a signed version go out, once its signer can't take it back any more."""

from typing import Any, Final

from ledger import clock, events, jobs
from reporting import reporting_events
from reporting.models import ReportVersion
from reporting.reading_worklist import reading_status
from reporting.signals import version_released

KIND: Final = "reporting.release"
RENDER: Final = "reporting.render"


def register() -> None:
    """Say how versions are released; called from `AppConfig.ready()`."""
    jobs.register(KIND, jobs.Handler(apply=apply, words="Release a report"))


def apply(claim: jobs.Claim, prepared: Any) -> None:
    """Mark a version as released and tell those above, unless it was undone."""
    version = ReportVersion.objects.select_related("report__item").filter(public_id=claim.key).first()
    if version is None:
        return
    reading_status.lock(version.report.item)
    version = (
        ReportVersion.objects.select_for_update(of=("self",))
        .select_related("report__item", "signed_by")
        .get(pk=version.pk)
    )
    if version.undone_at is not None or version.released_at is not None:
        return
    version.released_at = clock.now()
    version.save(update_fields=["released_at"])
    events.record(reporting_events.RELEASED, about=things(version), source=f"version:{version.public_id}")
    jobs.enqueue(RENDER, version.public_id)
    version_released.send(sender=None, version=version)


def things(version: ReportVersion) -> list[events.Thing]:
    """What an event about a version is about."""
    return [("report", version.report.public_id), *reading_status.things(version.report.item)]
