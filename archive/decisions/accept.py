"""Leave a study as it is."""

from dataclasses import dataclass

from accounts.actor import Actor
from archive.decisions.decision_type import DecisionType, Parameters, register
from archive.models import Study


@register
@dataclass(frozen=True)
class Accept(DecisionType):
    """The study stays as it is, under its own header's identity where it is linked to nobody."""

    kind = "accept"
    key = "7"
    title = "Accept"
    does = "Accept the images as they are."
    done = "accepted as it is"
    example_reason = "outside study, brought on a disc"

    def act(self, study: Study, by: Actor) -> Parameters:
        """Nothing."""
        return Parameters()
