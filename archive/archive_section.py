"""What the archive reads of the site file at run time: quiet time, room, reconcile policy, coercion."""

from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar

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


class ArchiveSection(Section):
    """The policies of the archive. `reconcile` overrides the default policy key by key."""

    row: ClassVar = "archive"

    quiet_seconds: float = Field(60, ge=0)
    min_free_mib: int = Field(200, ge=0)
    reconcile: Policy = Policy()
    amend: CoercionScope = CoercionScope.ALL

    @property
    def quiet_time(self) -> timedelta:
        """For how long nothing must have come before a study is judged."""
        return timedelta(seconds=self.quiet_seconds)

    @field_serializer("reconcile")
    def _overrides(self, policy: Policy) -> dict[str, Any]:
        """Only what differs from the defaults is kept, so that better defaults reach a site."""
        return policy.overrides()
