"""A field of the evidence: what the images say, what the schedule expects, and how far these agree."""

from dataclasses import dataclass
from typing import Any, Self

Agreement = tuple[float | None, str]
"""How far two values agree, 0 to 1, None where one side says nothing; and the normaliser that it takes."""


@dataclass(frozen=True)
class Finding:
    """What was seen in the images, what the schedule expected, and how far they agree."""

    field: str
    seen: str
    expected: str
    normaliser: str
    agreement: float | None
    weight: float

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """As a verdict keeps it."""
        return cls(**kept)

    def to_json(self) -> dict[str, object]:
        """As a verdict keeps it."""
        return dict(vars(self))
