"""The colour of a bar that shows how long something waits against its target."""

from datetime import timedelta
from typing import Final

NEAR: Final = 0.75
"""From this part of the target on the bar is amber."""


def waiting_tone(waited: timedelta, target: timedelta) -> str:
    """A class of the bar: red past the target, amber in its last quarter."""
    if waited > target:
        return "red"
    return "amber" if waited >= target * NEAR else ""
