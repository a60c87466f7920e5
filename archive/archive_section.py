"""What the archive reads of the site file at run time: quiet time, room, reconcile policy, coercion."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, field_serializer, field_validator

from accounts.site_sections import Section
from archive.imports import import_sources
from archive.reconcile.phantom_patterns import NO_PHANTOMS, PhantomPatterns
from archive.reconcile.reconcile_policy import Policy
from archive.rejections.rejection_titles import REJECTION_TITLES


class CoercionScope(StrEnum):
    """Which objects go out under the identity of the record."""

    ALL = "all"
    """Wherever their header tells another one."""
    DECISIONS = "decisions"
    """Where a person decided, or a match needed a correction; not after a mere change of the record."""
    NEVER = "never"
    """None: objects keep what they came with, but for the study that a split gave them."""


class Resend(StrEnum):
    """What becomes of an object that is here already and comes again under another header."""

    NEWEST = "newest"
    """The new header is taken, and the study judged by it."""
    EXCEPTION = "exception"
    """It is kept, and a person decides."""
    REFUSE = "refuse"
    """The sender is told that it is not taken."""


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


class NotePolicy(StrEnum):
    """What a rejection note that comes in does."""

    HIDE = "hide"
    """What it names is hidden, and kept."""
    KEEP = "keep"
    """What it names stays as it was."""


class ArchiveSection(Section):
    """The policies of the archive. `reconcile` overrides the default policy key by key."""

    row: ClassVar = "archive"

    quiet_seconds: float = Field(60, ge=0)
    min_free_mib: int = Field(200, ge=0)
    reconcile: Policy = Policy()
    phantoms: PhantomPatterns = NO_PHANTOMS
    reject_reasons: list[RejectReason] = Field(list(REJECT_REASONS), min_length=1, max_length=50)
    amend: CoercionScope = CoercionScope.ALL
    resend: Resend = Resend.NEWEST
    resend_by_source: dict[Annotated[str, Field(min_length=1, max_length=16)], Resend] = {}
    """By calling AE title, where a source differs from `resend`."""
    rejection_notes: dict[str, NotePolicy] = Field(
        {}, description="what notes that come in do, by title; one that is not named hides"
    )

    @field_validator("rejection_notes")
    @classmethod
    def _known_titles(cls, value: dict[str, NotePolicy]) -> dict[str, NotePolicy]:
        if unknown := sorted(value.keys() - REJECTION_TITLES.keys()):
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(REJECTION_TITLES)}")
        return value

    def note_hides(self, code: str) -> bool:
        """Whether a note of this title hides what it names."""
        return self.rejection_notes.get(code, NotePolicy.HIDE) is NotePolicy.HIDE

    @property
    def quiet_time(self) -> timedelta:
        """For how long nothing must have come before a study is judged."""
        return timedelta(seconds=self.quiet_seconds)

    def resend_of(self, calling_ae: str) -> Resend:
        """What becomes of what this source sends again."""
        usual = self.resend
        if calling_ae == import_sources.DISC and usual is Resend.NEWEST:
            usual = Resend.EXCEPTION  # another hospital may have put its own numbers into our images
        return self.resend_by_source.get(calling_ae, usual)

    @field_serializer("reconcile")
    def _overrides(self, policy: Policy) -> dict[str, Any]:
        """Only what differs from the defaults is kept, so that better defaults reach a site."""
        return policy.overrides()
