"""What all decisions have in common: the lock, the exception that takes them, what is kept of them."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from django.db import connection

from accounts.actor import Actor
from archive import archive_events
from archive.models import (
    Decision,
    DecisionKind,
    ExceptionStatus,
    Hidden,
    ReadingStatus,
    Study,
    StudyException,
    Verdict,
)
from archive.reconcile import apply_verdict
from archive.signals import study_reconciled, study_settled
from ledger import audit, events
from ledger.errors import Conflict, Invalid, Missing
from ledger.event_types import EventType
from worklist.models import Patient, RequestedProcedure

_LINKING: Final = frozenset({DecisionKind.LINK, DecisionKind.CORRECT, DecisionKind.CREATE_ORDER})
_SAID: Final = frozenset({ReadingStatus.DICTATED, ReadingStatus.TRANSCRIBED})
_SIGNED: Final = frozenset({ReadingStatus.PRELIMINARY, ReadingStatus.FINAL, ReadingStatus.AMENDED})

Act = Callable[[Study], dict[str, Any]]
"""Does something to the locked study and returns the decision's parameters."""


def revision(study: Study) -> int:
    """How often people have decided on a study, or undone it: what a further decision has to name."""
    rows = Decision.objects.filter(study=study)
    return rows.count() + rows.exclude(undone_at=None).count()


def decide(
    kind: DecisionKind, study: Study, reason: str, by: Actor, expected: int | None, act: Act
) -> tuple[Study, Decision]:
    """Do a decision to the locked study, and record it with all that was before and after."""
    by.require("exception.decide", study)
    study = locked(study, reason)
    exception = _exception(study, expected)
    before = snapshot(study, exception)
    procedures = apply_verdict.linked(study)
    parameters = act(study)
    study.save(update_fields=["patient", "hidden"])
    row = exception or StudyException(study=study)
    row.status, row.resolution = ExceptionStatus.RESOLVED, kind
    row.save()
    decision = Decision.objects.create(
        study=study,
        kind=kind,
        reason=reason,
        by=str(by)[:200],
        parameters=parameters,
        before=before,
        after=snapshot(study, row),
    )
    record(study, archive_events.DECIDED[kind], reason, by, decision)
    origin = f"decision:{decision.public_id}"
    apply_verdict.tell_withdrawn(study, procedures, origin)
    if kind in _LINKING:
        study_reconciled.send(sender=None, study=study, outcome=kind.value, origin_text=origin)
    study_settled.send(sender=None, study=study)
    return study, decision


def locked(study: Study, reason: str) -> Study:
    """The study, locked for a decision with this reason."""
    assert connection.in_atomic_block
    if not reason.strip():
        raise Missing("a decision needs a reason", "reason")
    if len(reason) > 500:
        raise Invalid(f"the reason has {len(reason)} characters, 500 fit", "reason")
    rows = Study.objects.select_for_update(of=("self",)).select_related("facility", "patient")
    return rows.get(pk=study.pk)


def _exception(study: Study, expected: int | None) -> StudyException | None:
    """The study's exception, if it takes a decision now."""
    exception = StudyException.objects.filter(study=study).first()
    if not Verdict.objects.filter(study=study).exists():
        raise Conflict("the study has no verdict yet", "verdict")
    check_revision(study, expected)
    if expected is None and (exception is None or exception.status == ExceptionStatus.CLOSED):
        raise Conflict("nothing is open on this study", "status")
    if expected is None and exception is not None and exception.status == ExceptionStatus.RESOLVED:
        raise Conflict(f"it is resolved already{by_whom(study)}", "status")
    if study.hidden:
        raise Conflict(f"the study is hidden, {Hidden(study.hidden).label}: undo that first", "status")
    return exception


def check_revision(study: Study, expected: int | None) -> None:
    """Refuse who has not seen the newest decision; nothing is checked of one who names no revision."""
    if expected is not None and expected != (now := revision(study)):
        raise Conflict(f"it was decided on meanwhile{by_whom(study)}: revision {now}", "revision")


def by_whom(study: Study) -> str:
    """The newest decision on a study and who made it, in brackets; empty where none stands."""
    newest = apply_verdict.live_decisions(study).last()
    return f" ({newest.kind} by {newest.by})" if newest else ""


def refuse_if_written_on(study: Study) -> None:
    """What was said of a study as one patient's isn't moved to another one, or hidden, silently."""
    if study.reading_status in _SIGNED:
        raise Conflict(
            f"the study is {study.reading_status}: its report is signed for this patient. This takes a second"
            " person: whoever may sign has to retract the report first; then decide again",
            "reading_status",
        )
    if study.reading_status in _SAID:
        raise Conflict(
            f"the study is {study.reading_status}: words on it wait for their author, who has to sign or to"
            " discard them first; nothing of them is lost",
            "reading_status",
        )


def is_person(one: Patient | None, other: Patient | None) -> bool:
    """Whether two records are one person's."""
    return one is not None and other is not None and one.current.pk == other.current.pk


# Keeping


def snapshot(study: Study, exception: StudyException | None) -> dict[str, Any]:
    """Everything that a decision may change, by public ids."""
    return {
        "patient": study.patient.public_id if study.patient else None,
        "procedures": sorted(procedure.public_id for procedure in procedures_of(study)),
        "exception": {
            "status": exception.status,
            "resolution": exception.resolution,
            "opened_at": exception.opened_at.isoformat(),
        }
        if exception
        else None,
        "verdict": apply_verdict.newest(study).number,
        "outcome": study.verdict,
        "reading_status": study.reading_status,
        "hidden": study.hidden,
    }


def procedures_of(study: Study) -> Iterable[RequestedProcedure]:
    """The procedures that a study is linked to, with their orders' patients."""
    return study.procedures.select_related("order__patient__survivor")


def record(study: Study, event: EventType, reason: str, by: Actor, decision: Decision) -> None:
    """Write a decision, or the undo of one, to the timelines that it touches and to the audit trail."""
    about = [("study", study.public_id)]
    about += [("patient", key) for key in {decision.before["patient"], decision.after["patient"]} - {None}]
    about += [("order", procedure.order.public_id) for procedure in procedures_of(study)]
    source = f"decision:{decision.public_id}"
    events.record(event, about=about, actor=by, source=source, reason=reason)
    things = [("study", study.study_instance_uid), *about[1:]]
    audit.note(by, audit.INSTANCES_ACCESSED, audit.UPDATE, *things)
