"""Link a study to a scheduled procedure step."""

from dataclasses import dataclass, field

from accounts.actor import Actor
from archive.decisions.decision_frame import link_to
from archive.decisions.decision_type import DecisionType, Links, Parameters, register
from archive.decisions.needs import STEP
from archive.models import Study
from ledger.errors import Conflict, Unknown
from worklist.models import ScheduledProcedureStep


@dataclass(frozen=True)
class LinkParameters(Parameters):
    """The step, by its public id."""

    scheduled_procedure_step: str


def check_step(step: ScheduledProcedureStep, study: Study) -> None:
    """Refuse a step of another facility, or whose patient is not known."""
    if step.procedure.order.facility_id != study.facility_id:
        raise Unknown("the step is of another facility", STEP.name)
    if step.procedure.order.patient is None:
        raise Conflict("the order of this step has no patient yet", STEP.name)


@register
@dataclass(frozen=True)
class Link(DecisionType):
    """The study is of the step's requested procedure, and of its patient."""

    kind = "link"
    key = "1"
    title = "Link"
    does = "Link the images to the chosen step's order and show them under its patient."
    done = "linked"
    links = Links.ORDER
    example_reason = "checked with the ward"

    scheduled_procedure_step: ScheduledProcedureStep = field(metadata={"need": STEP})

    def check(self, study: Study) -> None:
        """The step is one of the study's facility, and its patient is known."""
        check_step(self.scheduled_procedure_step, study)

    def act(self, study: Study, by: Actor) -> LinkParameters:
        """Link it to the procedure and the patient."""
        step = self.scheduled_procedure_step
        assert step.procedure.order.patient is not None
        link_to(study, step.procedure.order.patient, [step.procedure])
        return LinkParameters(step.public_id)
