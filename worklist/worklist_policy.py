"""What the worklist does where a sender leaves something open, as the site file says."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from accounts.site_sections import Section

Reason = Annotated[str, Field(min_length=1, max_length=100)]


class LabelSize(BaseModel):
    """How large the labels are that are printed for an exam."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width_mm: float = Field(62, ge=40, le=210)
    height_mm: float = Field(29, ge=20, le=297)


class WorklistPolicy(Section):
    """What becomes of authorities and codes that the site does not name, and of steps that have images."""

    row: ClassVar = "worklist"

    unknown_authorities: Literal["accept", "refuse"] = "refuse"
    unknown_procedure_codes: Literal["accept_with_modality", "refuse"] = "refuse"
    on_images: Literal["start", "complete", "nothing"] = "complete"
    """What becomes of a step once images are judged to be of it, where nobody has ended it: it is started
    with the first of them, and completed when they are quiet."""
    temporary_authority: Annotated[str, Field(min_length=1, max_length=64)] = "TEMP"
    """Who gives patients identifiers whom no HIS has named yet: we do, under this name."""
    no_show_reasons: tuple[Reason, ...] = (
        "Not reached",
        "Appointment forgotten",
        "Ill",
        "No transport",
        "Left without being examined",
    )
    cancel_reasons: tuple[Reason, ...] = (
        "Entered twice",
        "Wrong patient",
        "Wrong procedure",
        "Patient refused",
        "Contraindication",
        "Patient could not cooperate",
        "Equipment failure",
        "No longer indicated",
        "Left without being examined",
    )
    """What is chosen from, before more is typed."""
    label: LabelSize = LabelSize()
