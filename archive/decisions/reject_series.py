"""Reject some series of a study: they become a study of their own, which is rejected."""

from dataclasses import dataclass, field

from accounts.actor import Actor
from archive.decisions import decision_frame
from archive.decisions.decision_type import register
from archive.decisions.effects import Effect
from archive.decisions.reject import CAUSE, CODE, Reject, check_code
from archive.decisions.split import Split, SplitParameters
from archive.decisions.undo import undo
from archive.models import Decision, Study, StudyException
from archive.reconcile import apply_verdict


@dataclass(frozen=True)
class RejectSeriesParameters(SplitParameters):
    """What the split keeps, and why the series were rejected."""

    code: str = ""
    cause: str | None = None


class _RejectPart(Reject):
    """The rejection of what the series became: the note on it lies in the study that they came in."""

    writes_note = False


@register
@dataclass(frozen=True)
class RejectSeries(Split):
    """Some, not all, of a study's series are hidden from lists, interfaces, viewer and reading."""

    kind = "reject_series"
    key = "8"
    title = "Reject series"
    does = "Hide the selected series from lists, viewer and reading. They stay on disk."
    done = "without the rejected series"
    restores = "the series in the study"
    example_reason = "moved during the second scan"

    code: str = field(metadata={"need": CODE})
    cause: str | None = field(default=None, metadata={"need": CAUSE})

    def check(self, study: Study) -> None:
        """Some series, and a code and a reason that a person may give."""
        super().check(study)
        check_code(self.code, self.cause)

    @property
    def title_of_note(self) -> str:
        """The code that the person gave."""
        return self.code

    def act(self, study: Study, by: Actor) -> RejectSeriesParameters:
        """Move the series."""
        kept = super().act(study, by)
        return RejectSeriesParameters(**vars(kept), code=self.code, cause=self.cause)

    def finish(self, decision: Decision, study: Study, by: Actor) -> None:
        """Reject what they became, so that it is counted and hidden like any rejected study."""
        super().finish(decision, study, by)
        part = Study.objects.get(public_id=RejectSeriesParameters.of(decision).study)
        decision_frame.decide(
            _RejectPart(self.code, self.cause),
            study=part,
            reason=decision.reason,
            by=by,
            expected=decision_frame.revision(part),
        )

    @classmethod
    def take_back(cls, decision: Decision, study: Study, *, reason: str, by: Actor) -> None:
        """Bring the series back."""
        part = Study.objects.get(public_id=RejectSeriesParameters.of(decision).study)
        if (newest := apply_verdict.live_decisions(part).last()) and newest.kind == Reject.kind:
            undo(exception=StudyException.objects.get(study=part), reason=reason, by=by)
        super().take_back(decision, study, reason=reason, by=by)

    @classmethod
    def effects(cls, decision: Decision) -> list[Effect]:
        """How many series and images are hidden, or come back."""
        kept = RejectSeriesParameters.of(decision)
        if decision.undone_at is not None:
            return super().effects(decision)
        part = Study.objects.get(public_id=kept.study)
        text = (
            f"{part.series_count} series with {part.instance_count} images are hidden everywhere. Files stay"
        )
        return [Effect("part", text, "", kept.study_instance_uid)]
