"""What all decisions have in common: the lock, the exception that takes them, what is kept of them."""

from collections.abc import Iterable
from typing import Final

from django.db import connection

from accounts.actor import Actor
from archive.decisions.decision_type import DecisionType, Links
from archive.decisions.snapshot import Snapshot
from archive.models import (
    HAS_SIGNATURE,
    Decision,
    ExceptionStatus,
    Hidden,
    ReadingStatus,
    Study,
    StudyException,
    Verdict,
)
from archive.reconcile import apply_verdict, reconcile_job
from archive.signals import study_reconciled, study_settled
from ledger import audit, events
from ledger.errors import Conflict, Invalid, Missing
from ledger.event_types import EventType
from worklist.models import Patient, RequestedProcedure

_SAID: Final = frozenset({ReadingStatus.DICTATED, ReadingStatus.TRANSCRIBED})


def revision(study: Study) -> int:
    """How often people have decided on a study, or undone it: what a further decision has to name."""
    rows = study.decisions.all()
    return len(rows) + sum(one.undone_at is not None for one in rows)


def decide(
    decision: DecisionType, *, study: Study, reason: str, by: Actor, expected: int | None = None
) -> Decision:
    """Decide on a study, and record it with all that was before and after.

    Who names no `expected` revision decides on what is open. Raises `Missing` without a reason,
    `Conflict` where the study, its exception or its reading do not allow it, and what the decision does.
    """
    by.require("exception.decide", study)
    decision.check(study)
    study = locked(study, reason)
    exception = _exception(study, expected)
    before = Snapshot.take(study, exception)
    procedures = apply_verdict.linked(study)
    parameters = decision.act(study, by)
    study.save(update_fields=["patient", "hidden"])
    exception = exception or StudyException(study=study)
    exception.status, exception.resolution = ExceptionStatus.RESOLVED, decision.kind
    exception.save()
    row = Decision.objects.create(
        study=study,
        kind=decision.kind,
        reason=reason,
        by=str(by)[:200],
        parameters=parameters.to_json(),
        before=before.to_json(),
        after=Snapshot.take(study, exception).to_json(),
    )
    record(study, decision.decided, reason, by, row)
    origin = f"decision:{row.public_id}"
    apply_verdict.tell_withdrawn(study, procedures, origin)
    if decision.links is Links.ORDER:
        study_reconciled.send(sender=None, study=study, outcome=decision.kind, origin_text=origin)
    study_settled.send(sender=None, study=study)
    decision.finish(row, study)
    if not decision.pins:
        reconcile_job.judge_now(study)
    return row


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
    if study.reading_status in HAS_SIGNATURE:
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


def link_to(study: Study, patient: Patient, procedures: list[RequestedProcedure]) -> None:
    """Link the locked study, unless words about it were of another patient."""
    is_header = study.patient is None and study.header_patient_id in {patient.value, patient.current.value}
    if not is_header and not is_person(study.patient, patient):
        refuse_if_written_on(study)
    apply_verdict.set_links(study, patient, procedures)


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
