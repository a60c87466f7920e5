"""Show a study under the demographics that the HIS has of its patient."""

from dataclasses import dataclass

from accounts.actor import Actor
from archive.decisions.decision_frame import link_to
from archive.decisions.decision_type import DecisionType, Links, Parameters, register
from archive.models import Outcome, Study
from archive.reconcile import apply_verdict, verdict_record
from ledger.errors import Conflict
from worklist.models import Patient, RequestedProcedure


@dataclass(frozen=True)
class CorrectParameters(Parameters):
    """The patient's record, and the step of the candidate that it was taken from, by public ids."""

    patient: str
    scheduled_procedure_step: str | None = None


@register
@dataclass(frozen=True)
class Correct(DecisionType):
    """The study is of the patient that it is linked to, else of the newest verdict's best candidate."""

    kind = "correct"
    key = "2"
    title = "Correct"
    does = "Correct the images to the HIS's patient details, with the chosen order."
    done = "corrected"
    links = Links.ORDER

    def act(self, study: Study, by: Actor) -> CorrectParameters:
        """Take over the candidate, if there is a single best one."""
        if study.patient is not None:
            return CorrectParameters(study.patient.public_id)
        candidates = verdict_record.candidates(apply_verdict.newest(study))
        if not candidates or not (record := candidates[0].patient.record):
            raise Conflict("no candidate has demographics to take over", "patient")
        best = candidates[0]
        rivals = {one.patient.id for one in candidates if one.score == best.score}
        if study.verdict == Outcome.AMBIGUOUS or len(rivals) > 1:
            raise Conflict("several candidates are as good; link the study to one of them", "patient")
        procedures = list(RequestedProcedure.objects.filter(public_id=best.procedure))
        patient = Patient.objects.filter(public_id=record).first()
        if patient is None or not procedures:
            raise Conflict("the candidate is there no longer", "patient")
        link_to(study, patient, procedures)
        return CorrectParameters(record, best.step)
