"""Decisions under a signed report: one person asks, another one who may decide confirms or declines.

Until then nothing of the study changes but that it is an open exception, and so under investigation.
"""

from collections.abc import Sequence
from typing import Final

from django.db import transaction
from django.utils import timezone

from accounts.actor import Actor
from archive.decisions import decision_frame, decision_type, preview
from archive.decisions import undo as undoing
from archive.decisions.decision_frame import SecondPersonNeeded, locked, revision
from archive.decisions.decision_type import DecisionType
from archive.decisions.effects import Effect
from archive.decisions.snapshot import ExceptionState, restore_exception
from archive.models import Decision, DecisionRequest, RequestState, Study, StudyException
from archive.reconcile import apply_verdict
from ledger import audit, events
from ledger.errors import Conflict
from ledger.event_types import EventType, declare

ASKED = declare(
    "study.decision.asked", "Waits for a second person: {what}", short="waits for a second person"
)
DECLINED = declare(
    "study.decision.declined", "Declined by a second person: {what}", short="decision declined"
)


class Confirm:
    """The confirmation beside the decisions: its kind, key and words."""

    kind: Final = "confirm"
    key: Final = "y"
    title: Final = "Confirm"
    does: Final = "Confirm, as the second person, what is asked for."
    done: Final = "decided on, as requested"
    do_not_call_in_templates: Final = True


class Decline:
    """The refusal of it; who asked takes it back so."""

    kind: Final = "decline"
    key: Final = "N"
    title: Final = "Decline"
    does: Final = "Leave the study as it is."
    done: Final = "left as it was"
    do_not_call_in_templates: Final = True


def decide(
    decision: DecisionType, *, study: Study, reason: str, by: Actor, expected: int | None = None
) -> Decision | DecisionRequest:
    """Decide, or ask a second person to confirm it; raises as `decision_frame.decide` does."""
    try:
        with transaction.atomic():
            return decision_frame.decide(decision, study=study, reason=reason, by=by, expected=expected)
    except SecondPersonNeeded:
        effects = preview.preview(decision, study=study, reason=reason, by=by, expected=expected)
        return _ask(study, decision.kind, decision.names(), effects, reason, by)


def undo(
    *,
    exception: StudyException,
    reason: str,
    by: Actor,
    decision: Decision | None = None,
    expected: int | None = None,
) -> Decision | DecisionRequest:
    """Undo, or ask a second person to confirm it; raises as `undo.undo` does."""
    values = {"exception": exception, "reason": reason, "by": by, "expected": expected}
    try:
        with transaction.atomic():
            return undoing.undo(**values, decision=decision)  # type: ignore[arg-type]
    except SecondPersonNeeded:
        effects = preview.preview_undo(**values)  # type: ignore[arg-type]
        return _ask(exception.study, undoing.Undo.kind, {}, effects, reason, by)


def confirm(*, request: DecisionRequest, reason: str, by: Actor) -> Decision:
    """Carry out what another person asked for; raises `Conflict` for that person, and as deciding does."""
    study, request = _taken(request, reason, by)
    if request.user_id == by.person.pk:
        raise Conflict(f"{request.by} asked for it: another person has to confirm it", "by")
    _end(study, request, RequestState.CONFIRMED, reason, by)
    seen = {"reason": request.reason, "by": by, "expected": request.revision, "asked_by": request.by}
    if request.kind == undoing.Undo.kind:
        return undoing.undo(exception=StudyException.objects.get(study=study), **seen)  # type: ignore[arg-type]
    decision = decision_type.named(request.kind, request.names, by.person)
    return decision_frame.decide(decision, study=study, **seen)  # type: ignore[arg-type]


def decline(*, request: DecisionRequest, reason: str, by: Actor) -> DecisionRequest:
    """Leave all as it was; who asked takes it back so."""
    study, request = _taken(request, reason, by)
    _end(study, request, RequestState.DECLINED, reason, by)
    apply_verdict.settle_exception(study, apply_verdict.newest(study), apply_verdict.pinning(study))
    _record(DECLINED, request, reason, by)
    return request


def preview_confirmation(*, request: DecisionRequest, by: Actor) -> list[Effect]:
    """What a confirmation would do, in words; raises what confirming raises."""
    return preview.tried(request.study, lambda: confirm(request=request, reason="preview", by=by))


def preview_decline(*, request: DecisionRequest, by: Actor) -> list[Effect]:
    """What declining does: nothing."""
    by.require("exception.decide", request.study)
    return [Effect("study", "Nothing changes: the study stays as it is")]


def waiting(study: Study) -> DecisionRequest | None:
    """What waits for a second person."""
    return DecisionRequest.objects.filter(study=study, state=RequestState.WAITING).first()


def _ask(
    study: Study, kind: str, names: dict[str, object], effects: Sequence[Effect], reason: str, by: Actor
) -> DecisionRequest:
    study = locked(study, reason)
    row = StudyException.objects.filter(study=study).first()
    before = vars(ExceptionState.of(row)) if row else None
    request = DecisionRequest.objects.create(
        study=study,
        kind=kind,
        names=names,
        reason=reason,
        revision=revision(study),
        effects=[effect.text for effect in effects],
        exception_before=before,
        user=by.person,
        by=str(by)[:200],
    )
    row = row or StudyException(study=study)
    apply_verdict.open_now(row, apply_verdict.newest(study))
    row.save()
    _record(ASKED, request, reason, by)
    return request


def _taken(request: DecisionRequest, reason: str, by: Actor) -> tuple[Study, DecisionRequest]:
    """The study and what waits on it, locked."""
    by.require("exception.decide", request.study)
    study = locked(request.study, reason)
    request = DecisionRequest.objects.select_for_update().get(pk=request.pk)
    if request.state != RequestState.WAITING:
        raise Conflict(f"it is {request.state} already, by {request.ended_by}", "state")
    return study, request


def _end(study: Study, request: DecisionRequest, state: RequestState, reason: str, by: Actor) -> None:
    request.state, request.end_reason = state, reason
    request.ended_at, request.ended_by = timezone.now(), str(by)[:200]
    request.save()
    before = request.exception_before
    restore_exception(study, None if before is None else ExceptionState(**before))


def _record(event: EventType, request: DecisionRequest, reason: str, by: Actor) -> None:
    study = request.study
    what = request.kind.replace("_", " ")
    about = [("study", study.public_id)]
    events.record(
        event, about=about, actor=by, source=f"decision:{request.public_id}", reason=reason, what=what
    )
    act = event.say({"what": what, "reason": reason})
    audit.note(by, audit.INSTANCES_ACCESSED, audit.UPDATE, ("study", study.study_instance_uid), act=act)
