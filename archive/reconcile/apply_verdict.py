"""What follows from a study's newest verdict and from people's decisions: its patient and procedures, its
exception."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from archive import archive_events
from archive.archive_section import ArchiveSection
from archive.decisions import decision_type
from archive.models import (
    TARGET,
    TARGET_STAT,
    Decision,
    DecisionRequest,
    ExceptionKind,
    ExceptionStatus,
    Hidden,
    Outcome,
    ReadingStatus,
    RequestState,
    Study,
    StudyException,
    Verdict,
)
from archive.reconcile import later_changes, scanned_exams, verdict_record
from archive.reconcile.later_changes import LaterChange
from archive.signals import study_reconciled, study_settled, study_withdrawn
from archive.storage import object_versions
from ledger import events
from ledger.event_types import EventType
from worklist.models import Order, Patient, Priority, RequestedProcedure

MATCHES: Final = frozenset({Outcome.MATCHED, Outcome.CORRECTED})
NOT_BEGUN: Final = frozenset({ReadingStatus.NOT_READY, ReadingStatus.READY})
_ENDS: Final = {
    ExceptionStatus.RESOLVED: archive_events.EXCEPTION_RESOLVED,
    ExceptionStatus.CLOSED: archive_events.EXCEPTION_CLOSED,
}


def take_effect(study: Study, verdict: Verdict, *, is_new: bool) -> None:
    """Bring the locked study in line with its newest verdict; a decision that stands keeps what it set."""
    live = pinning(study)
    before = linked(study)
    study.verdict = verdict.outcome
    if study.hidden == Hidden.NOTED:  # its orders wait for other images; those of an expired one had theirs
        changed = set_links(study, None, [])
    else:
        changed = live is None and follow(study, verdict)
    study.save(update_fields=["first_quiet_at", "verdict", "patient"])
    settle_exception(study, verdict, live)
    origin = f"verdict:{verdict.public_id}"
    tell_linked(study, before, origin)
    if live is None and not study.hidden and verdict.outcome in MATCHES and (is_new or changed):
        study_reconciled.send(sender=None, study=study, outcome=verdict.outcome, origin_text=origin)
    study_settled.send(sender=None, study=study)


def follow(study: Study, verdict: Verdict) -> bool:
    """Set the study's patient and procedures to what the verdict chose; whether that changed anything.

    What has begun to be read is not taken from under its reader: a person decides on the exception.
    """
    if is_undecided_part(study, verdict):
        return study.reading_status in NOT_BEGUN and set_links(study, None, [])
    if verdict.outcome not in MATCHES and study.reading_status not in NOT_BEGUN:
        return False
    chosen = [one for one in verdict_record.candidates(verdict) if one.chosen]
    procedures = RequestedProcedure.objects.filter(public_id__in=[one.procedure for one in chosen])
    record = chosen[0].patient.record if chosen else None
    return set_links(study, Patient.objects.filter(public_id=record).first(), list(procedures))


def set_links(study: Study, patient: Patient | None, procedures: list[RequestedProcedure]) -> bool:
    """Link the study; whether that changed anything. The caller saves `patient`."""
    wanted = {procedure.pk for procedure in procedures}
    is_same = study.patient_id == (patient and patient.pk)
    is_same &= set(study.procedures.values_list("pk", flat=True)) == wanted
    if not is_same:
        study.patient = patient
        study.procedures.set(procedures)
    return not is_same


def linked(study: Study) -> frozenset[int]:
    """The keys of the procedures that a study is linked to."""
    return frozenset(study.procedures.values_list("pk", flat=True))


def tell_linked(study: Study, before: frozenset[int], origin_text: str) -> None:
    """Have the steps follow that a study is linked to, and tell those above of those that it was `before`."""
    now = linked(study)
    scanned_exams.follow(study, before, now, origin_text, ArchiveSection.current().reconcile)
    if lost := before - now:
        procedures = list(RequestedProcedure.objects.filter(pk__in=lost).order_by("pk"))
        study_withdrawn.send(sender=None, study=study, procedures=procedures, origin_text=origin_text)


def settle_exception(study: Study, verdict: Verdict, live: Decision | None) -> None:
    """Open, close or leave alone the study's exception; `live` is the decision that pins it."""
    row = StudyException.objects.filter(study=study).first()
    kinds = _open_for(study, verdict, live)
    if row is None:
        if not kinds:
            return
        row = StudyException(study=study, status=ExceptionStatus.NONE)
    wanted = ExceptionStatus.OPEN if kinds else _at_rest(study, row)
    is_news = row.status != wanted or bool(kinds and kinds[0] != row.kind)
    if kinds:
        row.kind = kinds[0]
        open_now(row, verdict)
    row.status = wanted
    row.save()
    if is_news and wanted in _ENDS:
        _tell(study, _ENDS[wanted], verdict)
    elif is_news:
        _tell(study, archive_events.EXCEPTION_OPENED_BY[ExceptionKind(row.kind)], verdict)


def open_now(row: StudyException, verdict: Verdict) -> None:
    """Have an exception stand open, from now on unless it does, and due by how urgent it is; not saved."""
    if row.status != ExceptionStatus.OPEN or row.pk is None:
        row.status, row.opened_at = ExceptionStatus.OPEN, timezone.now()
    row.due_at = row.opened_at + _target(verdict)


def news(study: Study) -> list[LaterChange]:
    """What changed under a study's links that nobody who decided on it knew of."""
    known: set[str] = set()
    for decision in live_decisions(study):
        known.update(decision.before.get("changes", ()), decision.after.get("changes", ()))
    return [one for one in changes(study) if one.key not in known]


def changes(study: Study) -> list[LaterChange]:
    """What changed under a study's links."""
    return later_changes.of(study, ArchiveSection.current().reconcile)


def _open_for(study: Study, verdict: Verdict, live: Decision | None) -> Sequence[ExceptionKind]:
    """Why a study's exception has to be open, the weightiest first."""
    if DecisionRequest.objects.filter(study=study, state=RequestState.WAITING).exists():
        return [ExceptionKind.VERDICT]
    is_doubted = _is_doubted(study, verdict) if live is None else _is_news(verdict, live)
    split_off = [ExceptionKind.SPLIT_OFF] if is_undecided_part(study, verdict) else []
    resent = [ExceptionKind.RESENT] if object_versions.held(study).exists() else []
    if study.hidden and (live is not None or study.hidden in (Hidden.NOTED, Hidden.EXPIRED)):
        late = ExceptionKind.IMAGES_AFTER_REJECTION
        return resent + [one.kind for one in news(study) if one.kind == late]
    kinds = [ExceptionKind.VERDICT] if is_doubted else split_off
    return kinds + resent + [one.kind for one in news(study)]


def _is_doubted(study: Study, verdict: Verdict) -> bool:
    """Whether a person has to say whose images these are; of a phantom only where its reading had begun."""
    if verdict.outcome == Outcome.PHANTOM:
        return bool(linked(study))
    return verdict.outcome not in MATCHES


def is_undecided_part(study: Study, verdict: Verdict | None = None) -> bool:
    """Whether a split has made it, its headers name an order of the rest, and nobody has decided on it since.

    Who splits two patients of one number knows better than the headers, which both halves have in common.
    """
    if study.split_from_id is None or pinning(study) is not None:
        return False
    made_by = Decision.objects.filter(
        study=study.split_from_id, undone_at=None, parameters__study=study.public_id, parameters__asks=True
    )
    rest = Verdict.objects.filter(study=study.split_from_id).order_by("-number").first()
    if rest is None or not made_by.exists():
        return False
    return bool(_chosen(verdict or newest(study)) & _chosen(rest))


def _chosen(verdict: Verdict) -> set[str]:
    return {one.procedure for one in verdict_record.candidates(verdict) if one.chosen}


def is_kept_apart(study: Study) -> bool:
    """Whether a study is of a phantom or a test: neither linked nor taken as it is by a person."""
    return study.verdict == Outcome.PHANTOM and not linked(study) and pinning(study) is None


def _at_rest(study: Study, row: StudyException) -> ExceptionStatus:
    """Where an exception stands that needs nobody; a split, which pins nothing, has resolved it too."""
    if live_decisions(study).exists():
        return ExceptionStatus.RESOLVED
    return ExceptionStatus.NONE if row.status == ExceptionStatus.NONE else ExceptionStatus.CLOSED


def _target(verdict: Verdict) -> timedelta:
    """Within what time a person should decide: an order that could be meant and is STAT is urgent."""
    orders = {one.order for one in verdict_record.candidates(verdict)}
    is_stat = Order.objects.filter(public_id__in=orders, priority=Priority.STAT).exists()
    return TARGET_STAT if is_stat else TARGET


def _is_news(verdict: Verdict, live: Decision) -> bool:
    """Whether the images are a wrong-patient suspect now, but were not when the decision was made."""
    return verdict.outcome == Outcome.MISMATCH and live.before["outcome"] != Outcome.MISMATCH


def _tell(study: Study, event: EventType, verdict: Verdict) -> None:
    about = [("study", study.public_id)]
    events.record(event, about=about, source=f"verdict:{verdict.public_id}", outcome=verdict.outcome)


def live_decisions(study: Study) -> QuerySet[Decision]:
    """The decisions on a study that stand, oldest first."""
    return Decision.objects.filter(study=study, undone_at=None).order_by("pk")


def pinning(study: Study) -> Decision | None:
    """The newest decision that keeps a study's patient and procedures as they are.

    A rejection does that while it hides the study: images that came after it are judged by themselves.
    """
    pinning_kinds = decision_type.kinds(lambda decided: decided.pins)
    if study.hidden != Hidden.REJECTED:
        pinning_kinds.remove("reject")
    return live_decisions(study).filter(kind__in=pinning_kinds).last()


def newest(study: Study) -> Verdict:
    """The verdict that counts."""
    return Verdict.objects.filter(study=study).order_by("-number")[0]
