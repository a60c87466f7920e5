"""What a dataset may cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What walking through a dataset may come to."""

    depth: int = 32
    elements: int = 200_000
    fragments: int = 2_000_000  # a slide of a million tiles is legal; each costs one step of the loop
    inflated: int = 1 << 30
    inflation_ratio: int = 200
    inflation_free: int = 32 << 20  # blank images deflate 1000:1, so small ones are let through


LIMITS = Limits()
