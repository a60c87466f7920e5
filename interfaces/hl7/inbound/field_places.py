"""Where in a message the worklist's fields were found, as its parser says: what a refusal names (2.15.5)."""

from typing import Final

WHOLE: Final = -1
"""Stands for a field that is none of a single procedure."""


class FieldPlaces:
    """Places by field, by the group of segments that they stand in, and by the procedure of an order.

    Groups count as their first segments do: an order by its ORC, a patient by its PID.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[int, int, str], str] = {}

    def note(self, name: str, location: str, *, group: int = 1, procedure: int = WHOLE) -> None:
        """Keep where a field was found; of several places the first."""
        if location:
            self._found.setdefault((group, procedure, name), location)

    def of(self, name: str, group: int = 1, procedure: int = WHOLE) -> str:
        """Where a field was found: of the procedure, else of the group, else of the message; else empty."""
        keys = ((group, procedure), (group, WHOLE), (group, 0), (1, WHOLE))
        return next((self._found[*key, name] for key in keys if (*key, name) in self._found), "")
