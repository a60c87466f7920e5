"""Split series off a study, into a study of their own, and take them back.

The series' rows move and get new UIDs, as their instances do; what lies on disk stays. The new Study Instance
UID follows from the study and the series, so the same split makes the same study again. A note in the study
says which objects are there no longer; those that come later for a series go where it went.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db.models import Case, F, Max, Min, Value, When
from django.db.models.functions import Coalesce

from accounts.actor import Actor
from archive import archive_events
from archive.decisions.decision_frame import by_whom, refuse_if_written_on
from archive.decisions.decision_type import DecisionType, Parameters, register
from archive.decisions.effects import Effect, seen
from archive.decisions.needs import ChosenFrom, Need
from archive.index import given_uids, indexer
from archive.models import Decision, ExceptionStatus, Hidden, Instance, Series, Study
from archive.models import StudyException as Row
from archive.reconcile import apply_verdict, reconcile_job
from archive.rejections import written_notes
from archive.rejections.rejection_titles import INCORRECT_WORKLIST_ENTRY, REJECTION_TITLES
from archive.signals import study_settled
from archive.storage import generated_objects
from ledger import events, jobs
from ledger.errors import Conflict, Invalid, Unknown
from worklist.orders import generated_ids

MOST_SERIES: Final = 1000
SERIES: Final = Need(
    name="series",
    meaning="their UIDs",
    prompt="Select the series to move, with the boxes below the pictures.",
    example=["1.2.840.99.1.2"],
    chosen_from=ChosenFrom.SERIES,
    most=MOST_SERIES,
    if_missing="name the series that move to a new study",
)


@dataclass(frozen=True)
class SplitParameters(Parameters):
    """The series, as their headers name them, and the study that they became: its public id and UID.

    `asks`: a person says whose that study is, where its headers name the order of the rest.
    """

    series: list[str]
    study: str
    study_instance_uid: str
    asks: bool | None = None


@register
@dataclass(frozen=True)
class Split(DecisionType):
    """Some, not all, of a study's series are a study of their own; both are judged anew at once.

    Where both are of one order by their headers, the part is linked and read once a person has decided on it.
    """

    kind = "split"
    key = "5"
    title = "Split"
    does = "Move the selected series to a new study."
    done = "split"
    restores = "all series in one study"
    pins = False
    example_reason = "two patients under one number"

    series: Sequence[str] = field(metadata={"need": SERIES})

    def check(self, study: Study) -> None:
        """Not too many series are named, nor none."""
        if not self.series:
            raise SERIES.missing()
        if (count := len(set(self.series))) > MOST_SERIES:
            raise Invalid(f"{count} series are named, {MOST_SERIES} fit", SERIES.name)

    def act(self, study: Study, by: Actor) -> SplitParameters:
        """Move the series."""
        uids = sorted(set(self.series))
        there = {row.uid: row for row in Series.objects.filter(study=study)}
        if unknown := [uid for uid in uids if uid not in there]:
            raise Unknown(f"the study has no series {unknown[0]}", SERIES.name)
        if len(uids) == len(there):
            raise Invalid("at least one series has to stay where it is", SERIES.name)
        uids = sorted(there[uid].series_instance_uid for uid in uids)
        part = _part(study, uids)
        rows = Series.objects.filter(study=study, series_instance_uid__in=uids)
        rows.update(study=part, moved_from=Coalesce(F("moved_from"), Value(study.pk)))
        given_uids.give(Series.objects.filter(study=part).select_related("study"))
        _recount(study, part)
        return SplitParameters(uids, part.public_id, part.study_instance_uid, asks=True)

    @property
    def title_of_note(self) -> str:
        """That the objects lie in the wrong study under their old UIDs."""
        return INCORRECT_WORKLIST_ENTRY

    def finish(self, decision: Decision, study: Study, by: Actor) -> None:
        """Judge what is left, and then the part beside it."""
        part = _part_of(decision)
        written_notes.write(decision, self.title_of_note)
        events.record(
            archive_events.STUDY_SPLIT,
            about=[("study", part.public_id), ("study", study.public_id)],
            actor=decision.by,
            source=f"decision:{decision.public_id}",
            reason=decision.reason,
        )
        reconcile_job.judge_now(study)
        reconcile_job.judge_now(part)

    @classmethod
    def take_back(cls, decision: Decision, study: Study, *, reason: str, by: Actor) -> None:
        """Bring the series back into the locked study, and hide the study that was made of them.

        Raises `Conflict` where somebody has decided on that study, or said something of it, since.
        """
        part = _part_of(decision)
        if apply_verdict.live_decisions(part).exists():
            raise Conflict(
                f"a decision on the study that it made depends on it{by_whom(part)}; undo that first",
                "decision",
            )
        refuse_if_written_on(part)
        moved = SplitParameters.of(decision).series
        rows = Series.objects.filter(study=part, series_instance_uid__in=moved)
        rows.exclude(moved_from=None).update(
            study=study, moved_from=Case(When(moved_from=study, then=None), default=F("moved_from"))
        )
        back = Series.objects.filter(study=study, series_instance_uid__in=moved)
        given_uids.give(back.select_related("study"))
        _recount(study, part)
        written_notes.withdraw(decision)
        if part.series_count == 0:
            _dissolve(part, f"decision:{decision.public_id}")

    @classmethod
    def effects(cls, decision: Decision) -> list[Effect]:
        """What becomes of the study that the split makes, or that its undo takes back."""
        part = Study.objects.get(public_id=SplitParameters.of(decision).study)
        if decision.undone_at is not None:
            text = f"The study {part.study_instance_uid} is gone; its series are back in this one"
            return [Effect("part", text)]
        shown = seen(part)
        note = REJECTION_TITLES[INCORRECT_WORKLIST_ENTRY]
        asks = ""
        if apply_verdict.is_undecided_part(part):
            asks = ". Its headers name the same order: it is not read before somebody decides whose it is"
        text = (
            f"{part.series_count} series with {part.instance_count} images become the study"
            f" {part.study_instance_uid} of {shown.patient}; its verdict is {shown.verdict}, its procedures: "
            f"{shown.procedures}. They get new UIDs, and a rejection note ({note}) names the old ones. Images"
            f" that come later under these go to the new study. Files stay as they are{asks}"
        )
        return [Effect("part", text, "", part.study_instance_uid)]


def _part_of(decision: Decision) -> Study:
    """The study that a split has made, locked."""
    rows = Study.objects.select_for_update(of=("self",)).select_related("facility", "patient")
    return rows.get(public_id=SplitParameters.of(decision).study)


def _part(study: Study, uids: Sequence[str]) -> Study:
    uid = generated_ids.study_instance_uid("split", study.study_instance_uid, *uids)
    for number in itertools.count(2):
        if not Instance.objects.filter(study_instance_uid=uid).exists():
            break
        # What an earlier split sent out came back after its undo, and lies there in its own right.
        uid = generated_ids.study_instance_uid("split", study.study_instance_uid, *uids, number)
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
    indexer.save_indexed(studies)
    for study in studies:
        jobs.enqueue(reconcile_job.KIND, study.study_instance_uid)


def _dissolve(part: Study, origin: str) -> None:
    before = apply_verdict.linked(part)
    part.hidden = Hidden.JOINED
    apply_verdict.set_links(part, None, [])
    part.save(update_fields=["patient", "hidden"])
    Row.objects.filter(study=part).update(status=ExceptionStatus.CLOSED)
    apply_verdict.tell_linked(part, before, origin)
    study_settled.send(sender=None, study=part)
