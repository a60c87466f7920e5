"""Split series off a study, into a study of their own, and take them back.

The series' rows move; what lies on disk does not. The new Study Instance UID follows from the study and the
series, so the same split makes the same study again. Objects that come later for a series go where it went.
"""

from collections.abc import Sequence
from typing import Any, Final

from django.db.models import Case, F, Max, Min, Value, When
from django.db.models.functions import Coalesce

from accounts.actor import Actor
from archive import archive_events
from archive.decisions.decision_frame import by_whom, decide, refuse_if_written_on
from archive.index import indexer
from archive.models import Decision, DecisionKind, ExceptionStatus, Hidden, Series, Study
from archive.models import StudyException as Row
from archive.reconcile import apply_verdict, reconcile_job
from archive.signals import study_settled
from archive.storage import generated_objects
from ledger import events, jobs
from ledger.errors import Conflict, Invalid, Missing, Unknown
from worklist.orders import generated_ids

MOST_SERIES: Final = 1000


def split(
    *, study: Study, series: list[str], reason: str, by: Actor, expected: int | None = None
) -> Decision:
    """Make a study of its own of some, not all, of a study's series; both are judged anew at once.

    Raises `Missing` without series, `Unknown` for one that the study has not, `Invalid` where
    none would stay, `Conflict` where something has been said of the study already.
    """
    uids = sorted(set(series))
    if not uids:
        raise Missing("name the series that become a study of their own", "series")
    if len(uids) > MOST_SERIES:
        raise Invalid(f"{len(uids)} series are named, {MOST_SERIES} fit", "series")

    def act(locked: Study) -> dict[str, Any]:
        refuse_if_written_on(locked)
        there = set(Series.objects.filter(study=locked).values_list("series_instance_uid", flat=True))
        if unknown := [uid for uid in uids if uid not in there]:
            raise Unknown(f"the study has no series {unknown[0]}", "series")
        if len(uids) == len(there):
            raise Invalid("at least one series has to stay where it is", "series")
        part = _part(locked, uids)
        rows = Series.objects.filter(study=locked, series_instance_uid__in=uids)
        rows.update(study=part, moved_from=Coalesce(F("moved_from"), Value(locked.pk)))
        _recount(locked, part)
        return {"series": uids, "study": part.public_id, "study_instance_uid": part.study_instance_uid}

    whole, decision = decide(DecisionKind.SPLIT, study, reason, by, expected, act)
    part = part_of(decision)
    events.record(
        archive_events.STUDY_SPLIT,
        about=[("study", part.public_id), ("study", whole.public_id)],
        actor=by,
        source=f"decision:{decision.public_id}",
        reason=reason,
    )
    for one in (whole, part):
        reconcile_job.judge_now(one)
    return decision


def take_back(*, decision: Decision, study: Study) -> None:
    """Bring the series of a split back into the locked study, and hide the study that it had made.

    Raises `Conflict` where somebody has decided on that study, or said something of it, since.
    """
    part = part_of(decision)
    if apply_verdict.live_decisions(part).exists():
        raise Conflict(
            f"a decision on the study that it made depends on it{by_whom(part)}; undo that first", "decision"
        )
    refuse_if_written_on(part)
    rows = Series.objects.filter(study=part, series_instance_uid__in=decision.parameters["series"])
    rows.exclude(moved_from=None).update(
        study=study, moved_from=Case(When(moved_from=study, then=None), default=F("moved_from"))
    )
    _recount(study, part)
    if part.series_count == 0:
        _dissolve(part, f"decision:{decision.public_id}")


def part_of(decision: Decision) -> Study:
    """The study that a split has made, locked."""
    rows = Study.objects.select_for_update(of=("self",)).select_related("facility", "patient")
    return rows.get(public_id=decision.parameters["study"])


def _part(study: Study, uids: Sequence[str]) -> Study:
    uid = generated_ids.study_instance_uid("split", study.study_instance_uid, *uids)
    part = Study.objects.select_for_update().filter(study_instance_uid=uid).first()
    if part is None:
        part = Study(study_instance_uid=uid, facility=study.facility)
    part.split_from, part.hidden = study, ""
    part.first_received_at, part.last_received_at = study.first_received_at, study.last_received_at
    part.first_quiet_at = study.first_quiet_at
    part.save()
    return part


def _recount(*studies: Study) -> None:
    """Derive anew what follows from the series that studies have, and let no verdict stand on older ones."""
    for study in studies:
        received = generated_objects.instances_of_others(study).order_by()
        times = received.aggregate(first=Min("received_at"), last=Max("received_at"))
        study.first_received_at = times["first"] or study.first_received_at
        study.last_received_at = times["last"] or study.last_received_at
    indexer.save_facts(studies)
    for study in studies:
        jobs.enqueue(reconcile_job.KIND, study.study_instance_uid)


def _dissolve(part: Study, origin: str) -> None:
    before = apply_verdict.linked(part)
    part.hidden = Hidden.JOINED
    apply_verdict.set_links(part, None, [])
    part.save(update_fields=["patient", "hidden"])
    Row.objects.filter(study=part).update(status=ExceptionStatus.CLOSED)
    apply_verdict.tell_withdrawn(part, before, origin)
    study_settled.send(sender=None, study=part)
