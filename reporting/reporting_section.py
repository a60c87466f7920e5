"""What reporting reads of the site file at run time: targets, the undo of signatures, names, macros."""

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar, Final, Literal

from pydantic import Field, field_validator

from accounts.site_sections import Section
from worklist.models import Priority

TARGETS: Final[Mapping[str, int]] = {
    Priority.STAT.value: 60,
    Priority.HIGH.value: 240,
    Priority.ROUTINE.value: 1440,
    Priority.MEDIUM.value: 1440,
    Priority.LOW.value: 2880,
}
"""Minutes from ready to final, where the site says nothing else."""


class ReportingSection(Section):
    """The policies of reporting.

    `targets` are minutes from ready to final, by priority. With `signing_pin` a PIN may sign after the first
    signature of a session; without, the password is asked each time.
    """

    row: ClassVar = "reporting"

    targets: dict[str, int] = dict(TARGETS)
    undo_seconds: int = Field(60, ge=0, le=3600)
    signing_pin: bool = True
    reports: Literal["one", "per_procedure"] = Field(
        "per_procedure", description="what is made of a study that is linked to several procedures"
    )
    show_reader_names: bool = False
    macros: dict[str, str] = {}

    @field_validator("targets")
    @classmethod
    def _priorities(cls, value: dict[str, int]) -> dict[str, int]:
        if strange := set(value) - set(TARGETS):
            raise ValueError(f"{', '.join(strange)} is none of {', '.join(TARGETS)}")
        if any(minutes <= 0 for minutes in value.values()):
            raise ValueError("a target is a positive number of minutes")
        return {**TARGETS, **value}

    def target(self, priority: str) -> timedelta:
        """How long reading may take, from ready to final."""
        return timedelta(minutes=self.targets[priority])
