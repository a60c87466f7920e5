"""Rechecks: something changed under a signed report, and its signer says whether the report still holds."""

from typing import Final

from accounts.actor import Actor
from ledger import clock, events
from reporting import reporting_events
from reporting.errors import StateConflict
from reporting.models import ReadingItem, Recheck, RecheckOutcome, Report, VersionKind
from reporting.reading_worklist import reading_items, reading_status
from reporting.reports import distribution, drafts, frozen_identity, report_versions
from reporting.reports.frozen_identity import Whose
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
    if words := obstacle(item):
        raise StateConflict(words, "patient")
    recheck.confirmed = report_versions.patient_of(item)
    _close(item, recheck, RecheckOutcome.STILL_VALID, by, note)
    item.seen_images = reading_items.image_count(item)
    item.begun_key, item.begun_for = "", None
    item.save(update_fields=["seen_images", "begun_key", "begun_for"])
    out = distribution.newest_released(Report.objects.get(item=item))
    if out is not None:
        version_confirmed.send(sender=None, version=out)
    drafts.note(by, Report.objects.get(item=item), "Recheck closed: the report still stands")


def obstacle(item: ReadingItem) -> str:
    """Why no word makes the report hold as it is: it was signed for somebody else. Empty where one does."""
    version = report_versions.newest(item)
    if version is None:
        return ""
    named = frozen_identity.of_version(version)
    if frozen_identity.to_item(named, item) is not Whose.OTHER:
        return ""
    return (
        f"it was signed for {person_names.called(named['name'], named['identifier'])}: correct or retract it"
    )


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
