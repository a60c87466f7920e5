"""Reject single images of a study: they are hidden and counted, the others stay (AAPM TG-305)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from accounts.actor import Actor
from archive.decisions.decision_type import DecisionType, Parameters, register
from archive.decisions.needs import ChosenFrom, Need
from archive.decisions.reject import CAUSE, CODE, REJECTION_CODES, check_code
from archive.models import Decision, Instance, RejectedObject, Rejection, RejectionState, Study, known_as
from archive.rejections import rejected_objects, written_notes
from archive.storage import generated_objects
from ledger.errors import Invalid, Unknown
from worklist.schedule.order_choices import Choice

MOST_IMAGES: Final = 1000
_LISTED: Final = 500


def _images(study: Study) -> Sequence[Choice]:
    """The images that are shown, series by series."""
    rows = generated_objects.instances_of_others(study).filter(rejection=None).select_related("series")
    return [
        Choice(
            one.uid,
            f"Series {one.series.number or '–'}, image {one.number or '–'}" if one.series else "",
            " ".join(filter(None, [one.series.modality, one.header.get("view_position")]))
            if one.series
            else "",
        )
        for one in rows[:_LISTED]
    ]


IMAGES: Final = Need(
    name="images",
    meaning="their SOP Instance UIDs",
    prompt="Select the images to reject.",
    example=["1.2.840.99.1.2.3"],
    chosen_from=ChosenFrom.IMAGES,
    label="Images",
    choices=_images,
    most=MOST_IMAGES,
    if_missing="name the images that are rejected",
)


@dataclass(frozen=True)
class RejectImagesParameters(Parameters):
    """The images, as their headers name them, and why they were rejected."""

    images: list[str]
    code: str
    meaning: str
    cause: str | None = None


@register
@dataclass(frozen=True)
class RejectImages(DecisionType):
    """Some, not all, of a study's images are hidden from lists, interfaces, viewer and reading."""

    kind = "reject_images"
    key = "I"
    title = "Reject images"
    does = "Hide the selected images from lists, viewer and reading. They stay on disk."
    done = "without the rejected images"
    restores = "the images in the study"
    pins = False
    example_reason = "exposed twice, the first one blurred"

    images: Sequence[str] = field(metadata={"need": IMAGES})
    code: str = field(metadata={"need": CODE})
    cause: str | None = field(default=None, metadata={"need": CAUSE})

    def check(self, study: Study) -> None:
        """Some images, and a code and a reason that a person may give."""
        if not self.images:
            raise IMAGES.missing()
        if (count := len(set(self.images))) > MOST_IMAGES:
            raise Invalid(f"{count} images are named, {MOST_IMAGES} fit", IMAGES.name)
        check_code(self.code, self.cause)

    def act(self, study: Study, by: Actor) -> RejectImagesParameters:
        """Look that the images are here, and that others stay."""
        uids = sorted(set(self.images))
        shown = generated_objects.instances_of_others(study).filter(rejection=None)
        there = {row.uid: row.sop_instance_uid for row in shown.filter(known_as("sop_instance_uid", uids))}
        if unknown := [uid for uid in uids if uid not in there]:
            raise Unknown(f"the study shows no image {unknown[0]}", IMAGES.name)
        if len(there) == shown.count():
            raise Invalid("at least one image has to stay; to reject all, reject the study", IMAGES.name)
        uids = sorted(there.values())
        return RejectImagesParameters(uids, self.code, REJECTION_CODES[self.code], self.cause)

    def finish(self, decision: Decision, study: Study, by: Actor) -> None:
        """Hide them."""
        kept = RejectImagesParameters.of(decision)
        rows = Instance.objects.filter(series__study=study, sop_instance_uid__in=kept.images)
        named = list(rows.values_list("study_instance_uid", "series_instance_uid", "sop_instance_uid"))
        row = Rejection.objects.create(
            study_instance_uid=named[0][0],
            code=kept.code,
            cause=kept.cause or "",
            decision=decision,
            state=RejectionState.IN_FORCE,
        )
        RejectedObject.objects.bulk_create(
            RejectedObject(rejection=row, series_instance_uid=series, sop_instance_uid=sop)
            for _, series, sop in named
        )
        written_notes.write(decision, kept.code)
        rejected_objects.settle(row.study_instance_uid)
        study.refresh_from_db()

    @classmethod
    def take_back(cls, decision: Decision, study: Study, *, reason: str, by: Actor) -> None:
        """Show them again, unless another rejection hides them as well."""
        written_notes.withdraw(decision)
        rejected_objects.take_back(Rejection.objects.get(decision=decision))
        study.refresh_from_db()
