"""The undo of a decision: everything is as it was before it, or as the verdict has it that came since."""

from datetime import UTC
from typing import Final

from django.utils import timezone

from accounts.actor import Actor
from archive.decisions import decision_type
from archive.decisions.decision_frame import (
    check_revision,
    check_waiting,
    locked,
    names_of,
    record,
    refuse_if_signed,
)
from archive.decisions.snapshot import Snapshot, restore_exception
from archive.models import Decision, Hidden, Outcome, Study, StudyException, Verdict
from archive.reconcile import apply_verdict, reconcile_job
from archive.rejections import rejected_objects
from archive.signals import study_reconciled, study_settled
from ledger import written_dates
from ledger.errors import Conflict, Decided
from worklist.models import Patient, RequestedProcedure


class Undo:
    """The undo beside the decisions: its kind, key and words."""

    kind: Final = "undo"
    key: Final = "u"
    title: Final = "Undo"
    does: Final = "Undo the latest decision."
    done: Final = "as it was before the decision"
    do_not_call_in_templates: Final = True


def undo(
    *,
    exception: StudyException,
    reason: str,
    by: Actor,
    decision: Decision | None = None,
    expected: int | None = None,
    asked_by: str = "",
) -> Decision:
    """Undo the newest decision on a study that stands, in full; or `decision`, if none later depends on it.

    With `expected` it is undone only if nobody has decided since that `revision` was seen. Under a signed
    report `by` is the second person, and `asked_by` the first; raises `SecondPersonNeeded` without one.

    If the verdict is still that which the decision was made on, everything is as it was before it; otherwise
    it is as the newest verdict has it.
    """
    by.require("exception.decide", exception.study)
    study = locked(exception.study, reason)
    check_revision(study, expected)
    check_waiting(study)
    live = list(apply_verdict.live_decisions(study))
    target = _target(live, decision)
    if not asked_by and _takes_away(target):
        refuse_if_signed(study)
    before = apply_verdict.linked(study)
    decision_type.of(target).take_back(target, study, reason=reason, by=by)
    Decision.objects.filter(pk=target.pk).update(
        undone_at=timezone.now(), undone_by=names_of(by, asked_by), undo_reason=reason
    )
    target.refresh_from_db()
    _restore(study, target, live[:-1])
    record(study, decision_type.of(target).undone, reason, by, target)
    _tell(study, before, f"decision:{target.public_id}")
    return target


def _target(live: list[Decision], wanted: Decision | None) -> Decision:
    if not live:
        raise Conflict("no decision on this study stands", "decision")
    newest = live[-1]
    if wanted is None or wanted.pk == newest.pk:
        return newest
    if wanted.pk not in {one.pk for one in live}:
        raise Conflict("the decision is undone already", "decision")
    at = written_dates.zoned(newest.at, UTC)
    raise Decided(f"{newest.kind} by {newest.by} at {at} depends on it", "decision", newest.public_id)


def _takes_away(target: Decision) -> bool:
    """Whether the undo takes the study, or a part of it, from the one of whom its reports tell."""
    decided = decision_type.of(target)
    if decided.needs_one_person:
        return False
    return not decided.pins or any(
        target.after[name] != target.before[name] for name in ("patient", "hidden")
    )


def _restore(study: Study, target: Decision, live: list[Decision]) -> None:
    """Bring back what was before a decision, or what the verdict has come to since."""
    before, verdict = Snapshot.from_json(target.before), apply_verdict.newest(study)
    pins = decision_type.of(target).pins
    study.hidden = before.hidden if before.hidden == Hidden.JOINED else rejected_objects.hidden_of(study)
    others = [one for one in live if one.kind != "reject"]  # which pins nothing beside a repeat
    is_same = bool(others) or verdict.number == before.verdict or not pins
    if is_same or not _follow(study, verdict):
        patient = Patient.objects.filter(public_id=before.patient).first() if before.patient else None
        procedures = RequestedProcedure.objects.filter(public_id__in=before.procedures)
        apply_verdict.set_links(study, patient, list(procedures))
    study.save(update_fields=["patient", "hidden"])
    restore_exception(study, before.exception)
    if pins:
        apply_verdict.settle_exception(study, verdict, apply_verdict.pinning(study))
    else:
        reconcile_job.judge_now(study)


def _follow(study: Study, verdict: Verdict) -> bool:
    """Let the newest verdict decide, unless the study is being read by now."""
    if verdict.outcome not in apply_verdict.MATCHES and study.reading_status not in apply_verdict.NOT_BEGUN:
        return False
    apply_verdict.follow(study, verdict)
    return True


def _tell(study: Study, before: frozenset[int], origin: str) -> None:
    """Tell those above what is linked no longer, and what is linked again."""
    apply_verdict.tell_linked(study, before, origin)
    if apply_verdict.linked(study) - before:
        outcome = Outcome(study.verdict).value
        study_reconciled.send(sender=None, study=study, outcome=outcome, origin_text=origin)
    study_settled.send(sender=None, study=study)
