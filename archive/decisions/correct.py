"""Show a study under the demographics that the HIS has of its patient."""

from dataclasses import dataclass, field

from accounts.actor import Actor
from archive.decisions.decision_frame import link_to
from archive.decisions.decision_type import DecisionType, Links, Parameters, register
from archive.decisions.link import check_step
from archive.decisions.needs import STEP
from archive.models import Outcome, Study
from archive.reconcile import apply_verdict, verdict_record
from ledger.errors import Conflict
from worklist.models import Patient, RequestedProcedure, ScheduledProcedureStep


@dataclass(frozen=True)
class CorrectParameters(Parameters):
    """The patient's record, and the step of the candidate that it was taken from, by public ids."""

    patient: str
    scheduled_procedure_step: str | None = None


@register
@dataclass(frozen=True)
class Correct(DecisionType):
    """The study is of the chosen step's patient, else of the one that it is linked to, else of the newest
    verdict's best candidate, if that is a single one that anything speaks for.
    """

    kind = "correct"
    key = "2"
    title = "Correct"
    does = "Correct the images to the HIS's patient details, with the chosen order."
    done = "corrected"
    links = Links.ORDER

    scheduled_procedure_step: ScheduledProcedureStep | None = field(default=None, metadata={"need": STEP})

    def check(self, study: Study) -> None:
        """A step that is named can be linked to."""
        if self.scheduled_procedure_step is not None:
            check_step(self.scheduled_procedure_step, study)

    def act(self, study: Study, by: Actor) -> CorrectParameters:
        """Take over the step's patient, or the candidate, if there is a single best one."""
        if (step := self.scheduled_procedure_step) is not None:
            assert step.procedure.order.patient is not None
            link_to(study, step.procedure.order.patient, [step.procedure])
            return CorrectParameters(step.procedure.order.patient.public_id, step.public_id)
        if study.patient is not None:
            return CorrectParameters(study.patient.public_id)
        candidates = verdict_record.candidates(apply_verdict.newest(study))
        if not candidates or not (record := candidates[0].patient.record):
            raise Conflict("no candidate has demographics to take over", "patient")
        best = candidates[0]
        if best.score <= 0:
            raise STEP.missing()
        rivals = {one.patient.id for one in candidates if one.score == best.score}
        if study.verdict == Outcome.AMBIGUOUS or len(rivals) > 1:
            raise Conflict("several candidates are as good; link the study to one of them", "patient")
        procedures = list(RequestedProcedure.objects.filter(public_id=best.procedure))
        patient = Patient.objects.filter(public_id=record).first()
        if patient is None or not procedures:
            raise Conflict("the candidate is there no longer", "patient")
        link_to(study, patient, procedures)
        return CorrectParameters(record, best.step)
