"""A field of the evidence: what the images say, what the schedule expects, and how far these agree."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

Agreement = tuple[float | None, str]
"""How far two values agree, 0 to 1, None where one side says nothing; and the normaliser that it takes."""


class Concordance(StrEnum):
    """What the agreement of a field comes to under a policy."""

    AGREES = "agrees"
    UNCLEAR = "unclear"
    CONTRADICTS = "contradicts"
    SILENT = "silent"


@dataclass(frozen=True)
class Finding:
    """What was seen in the images, what the schedule expected, how far they agree, and what that comes to."""

    field: str
    seen: str
    expected: str
    normaliser: str
    agreement: float | None
    concordance: Concordance
    weight: float

    @property
    def agrees(self) -> bool:
        """Whether it speaks for the candidate."""
        return self.concordance is Concordance.AGREES

    @property
    def is_unclear(self) -> bool:
        """Whether it is neither for nor against the candidate."""
        return self.concordance is Concordance.UNCLEAR

    @property
    def contradicts(self) -> bool:
        """Whether it speaks against the candidate."""
        return self.concordance is Concordance.CONTRADICTS

    @property
    def contribution(self) -> float:
        """What it adds to the score, or takes from it, as weight; nothing where one side is silent."""
        return 0.0 if self.agreement is None else self.weight * (2 * self.agreement - 1)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """As a verdict keeps it."""
        return cls(**{**kept, "concordance": Concordance(kept["concordance"])})

    def to_json(self) -> dict[str, object]:
        """As a verdict keeps it."""
        return vars(self) | {"concordance": self.concordance.value}
