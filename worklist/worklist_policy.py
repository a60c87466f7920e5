"""What the worklist does where a sender leaves something open, as the site file says."""

from typing import ClassVar, Literal

from accounts.site_sections import Section


class WorklistPolicy(Section):
    """What becomes of authorities and codes that the site does not name, and of steps that have images."""

    row: ClassVar = "worklist"

    unknown_authorities: Literal["accept", "refuse"] = "refuse"
    unknown_procedure_codes: Literal["accept_with_modality", "refuse"] = "refuse"
    on_images: Literal["start", "complete", "nothing"] = "complete"
    """What becomes of a step once images are judged to be of it, where nobody has ended it."""
