"""Take a rejection note that came back: what it names is shown again, or it is settled that it stays so."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from accounts.actor import Actor
from archive.decisions.decision_type import DecisionType, Parameters, register
from archive.decisions.needs import ChosenFrom, Need
from archive.models import Decision, Rejection, RejectionState, Study
from archive.rejections import rejected_objects
from archive.rejections.rejection_titles import REJECTION_TITLES
from ledger.errors import Unknown
from worklist.schedule.order_choices import Choice


def _notes(study: Study) -> Sequence[Choice]:
    rows = rejected_objects.of_study(study)[:50]
    return [
        Choice(one.public_id, f"{REJECTION_TITLES[one.code]}, from {one.source}", one.get_state_display())
        for one in rows
    ]


NOTE: Final = Need(
    name="note",
    meaning="the id of a rejection note that came for the study",
    prompt="Choose the rejection note.",
    example="7c1f0a9be1234b6a9d1c2e3f4a5b6c7d",
    chosen_from=ChosenFrom.MANY,
    label="Rejection note",
    choices=_notes,
    if_missing="name the rejection note",
)


@dataclass(frozen=True)
class RestoreImagesParameters(Parameters):
    """The note, by its public id."""

    note: str


@register
@dataclass(frozen=True)
class RestoreImages(DecisionType):
    """The images that a note had hidden, or would have, are shown."""

    kind = "restore_images"
    key = "B"
    title = "Restore images"
    does = "Show the images that a rejection note from a modality has hidden."
    done = "shown with the images of the rejection note"
    restores = "the rejection note"
    pins = False
    on_hidden = True
    example_reason = "the technologist rejected the wrong series"

    note: str = field(metadata={"need": NOTE})

    @classmethod
    def is_offered(cls, study: Study) -> bool:
        """Where there is a note to take back."""
        return rejected_objects.of_study(study).exists()

    def act(self, study: Study, by: Actor) -> RestoreImagesParameters:
        """Look that it is a note on this study."""
        if not rejected_objects.of_study(study).filter(public_id=self.note).exists():
            raise Unknown("the study has no such rejection note", NOTE.name)
        return RestoreImagesParameters(self.note)

    def finish(self, decision: Decision, study: Study, by: Actor) -> None:
        """Take it back."""
        rejected_objects.take_back(Rejection.objects.get(public_id=self.note))
        study.refresh_from_db()

    @classmethod
    def take_back(cls, decision: Decision, study: Study, *, reason: str, by: Actor) -> None:
        """Let the note hide again what it hid."""
        row = Rejection.objects.get(public_id=RestoreImagesParameters.of(decision).note)
        row.state = RejectionState.NEW
        row.save(update_fields=["state"])
        rejected_objects.settle(row.study_instance_uid)
        study.refresh_from_db()
