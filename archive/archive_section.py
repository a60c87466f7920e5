"""What the archive reads of the site file at run time: quiet time, room, reconcile policy, coercion."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, field_serializer

from accounts.site_sections import Section
from archive.reconcile.reconcile_policy import Policy


class CoercionScope(StrEnum):
    """Which objects go out under the identity of the record."""

    ALL = "all"
    """Wherever their header tells another one."""
    DECISIONS = "decisions"
    """Where a person decided, or a match needed a correction; not after a mere change of the record."""
    NEVER = "never"
    """None: objects keep what they came with, but for the study that a split gave them."""


RejectReason = Annotated[str, Field(min_length=1, max_length=60)]
REJECT_REASONS: Final = (
    "Positioning",
    "Anatomy cut off",
    "Rotation or angulation",
    "Patient motion",
    "Breathing or inspiration",
    "Exposure too low",
    "Exposure too high",
    "Collimation",
    "Artifact on the patient",
    "Artifact of the detector",
    "Grid",
    "Wrong or missing marker",
    "Wrong patient, side or exam",
    "Equipment failure",
    "Processing failure",
    "Other",
)
"""Why a radiograph is not presented for diagnosis, along the classes of AAPM TG-305."""


class ArchiveSection(Section):
    """The policies of the archive. `reconcile` overrides the default policy key by key."""

    row: ClassVar = "archive"

    quiet_seconds: float = Field(60, ge=0)
    min_free_mib: int = Field(200, ge=0)
    reconcile: Policy = Policy()
    reject_reasons: list[RejectReason] = Field(list(REJECT_REASONS), min_length=1, max_length=50)
    amend: CoercionScope = CoercionScope.ALL

    @property
    def quiet_time(self) -> timedelta:
        """For how long nothing must have come before a study is judged."""
        return timedelta(seconds=self.quiet_seconds)

    @field_serializer("reconcile")
    def _overrides(self, policy: Policy) -> dict[str, Any]:
        """Only what differs from the defaults is kept, so that better defaults reach a site."""
        return policy.overrides()
