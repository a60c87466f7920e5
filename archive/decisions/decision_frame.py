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
    DecisionRequest,
    ExceptionKind,
    ExceptionStatus,
    Hidden,
    ReadingStatus,
    RequestState,
    Study,
    StudyException,
    Verdict,
)
from archive.reconcile import apply_verdict, patient_number, reconcile_job
from archive.signals import study_reconciled, study_settled
from archive.storage import object_versions
from ledger import audit, events
from ledger.errors import Conflict, Decided, Invalid, Missing
from ledger.event_types import EventType
from worklist.models import Patient, RequestedProcedure

_SAID: Final = frozenset({ReadingStatus.DICTATED, ReadingStatus.TRANSCRIBED})


def revision(study: Study) -> int:
    """How often people have decided on a study, or undone it: what a further decision has to name."""
    rows = study.decisions.all()
    return len(rows) + sum(one.undone_at is not None for one in rows)


class SecondPersonNeeded(Conflict):
    """A report of the study is signed, and the decision would take it from the one of whom it tells."""


def decide(
    decision: DecisionType,
    *,
    study: Study,
    reason: str,
    by: Actor,
    expected: int | None = None,
    asked_by: str = "",
) -> Decision:
    """Decide on a study, whatever its verdict, and record it with all that was before and after.

    Who names no `expected` revision decides on what nobody has decided on. Under a signed report `by` is the
    second person, and `asked_by` the first. Raises `Missing` without a reason, `SecondPersonNeeded`,
    `Conflict` where the study or its exception do not allow it, and what the decision does.
    """
    by.require("exception.decide", study)
    decision.check(study)
    study = locked(study, reason)
    exception = _exception(study, expected, on_hidden=decision.on_hidden)
    before = Snapshot.take(study, exception)
    procedures, was, whose = apply_verdict.linked(study), study.patient_id, _whose(study)
    parameters = decision.act(study, by)
    is_moved = study.patient_id != was and not is_person(whose, study.patient)
    needs_second = not asked_by and not decision.needs_one_person
    if needs_second and (is_moved or study.hidden or not decision.pins):
        refuse_if_signed(study)
    study.save(update_fields=["patient", "hidden"])
    exception = exception or StudyException(study=study)
    waits = object_versions.held(study).exists()
    exception.status = ExceptionStatus.OPEN if waits else ExceptionStatus.RESOLVED
    exception.kind = ExceptionKind.RESENT if waits else exception.kind
    exception.resolution = decision.kind
    exception.save()
    row = Decision.objects.create(
        study=study,
        kind=decision.kind,
        reason=reason,
        by=names_of(by, asked_by),
        parameters=parameters.to_json(),
        before=before.to_json(),
        after=Snapshot.take(study, exception).to_json(),
    )
    record(study, decision.decided, reason, by, row)
    origin = f"decision:{row.public_id}"
    apply_verdict.tell_linked(study, procedures, origin)
    if decision.links is Links.ORDER:
        study_reconciled.send(sender=None, study=study, outcome=decision.kind, origin_text=origin)
    study_settled.send(sender=None, study=study)
    decision.finish(row, study, by)
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


def _exception(study: Study, expected: int | None, *, on_hidden: bool) -> StudyException | None:
    """The study's exception, if it takes a decision now."""
    exception = StudyException.objects.filter(study=study).first()
    if not Verdict.objects.filter(study=study).exists():
        raise Conflict("the study has no verdict yet", "verdict")
    check_revision(study, expected)
    if expected is None and exception is not None and exception.status == ExceptionStatus.RESOLVED:
        raise _decided(study, f"it is resolved already{by_whom(study)}", "status")
    check_waiting(study)
    if study.hidden and not on_hidden:
        text = f"the study is hidden, {Hidden(study.hidden).label}{by_whom(study)}: undo that first"
        raise _decided(study, text, "status")
    return exception


def check_revision(study: Study, expected: int | None) -> None:
    """Refuse who has not seen the newest decision; nothing is checked of one who names no revision."""
    if expected is not None and expected != (now := revision(study)):
        raise _decided(study, f"it was decided on meanwhile{by_whom(study)}: revision {now}", "revision")


def _decided(study: Study, text: str, field: str) -> Conflict:
    """The refusal, with the decision that stands, if one does."""
    newest = apply_verdict.live_decisions(study).last()
    return Decided(text, field, newest.public_id) if newest else Conflict(text, field)


def by_whom(study: Study) -> str:
    """The newest decision on a study and who made it, in brackets; empty where none stands."""
    newest = apply_verdict.live_decisions(study).last()
    return f" ({newest.kind} by {newest.by})" if newest else ""


def names_of(actor: Actor, asked_by: str) -> str:
    """Who decided: the person, or the one who asked and the one who confirmed."""
    return (f"{asked_by}, confirmed by {actor}" if asked_by else str(actor))[:200]


def check_waiting(study: Study) -> None:
    """Refuse where another decision on the study waits for its second person."""
    waiting = DecisionRequest.objects.filter(study=study, state=RequestState.WAITING).first()
    if waiting is not None:
        text = f"{waiting.kind} by {waiting.by} waits for a second person: confirm or decline that first"
        raise Conflict(text, "status")


def refuse_if_signed(study: Study) -> None:
    """What was signed of a study as one patient's isn't moved to another one, or hidden, by one person alone.

    What is only dictated or typed stays with its author, who is asked; see `reading_items`.
    """
    if study.reading_status in HAS_SIGNATURE:
        raise SecondPersonNeeded(
            f"the study is {study.reading_status}: its report is signed for this patient. This takes a second"
            " person, who confirms it; the signer is then asked to retract or to correct the report",
            "reading_status",
        )


def refuse_if_written_on(study: Study) -> None:
    """What a split has made isn't dissolved under what was said of it since."""
    if study.reading_status in (*HAS_SIGNATURE, *_SAID):
        raise Conflict(
            f"the study that it made is {study.reading_status}: its report depends on it. Whoever may sign"
            " has to retract or to discard that first",
            "reading_status",
        )


def _whose(study: Study) -> Patient | None:
    """Of whom the words on a study tell: the linked patient, else the one whom the header's ID names."""
    return study.patient if study.patient is not None else patient_number.holder_of(study)


def is_person(one: Patient | None, other: Patient | None) -> bool:
    """Whether two records are one person's."""
    return one is not None and other is not None and one.current.pk == other.current.pk


def link_to(study: Study, patient: Patient, procedures: list[RequestedProcedure]) -> None:
    """Link the locked study."""
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
    audit.note(by, audit.INSTANCES_ACCESSED, audit.UPDATE, *things, act=_in_words(study, event, decision))


def _in_words(study: Study, event: EventType, decision: Decision) -> str:
    """What was decided or undone, on which study, and to which orders it is linked now."""
    numbers = [one.accession_number or one.order.accession_number for one in procedures_of(study)]
    named = study.accession_number or study.study_instance_uid
    linked = f", linked to order {', '.join(sorted(set(filter(None, numbers))))}" if any(numbers) else ""
    return f"{event.say({})}: study {named}{linked}"
