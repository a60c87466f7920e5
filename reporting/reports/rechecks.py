"""Rechecks: something changed under a signed report, and its signer says whether the report still holds."""

from typing import Final

from accounts.actor import Actor
from ledger import clock, events
from reporting import reporting_events
from reporting.errors import StateConflict
from reporting.models import ReadingItem, Recheck, RecheckOutcome, Report, VersionKind
from reporting.reading_worklist import reading_items, reading_status
from reporting.reports import distribution, drafts, report_versions
from reporting.signals import version_confirmed
from worklist.patients import person_names

_OUTCOMES: Final = {
    VersionKind.ADDENDUM: RecheckOutcome.ADDENDUM,
    VersionKind.CORRECTION: RecheckOutcome.CORRECTION,
    VersionKind.RETRACTION: RecheckOutcome.RETRACTION,
}


def still_valid(*, recheck: Recheck, by: Actor, note: str = "") -> None:
    """The signer says that the report holds as it is; those above hear of it.

    Raises `StateConflict` for a report that was signed for somebody else than the patient whose it is now:
    that only a correction or a retraction answers.
    """
    by.require("report.sign", recheck.item)
    item = reading_status.lock(recheck.item)
    recheck = Recheck.objects.select_for_update().get(pk=recheck.pk)
    if recheck.closed_at is not None:
        raise StateConflict("it is closed already", "status")
    version = distribution.newest_released(Report.objects.get(item=item))
    if version is not None and not report_versions.is_of(version, item.patient):
        whose = report_versions.content_of(version)["header"]["patient"]
        name = person_names.called(whose["name"], whose["identifier"])
        raise StateConflict(f"it was signed for {name}: correct or retract it", "patient")
    _close(item, recheck, RecheckOutcome.STILL_VALID, by, note)
    if version is not None:
        version_confirmed.send(sender=None, version=version)
    item.seen_images = reading_items.image_count(item)
    item.save(update_fields=["seen_images"])
    drafts.note(by, Report.objects.get(item=item), "Recheck closed: the report still stands")


def _close(item: ReadingItem, recheck: Recheck, outcome: str, by: Actor, note: str = "") -> None:
    recheck.outcome, recheck.closed_at = outcome, clock.now()
    recheck.closed_by, recheck.note = str(by)[:200], note[:500]
    recheck.save()
    events.record(
        reporting_events.RECHECK_CLOSED,
        about=reading_status.things(item),
        actor=by,
        outcome=outcome,
        note=note[:500],
    )


def answer(item: ReadingItem, kind: str, by: Actor) -> None:
    """Close what is open by a version of this kind, which says what its signer made of it."""
    if kind not in _OUTCOMES:
        return
    for recheck in Recheck.objects.filter(item=item, closed_at=None):
        _close(item, recheck, _OUTCOMES[VersionKind(kind)], by)
