"""What people decide on the exceptions list, with a reason, and the undo of it.

A decision leaves the study's verdict alone and pins its patient and procedures until it is undone. Nothing on
disk is rewritten. Of two people who decide at once, the second gets a `StateConflict`: an exception that is
resolved takes a further decision only from someone who names its `revision`, and so has seen the first.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from accounts.models import User
from archive.errors import BadValue, NotAvailable, RequiredMissing, StateConflict, UnknownKey
from archive.models import (
    Decision,
    DecisionKind,
    ExceptionStatus,
    ReadingStatus,
    Study,
    StudyException,
    Verdict,
)
from archive.reconcile import settling
from archive.signals import study_reconciled
from ledger import events
from ledger.models import AuditEvent
from worklist import ordering, scheduling
from worklist.errors import StateConflict as WorklistConflict
from worklist.models import Order, Patient, ProcedureCode, RequestedProcedure, ScheduledProcedureStep
from worklist.origin import Origin
from worklist.statements import Number, OrderStatement, ProcedureStatement, StepStatement

_LINKING: Final = frozenset({DecisionKind.LINK, DecisionKind.CORRECT, DecisionKind.CREATE_ORDER})
_WRITTEN_ON: Final = frozenset(
    {
        ReadingStatus.DICTATED,
        ReadingStatus.TRANSCRIBED,
        ReadingStatus.PRELIMINARY,
        ReadingStatus.FINAL,
        ReadingStatus.AMENDED,
    }
)
"""Something has been said of the study as one patient's: it isn't moved to another one silently."""
_INSTANCES_ACCESSED: Final = "110103"
"""DICOM Instances Accessed (PS3.15 A.5.3.3); the action U is an update."""


def revision(study: Study) -> int:
    """How often people have decided on a study, or undone it: what a further decision has to name."""
    rows = Decision.objects.filter(study=study)
    return rows.count() + rows.exclude(undone_at=None).count()


def link(
    *, study: Study, step: ScheduledProcedureStep, reason: str, by: User, expected: int | None = None
) -> Decision:
    """Link a study to the requested procedure of a step, and to its patient.

    Raises `RequiredMissing` without a reason, `StateConflict` where the study, its exception or its reading
    do not allow it.
    """
    order = step.procedure.order
    if order.facility_id != study.facility_id:
        raise UnknownKey("the step is of another facility", "scheduled_procedure_step")
    if order.patient is None:
        raise StateConflict("the order of this step has no patient yet", "scheduled_procedure_step")
    patient, procedure = order.patient, step.procedure
    return _decide(
        DecisionKind.LINK,
        study,
        reason,
        by,
        expected,
        lambda locked: _linked(locked, patient, [procedure], {"scheduled_procedure_step": step.public_id}),
    )


def correct(*, study: Study, reason: str, by: User, expected: int | None = None) -> Decision:
    """Show the study under the demographics that the HIS has of its patient, and with the order.

    The patient is the one that the study is linked to, else that of the newest verdict's best candidate.
    """
    return _decide(DecisionKind.CORRECT, study, reason, by, expected, _corrected)


def reassign(
    *, study: Study, patient: Patient, reason: str, by: User, expected: int | None = None
) -> Decision:
    """Give the study to another patient; procedures of anybody else are unlinked."""
    if patient.facility_id != study.facility_id:
        raise UnknownKey("the patient is of another facility", "patient")

    def act(locked: Study) -> dict[str, Any]:
        kept = [one for one in _procedures(locked) if _is_person(one.order.patient, patient)]
        return _linked(locked, patient, kept, {"patient": patient.public_id})

    return _decide(DecisionKind.REASSIGN, study, reason, by, expected, act)


def accept(*, study: Study, reason: str, by: User, expected: int | None = None) -> Decision:
    """Leave the study as it is, under its own header's identity where it is linked to nobody."""
    return _decide(DecisionKind.ACCEPT, study, reason, by, expected, lambda locked: {})


def create_order(
    *,
    study: Study,
    procedure_code: str,
    reason: str,
    by: User,
    patient: Patient | None = None,
    expected: int | None = None,
) -> Decision:
    """Place the order that the study lacks, planned under the study's own UID, and link the study to it.

    The order is for `patient`, else for the one that the study is linked to or that its patient ID names.
    """
    if not ProcedureCode.objects.filter(code=procedure_code).exists():
        raise BadValue(f"the procedure code {procedure_code!r} is not in the catalogue", "procedure_code")

    def act(locked: Study) -> dict[str, Any]:
        whose = patient or locked.patient or _identified(locked)
        order = _place(locked, whose, procedure_code, by)
        procedures = list(RequestedProcedure.objects.filter(order=order))
        return _linked(
            locked, whose, procedures, {"order": order.public_id, "procedure_code": procedure_code}
        )

    return _decide(DecisionKind.CREATE_ORDER, study, reason, by, expected, act)


def split(*, study: Study, series: list[str], reason: str, by: User, expected: int | None = None) -> Decision:
    """Move series to a study of their own. Not available yet."""
    raise NotAvailable("splitting a study is not available yet", "action")


def reject(*, study: Study, code: str, reason: str, by: User, expected: int | None = None) -> Decision:
    """Reject a study with a rejection note (IHE IOCM). Not available yet."""
    raise NotAvailable("rejecting a study is not available yet", "action")


def undo(*, exception: StudyException, reason: str, by: User, decision: Decision | None = None) -> Decision:
    """Undo the newest decision on a study that stands, in full; or `decision`, if none later depends on it.

    If the verdict is still that which the decision was made on, everything is as it was before it; otherwise
    it is as the newest verdict has it.
    """
    study = _locked(exception.study, reason)
    live = list(settling.live_decisions(study))
    if not live:
        raise StateConflict("no decision on this study stands", "decision")
    target = decision or live[-1]
    if target.pk not in {one.pk for one in live}:
        raise StateConflict("the decision is undone already", "decision")
    if target.pk != live[-1].pk:
        later = live[-1]
        raise StateConflict(
            f"{later.kind} by {later.by} at {later.at:%Y-%m-%d %H:%M} depends on it", "decision"
        )
    target = live[-1]
    if target.after.get("patient") != target.before.get("patient"):
        _refuse_if_written_on(study)
    _withdraw_order(target, study, reason, by)
    Decision.objects.filter(pk=target.pk).update(
        undone_at=timezone.now(), undone_by=str(by)[:200], undo_reason=reason
    )
    target.refresh_from_db()
    _restore(study, target.before, live[:-1])
    study.save(update_fields=["patient"])
    _record(study, f"study.decision.undone.{target.kind}", reason, by, target)
    return target


# Deciding


def _decide(
    kind: DecisionKind,
    study: Study,
    reason: str,
    by: User,
    expected: int | None,
    act: Callable[[Study], dict[str, Any]],
) -> Decision:
    """Do a decision to the locked study, and record it with all that was before and after."""
    study = _locked(study, reason)
    exception = _exception(study, expected)
    before = _snapshot(study, exception)
    parameters = act(study)
    study.save(update_fields=["patient"])
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
        after=_snapshot(study, row),
    )
    _record(study, f"study.decision.{kind}", reason, by, decision)
    if kind in _LINKING:
        study_reconciled.send(
            sender=None, study=study, outcome=kind.value, origin_text=f"decision:{decision.public_id}"
        )
    return decision


def _locked(study: Study, reason: str) -> Study:
    assert connection.in_atomic_block
    if not reason.strip():
        raise RequiredMissing("a decision needs a reason", "reason")
    if len(reason) > 500:
        raise BadValue(f"the reason has {len(reason)} characters, 500 fit", "reason")
    rows = Study.objects.select_for_update(of=("self",)).select_related("facility", "patient")
    return rows.get(pk=study.pk)


def _exception(study: Study, expected: int | None) -> StudyException | None:
    """The study's exception, if it takes a decision now."""
    exception = StudyException.objects.filter(study=study).first()
    if not Verdict.objects.filter(study=study).exists():
        raise StateConflict("the study has no verdict yet", "verdict")
    if expected is not None:
        if expected != (now := revision(study)):
            raise StateConflict(f"it was decided on meanwhile{_by_whom(study)}: revision {now}", "revision")
    elif exception is None or exception.status == ExceptionStatus.CLOSED:
        raise StateConflict("nothing is open on this study", "status")
    elif exception.status == ExceptionStatus.RESOLVED:
        raise StateConflict(f"it is resolved already{_by_whom(study)}", "status")
    return exception


def _by_whom(study: Study) -> str:
    newest = settling.live_decisions(study).last()
    return f" ({newest.kind} by {newest.by})" if newest else ""


def _linked(
    study: Study, patient: Patient, procedures: list[RequestedProcedure], parameters: dict[str, Any]
) -> dict[str, Any]:
    if not _is_person(study.patient, patient) and study.patient is not None:
        _refuse_if_written_on(study)
    settling.set_links(study, patient, procedures)
    return parameters


def _refuse_if_written_on(study: Study) -> None:
    if study.reading_status in _WRITTEN_ON:
        raise StateConflict(
            f"the study is {study.reading_status}: what was written of it has to be withdrawn first",
            "reading_status",
        )


def _corrected(study: Study) -> dict[str, Any]:
    if study.patient is not None:
        return {"patient": study.patient.public_id}
    candidates = settling.newest(study).candidates
    if not candidates or not (record := candidates[0]["patient"]["record"]):
        raise StateConflict("no candidate has demographics to take over", "patient")
    best = candidates[0]
    rivals = {one["patient"]["id"] for one in candidates if one["score"] == best["score"]}
    if study.verdict == "ambiguous" or len(rivals) > 1:
        raise StateConflict("several candidates are as good; link the study to one of them", "patient")
    procedures = list(RequestedProcedure.objects.filter(public_id=best["procedure"]))
    patient = Patient.objects.filter(public_id=record).first()
    if patient is None or not procedures:
        raise StateConflict("the candidate is there no longer", "patient")
    return _linked(study, patient, procedures, {"patient": record, "scheduled_procedure_step": best["step"]})


def _is_person(one: Patient | None, other: Patient | None) -> bool:
    return one is not None and other is not None and one.current.pk == other.current.pk


def _identified(study: Study) -> Patient:
    """The one patient of the facility whom the header's ID and issuer name."""
    rows = Patient.objects.filter(facility=study.facility, value=study.header_patient_id)
    if study.issuer_of_patient_id:
        rows = rows.filter(authority__namespace=study.issuer_of_patient_id)
    people = {row.current.pk: row for row in rows.select_related("survivor")[:20]}
    if not study.header_patient_id or len(people) != 1:
        raise StateConflict("the header's patient ID names no single patient here; name one", "patient")
    return next(iter(people.values()))


def _place(study: Study, patient: Patient, procedure_code: str, by: User) -> Order:
    label = study.accession_number
    is_free = 0 < len(label) <= 16 and not Order.objects.filter(accession_number=label).exists()
    facts = settling.newest(study).facts
    statement = OrderStatement(
        placer=Number(f"{study.public_id}.{revision(study)}", "RISPACS"),
        values={"patient_id": patient.pk, **({"accession_number": label} if is_free else {})},
        procedures=[
            ProcedureStatement(
                values={"code": procedure_code, "study_instance_uid": study.study_instance_uid},
                steps=[StepStatement(values={"start": _moment(facts.get("acquired_at", ""))})],
            )
        ],
    )
    return ordering.apply(statement=statement, origin=Origin.of_person(by, study.facility))


def _moment(text: str) -> Any:
    return datetime.fromisoformat(text) if text else None


# Undoing


def _restore(study: Study, before: dict[str, Any], live: list[Decision]) -> None:
    """Bring back what was before a decision, or what the verdict has come to since."""
    verdict = settling.newest(study)
    is_same = bool(live) or verdict.number == before["verdict"]
    if is_same or not _follow(study, verdict):
        patient = Patient.objects.filter(public_id=before["patient"]).first() if before["patient"] else None
        procedures = RequestedProcedure.objects.filter(public_id__in=before["procedures"])
        settling.set_links(study, patient, list(procedures))
    row = StudyException.objects.get(study=study)
    if before["exception"] is None:
        row.status, row.resolution = ExceptionStatus.CLOSED, ""
    else:
        row.status, row.resolution = before["exception"]["status"], before["exception"]["resolution"]
    row.save(update_fields=["status", "resolution"])
    settling.settle_exception(study, verdict, live[-1] if live else None)


def _follow(study: Study, verdict: Verdict) -> bool:
    """Let the newest verdict decide, unless the study is being read by now."""
    if verdict.outcome not in settling.MATCHES and study.reading_status not in settling.NOT_BEGUN:
        return False
    settling.follow(study, verdict)
    return True


def _withdraw_order(decision: Decision, study: Study, reason: str, by: User) -> None:
    """Cancel the order that a decision placed; refused once it has ended otherwise."""
    if decision.kind != DecisionKind.CREATE_ORDER:
        return
    order = Order.objects.filter(public_id=decision.parameters["order"]).first()
    if order is None:
        return
    try:
        scheduling.cancel(order=order, origin=Origin.of_person(by, study.facility), reason=reason)
    except WorklistConflict as error:
        raise StateConflict(f"the order that it placed stands in the way: {error.text}", "order") from error


# Keeping


def _snapshot(study: Study, exception: StudyException | None) -> dict[str, Any]:
    """Everything that a decision may change, by public ids."""
    return {
        "patient": study.patient.public_id if study.patient else None,
        "procedures": sorted(procedure.public_id for procedure in _procedures(study)),
        "exception": {"status": exception.status, "resolution": exception.resolution} if exception else None,
        "verdict": settling.newest(study).number,
        "outcome": study.verdict,
        "reading_status": study.reading_status,
    }


def _procedures(study: Study) -> Iterable[RequestedProcedure]:
    return study.procedures.select_related("order__patient__survivor")


def _record(study: Study, kind: str, reason: str, by: User, decision: Decision) -> None:
    about = [("study", study.public_id)]
    about += [("patient", key) for key in {decision.before["patient"], decision.after["patient"]} - {None}]
    about += [("order", procedure.order.public_id) for procedure in _procedures(study)]
    source = f"decision:{decision.public_id}"
    events.record(kind, about=about, actor=str(by)[:200], source=source, reason=reason)
    AuditEvent.objects.create(
        code=_INSTANCES_ACCESSED,
        action="U",
        actor=str(by)[:200],
        objects_named=[
            {"type": "study", "id": study.study_instance_uid},
            *({"type": type_, "id": key} for type_, key in about[1:]),
        ],
    )
