"""Signing: stand by one's words in one gesture, and never sign the wrong thing.

One transaction makes the immutable version, chains it, and changes the status; what goes out is made later by
jobs from that version, so that a full disk or a dead peer can't block a signature.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from accounts.actor import Actor
from archive.models import ReadingStatus
from ledger import audit, clock, events, jobs
from ledger.errors import Forbidden, Invalid
from reporting import reporting_events
from reporting.errors import Block, StateConflict
from reporting.models import (
    SECTIONS,
    AddendumDraft,
    Dictation,
    DictationState,
    ReadingItem,
    Report,
    ReportStatus,
    ReportVersion,
    VersionKind,
)
from reporting.reading_worklist import assignment, reading_items, reading_status
from reporting.reporting_section import ReportingSection
from reporting.reports import (
    drafts,
    rechecks,
    release_job,
    report_versions,
    retraction,
    side_check,
    signing_checks,
)
from reporting.reports.signing_checks import NOTHING_TOLD, Shown
from worklist.models import Patient

_STATUS_AFTER: Final[Mapping[str, tuple[str, str]]] = {
    VersionKind.PRELIMINARY: (ReportStatus.PRELIMINARY, ReadingStatus.PRELIMINARY),
    VersionKind.FINAL: (ReportStatus.FINAL, ReadingStatus.FINAL),
    VersionKind.ADDENDUM: (ReportStatus.AMENDED, ReadingStatus.AMENDED),
    VersionKind.CORRECTION: (ReportStatus.AMENDED, ReadingStatus.AMENDED),
    VersionKind.RETRACTION: (ReportStatus.RETRACTED, ReadingStatus.WITHDRAWN),
}
_DONE_WITH: Final = (DictationState.TYPED, DictationState.RETURNED)
"""Dictations that a signature closes; what still waits for a typist is typed all the same."""


def sign(
    *,
    report: Report,
    by: Actor,
    revision: int,
    kind: str = VersionKind.FINAL,
    idempotency_key: str = "",
    overrides: Mapping[str, str] | None = None,
    shown: Shown = NOTHING_TOLD,
) -> ReportVersion:
    """Sign what is on the screen: the report as preliminary or final, or the signer's open addendum.

    The caller has checked the password. Asking again under the same idempotency key gives the same version.
    Raises `StateConflict` with all `blocks` where something stands in the way, "stale_revision" where the
    text is another by now, "held" where another person writes on it; `Forbidden` without the right.
    """
    by.require("report.sign_preliminary", report.item)
    report = drafts.locked(report)
    if idempotency_key:
        there = ReportVersion.objects.filter(report=report, idempotency_key=idempotency_key).first()
        if there is not None:
            return there
    if kind not in (VersionKind.PRELIMINARY, VersionKind.FINAL):
        raise Invalid("a report is signed as preliminary or as final", "kind")
    draft = _open_draft(report, by)
    kind = draft.kind if draft else kind
    if kind != VersionKind.PRELIMINARY:
        by.require("report.sign", report.item)
    _check_state(report, draft, by, revision)
    found = _blocks(report, draft, shown)
    overrides = {code: text.strip()[:500] for code, text in (overrides or {}).items() if text.strip()}
    if remaining := signing_checks.left(found, overrides):
        text = "; ".join(block.text for block in remaining)
        raise StateConflict(text, remaining[0].code, blocks=remaining)
    used = {block.code: overrides[block.code] for block in found if block.code in overrides}
    version = _make(report, draft, kind, by, idempotency_key, used)
    _apply(report, draft, version, by)
    words = reporting_events.SIGNED[VersionKind(version.kind)].say({"version": version.number})
    drafts.note(by, report, words)
    return version


def preview(
    *, report: Report, by: Actor, kind: str = VersionKind.FINAL, shown: Shown = NOTHING_TOLD
) -> tuple[str, list[Block]]:
    """What `sign` would make, and all that would stand in its way; nothing is changed.

    Raises `StateConflict` and `Forbidden` as `sign` does, but for the revision.
    """
    by.require("report.sign_preliminary", report.item)
    draft = _open_draft(report, by)
    kind = draft.kind if draft else kind
    if kind != VersionKind.PRELIMINARY:
        by.require("report.sign", report.item)
    _check_state(report, draft, by, report.revision)
    audit.note_reading(by, audit.PATIENT_RECORD, ("report", report.public_id))
    return kind, _blocks(report, draft, shown)


def undo(*, version: ReportVersion, by: Actor) -> Report:
    """Take a signature back before it went out; the version stays in the chain, marked as never released."""
    by.require("report.sign_preliminary", version.report.item)
    report = drafts.locked(version.report)
    version = ReportVersion.objects.select_for_update().get(pk=version.pk)
    if version.signed_by_id != by.person.pk:
        raise Forbidden("only its signer can take a signature back")
    if version.undone_at is not None:
        raise StateConflict("the signature is taken back already", "undone")
    if version.released_at is not None or version.release_at <= clock.now():
        raise StateConflict("it went out already; add an addendum or a correction", "released")
    if ReportVersion.objects.filter(report=report, number__gt=version.number).exists():
        raise StateConflict("a later version depends on it", "later_version")
    now = clock.now()
    version.undone_at, version.undone_by = now, str(by)[:200]
    version.save(update_fields=["undone_at", "undone_by"])
    before = version.before
    report.status, report.revision = before["report_status"], report.revision + 1
    if before.get("sections") is not None:
        report.sections = before["sections"]
    report.save()
    if before.get("draft"):
        AddendumDraft.objects.filter(public_id=before["draft"]).update(is_open=True)
    for public_id, state in before.get("dictations", {}).items():
        Dictation.objects.filter(public_id=public_id).update(state=state)
    item = reading_status.lock(report.item)
    retraction.undo_successor(item, before)
    _ask_again(item, before)
    reading_status.restore(
        item, before["item"], actor=by, event=reporting_events.SIGNATURE_UNDONE, version=version.number
    )
    drafts.note(by, report, reporting_events.SIGNATURE_UNDONE.say({"version": version.number}))
    return report


def _ask_again(item: ReadingItem, before: Mapping[str, Any]) -> None:
    """A question that a reason had passed by stands again."""
    if not before.get("question") or item.patient_question:
        return
    item.patient_question, item.begun_key = before["question"], before["begun_key"]
    item.begun_for = Patient.objects.filter(public_id=before["begun_for"]).first()
    item.save(update_fields=["patient_question", "begun_key", "begun_for"])


def undoable_until(version: ReportVersion) -> datetime | None:
    """Until when a signature can be taken back; None where it can't any more."""
    if version.undone_at or version.released_at or version.release_at <= clock.now():
        return None
    return version.release_at


# Steps of a signature


def _open_draft(report: Report, by: Actor) -> AddendumDraft | None:
    if not report.is_signed:
        return None
    draft = AddendumDraft.objects.filter(report=report, author=by.person, is_open=True).first()
    if draft is None:
        raise StateConflict("it is signed already; draft an addendum first", "signed")
    return draft


def _check_state(report: Report, draft: AddendumDraft | None, by: Actor, revision: int) -> None:
    if draft is None and (lease := assignment.held_by_other(report.item, by.person)) is not None:
        raise StateConflict(f"{lease.holder} writes on it now", "held", changed={"holder": str(lease.holder)})
    if revision != report.revision:
        raise StateConflict(
            f"{report.changed_by} saved revision {report.revision} meanwhile; read it before you sign",
            "stale_revision",
            changed={"revision": report.revision, "by": str(report.changed_by), "sections": report.sections},
        )
    if draft is None and report.item.status not in reading_status.OPEN:
        raise StateConflict(f"the item is {report.item.status}", "status")


def _blocks(report: Report, draft: AddendumDraft | None, shown: Shown) -> list[Block]:
    if draft is None:
        found = _of_text(report, report.sections)
        text = drafting_text(report.sections)
        if shown.text_sha256 is not None and shown.text_sha256 != hashlib.sha256(text.encode()).hexdigest():
            found.append(Block("text_changed", "the saved text is not the one on the screen"))
        return found + signing_checks.of_item(report.item, shown)
    if draft.kind == VersionKind.RETRACTION:
        return signing_checks.of_addendum(draft.text)
    is_correction = draft.kind == VersionKind.CORRECTION
    found = _of_text(report, draft.sections) if is_correction else signing_checks.of_addendum(draft.text)
    found += signing_checks.of_item(report.item, shown)
    return found + signing_checks.of_amendment(report.item, draft.kind)


def _of_text(report: Report, sections: Mapping[str, str]) -> list[Block]:
    of_text = signing_checks.of_text(sections, report.template)
    of_text += signing_checks.of_comparison(report.item, sections)
    return of_text + side_check.of_side(report.item, sections)


def drafting_text(sections: Mapping[str, str]) -> str:
    """The text of which a page sends the SHA-256: the sections in their order, parted by U+001E."""
    return "\x1e".join(sections.get(name, "") for name in SECTIONS)


def _make(
    report: Report,
    draft: AddendumDraft | None,
    kind: str,
    by: Actor,
    idempotency_key: str,
    overrides: Mapping[str, str],
) -> ReportVersion:
    newest = ReportVersion.objects.filter(report=report).order_by("-number").first()
    now = clock.now()
    number = newest.number + 1 if newest else 1
    template = report.template
    content = report_versions.canonical(
        {
            "format": report_versions.FORMAT,
            "kind": kind,
            "number": number,
            "sections": draft.sections if draft and draft.kind == VersionKind.CORRECTION else report.sections,
            "text": draft.text if draft else "",
            "class_of_change": draft.class_of_change if draft else "",
            "changes_care": draft.changes_care if draft else False,
            "header": report_versions.header(report),
            "author": report_versions.person(draft.author if draft else report.author),
            "signer": report_versions.person(by.person),
            "signed_at": now.isoformat(),
            "template": {"name": template.name, "version": template.version} if template else None,
            "overrides": dict(overrides),
        }
    )
    previous = newest.sha256 if newest else ""
    return ReportVersion.objects.create(
        report=report,
        number=number,
        kind=kind,
        content=content,
        previous_sha256=previous,
        sha256=report_versions.chained(previous, content),
        signed_by=by.person,
        signed_at=now,
        idempotency_key=idempotency_key[:100],
        before=_before(report, draft),
        release_at=now + _undo_window(report.item, kind),
    )


def _before(report: Report, draft: AddendumDraft | None) -> dict[str, Any]:
    done = Dictation.objects.filter(item=report.item, state__in=_DONE_WITH)
    return {
        "report_status": report.status,
        "item": reading_status.snapshot(report.item),
        "sections": report.sections if draft and draft.kind == VersionKind.CORRECTION else None,
        "draft": draft.public_id if draft else "",
        "dictations": dict(done.values_list("public_id", "state")),
        "key": report.item.key,
        "question": report.item.patient_question,
        "begun_key": report.item.begun_key,
        "begun_for": report.item.begun_for.public_id if report.item.begun_for else "",
    }


def _undo_window(item: ReadingItem, kind: str) -> timedelta:
    """How long a signature can be taken back: not at all where somebody waits for it."""
    if kind == VersionKind.PRELIMINARY or item.band == 0:
        return timedelta(0)
    return timedelta(seconds=ReportingSection.current().undo_seconds)


def _apply(report: Report, draft: AddendumDraft | None, version: ReportVersion, by: Actor) -> None:
    item = report.item
    report.status, item_status = _STATUS_AFTER[version.kind]
    report.revision += 1
    if draft is not None:
        AddendumDraft.objects.filter(pk=draft.pk).update(is_open=False)
        if draft.kind == VersionKind.CORRECTION:
            report.sections = draft.sections
    report.save()
    Dictation.objects.filter(item=item, state__in=_DONE_WITH).update(state=DictationState.CLOSED)
    item.seen_images = reading_items.image_count(item)
    item.patient_question = item.hold_reason = item.hold_note = ""
    item.begun_key, item.begun_for = "", None  # from now on it is of the patient and the order of this moment
    event = reporting_events.SIGNED[VersionKind(version.kind)]
    details: dict[str, Any] = {
        "version": version.number,
        "sha256": version.sha256,
        "report": report.public_id,
    }
    if item.status == item_status:
        item.revision += 1
        item.save()
        about = [("report", report.public_id), *reading_status.things(item)]
        events.record(event, about=about, occurred_at=version.signed_at, actor=by, **details)
    else:
        reading_status.change(item, item_status, at=version.signed_at, actor=by, event=event, **details)
    if version.kind == VersionKind.RETRACTION:
        retraction.succeed(item)
    elif lease := assignment.lease_of(item):
        lease.until = version.signed_at
        lease.save(update_fields=["until"])
    rechecks.answer(item, version.kind, by)
    window = version.release_at > version.signed_at
    jobs.enqueue(release_job.KIND, version.public_id, not_before=version.release_at if window else None)
