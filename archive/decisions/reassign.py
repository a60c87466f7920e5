"""Give a study to another patient."""

from dataclasses import dataclass, field

from accounts.actor import Actor
from archive.decisions.decision_frame import is_person, link_to, procedures_of
from archive.decisions.decision_type import DecisionType, Links, Parameters, register
from archive.decisions.needs import PATIENT
from archive.models import Study
from ledger.errors import Unknown
from worklist.models import Patient


@dataclass(frozen=True)
class ReassignParameters(Parameters):
    """The patient, by its public id."""

    patient: str


@register
@dataclass(frozen=True)
class Reassign(DecisionType):
    """The study is this patient's; procedures of anybody else are unlinked."""

    kind = "reassign"
    key = "4"
    title = "Reassign"
    does = "Move the images to the chosen patient; other patients' orders are unlinked."
    done = "reassigned"
    links = Links.PATIENT

    patient: Patient = field(metadata={"need": PATIENT})

    def check(self, study: Study) -> None:
        """The patient is one of the study's facility."""
        if self.patient.facility_id != study.facility_id:
            raise Unknown("the patient is of another facility", PATIENT.name)

    def act(self, study: Study, by: Actor) -> ReassignParameters:
        """Keep of its procedures those of this patient."""
        kept = [one for one in procedures_of(study) if is_person(one.order.patient, self.patient)]
        link_to(study, self.patient, kept)
        return ReassignParameters(self.patient.public_id)
