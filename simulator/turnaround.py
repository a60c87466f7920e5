"""Turnaround of the truth file by Kaplan and Meier, computed here on its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FEWEST = 20
"""With fewer cases no percentile is told."""


@dataclass(frozen=True)
class Waited:
    """How long a study waited, in seconds, and whether its wait ended; if not, it was still waiting then."""

    seconds: float
    ended: bool


def survival(waits: Iterable[Waited]) -> list[tuple[float, float]]:
    """Times at which waits ended, each with S(t): the product of 1 - d/n over all such times up to t.

    n is how many had waited at least so long; one that is still waiting counts up to its own time.
    """
    waits = sorted(waits, key=lambda wait: wait.seconds)
    share, curve = 1.0, []
    for time in sorted({wait.seconds for wait in waits if wait.ended}):
        at_risk = sum(wait.seconds >= time for wait in waits)
        ends = sum(wait.ended and wait.seconds == time for wait in waits)
        share *= 1 - ends / at_risk
        curve.append((time, share))
    return curve


def percentile(waits: Sequence[Waited], share: float) -> float | None:
    """The least t with 1 - S(t) of at least `share`; None where so many have not ended yet."""
    return next((time for time, left in survival(waits) if 1 - left >= share - 1e-12), None)


@dataclass(frozen=True)
class Figure:
    """What is told of a group: how many, of these how many ended, and the percentiles in seconds."""

    n: int
    done: int
    p50: float | None
    p90: float | None


def figure(waits: Sequence[Waited]) -> Figure:
    """The figure of a group; a percentile needs twenty cases."""
    enough = len(waits) >= FEWEST
    return Figure(
        n=len(waits),
        done=sum(wait.ended for wait in waits),
        p50=percentile(waits, 0.5) if enough else None,
        p90=percentile(waits, 0.9) if enough else None,
    )
