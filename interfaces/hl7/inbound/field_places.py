"""Where in a message the worklist's fields were found, as its parser says: what a refusal names (2.15.5)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from interfaces.hl7.syntax.message_parts import Segment

WHOLE: Final = -1
"""Stands for a field that is none of a single procedure."""

Key = tuple[int, int]
FieldNumbers = Sequence[tuple[str, int]]
"""Fields of the worklist, each with the number of the field of a segment that it comes from."""


class FieldPlaces:
    """Places by field, by the group of segments that they stand in, and by the procedure of an order.

    Groups count as their first segments do: an order by its ORC, a patient by its PID. Places are worked out
    when they are asked for, since hardly any message is refused.
    """

    def __init__(self) -> None:
        self._found: dict[Key, dict[str, str]] = {}
        self._segments: dict[Key, list[tuple[Segment, FieldNumbers]]] = {}

    def note(self, name: str, location: str, *, group: int = 1, procedure: int = WHOLE) -> None:
        """Keep where a field was found; of several places the first."""
        if location:
            self._found.setdefault((group, procedure), {}).setdefault(name, location)

    def note_all(self, places: Mapping[str, str], *, group: int, procedure: int) -> None:
        """Keep where several fields were found."""
        known = self._found.setdefault((group, procedure), {})
        for name, location in places.items():
            if location:
                known.setdefault(name, location)

    def note_segment(
        self, segment: Segment, fields: FieldNumbers, *, group: int = 1, procedure: int = WHOLE
    ) -> None:
        """Keep that fields come from a segment, unless they are found to come from elsewhere."""
        self._segments.setdefault((group, procedure), []).append((segment, fields))

    def of(self, name: str, group: int = 1, procedure: int = WHOLE) -> str:
        """Where a field was found: of the procedure, else of the group, else of the message; else empty."""
        keys = ((group, procedure), (group, WHOLE), (group, 0), (1, WHOLE))
        return next((place for key in keys for place in self._at(key, name)), "")

    def _at(self, key: Key, name: str) -> Iterator[str]:
        if place := self._found.get(key, {}).get(name):
            yield place
        for segment, fields in self._segments.get(key, ()):
            yield from (segment.location(n) for one, n in fields if one == name)
