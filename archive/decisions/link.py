"""Link a study to a scheduled procedure step, or to several: an add-on has an order of its own."""

from dataclasses import dataclass, field

from accounts.actor import Actor
from archive.decisions import create_order
from archive.decisions.decision_frame import is_person, link_to
from archive.decisions.decision_type import DecisionType, Links, Parameters, register
from archive.decisions.effects import Effect
from archive.decisions.needs import STEP, STEPS
from archive.models import Decision, Study
from ledger.errors import Conflict, Unknown
from worklist.models import ScheduledProcedureStep


@dataclass(frozen=True)
class LinkParameters(Parameters):
    """The step, by its public id; and all of them, where they are several."""

    scheduled_procedure_step: str
    scheduled_procedure_steps: list[str] | None = None


def check_step(step: ScheduledProcedureStep, study: Study) -> None:
    """Refuse a step of another facility, or whose patient is not known."""
    if step.procedure.order.facility_id != study.facility_id:
        raise Unknown("the step is of another facility", STEP.name)
    if step.procedure.order.patient is None:
        raise Conflict("the order of this step has no patient yet", STEP.name)


@register
@dataclass(frozen=True)
class Link(DecisionType):
    """The study is of the steps' requested procedures, and of their patient.

    It replaces what the study was linked to: whoever adds an order names the first one as well.
    """

    kind = "link"
    key = "1"
    title = "Link"
    does = "Link the images to the orders of the chosen steps and show them under their patient."
    done = "linked"
    links = Links.ORDER
    example_reason = "checked with the ward"

    scheduled_procedure_step: ScheduledProcedureStep | None = field(default=None, metadata={"need": STEP})
    scheduled_procedure_steps: tuple[ScheduledProcedureStep, ...] = field(
        default=(), metadata={"need": STEPS}
    )

    @property
    def steps(self) -> list[ScheduledProcedureStep]:
        """All that are named, each once."""
        named = [self.scheduled_procedure_step, *self.scheduled_procedure_steps]
        return list({step.pk: step for step in named if step is not None}.values())

    def check(self, study: Study) -> None:
        """The steps are of the study's facility, and all of one patient, who is known."""
        if not self.steps:
            raise STEP.missing()
        for step in self.steps:
            check_step(step, study)
            if not is_person(step.procedure.order.patient, self.steps[0].procedure.order.patient):
                raise Conflict("the steps are of several patients", STEPS.name)

    def act(self, study: Study, by: Actor) -> LinkParameters:
        """Link it to the procedures and the patient."""
        steps = self.steps
        patient = steps[0].procedure.order.patient
        assert patient is not None
        link_to(study, patient, [step.procedure for step in steps])
        several = [step.public_id for step in steps] if len(steps) > 1 else None
        return LinkParameters(steps[0].public_id, several)

    def finish(self, decision: Decision, study: Study, by: Actor) -> None:
        """Cancel the order that was created for it, if nothing is of that any more."""
        create_order.cancel_unused(study, decision, by)

    @classmethod
    def take_back(cls, decision: Decision, study: Study, *, reason: str, by: Actor) -> None:
        """Give that order back."""
        create_order.give_back(decision, by)

    @classmethod
    def effects(cls, decision: Decision) -> list[Effect]:
        """The order that goes, or comes back."""
        what = "stands again" if decision.undone_at is not None else "is cancelled"
        return [
            Effect("order", f"Order {act.order.accession_number}, created for these images, {what}")
            for act in create_order.cancelled_by(decision)
        ]
