"""What a message does beside patients, orders and appointments, once these are written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from worklist.change_set import ChangeSet


def _nothing(patient: int | None) -> None:
    """Do nothing more."""


class Told(NamedTuple):
    """What follows, for whoever tries a message out: of which thing, which field, and its value."""

    kind: str
    name: str
    field: str
    value: str


@dataclass(frozen=True)
class FurtherChanges(ChangeSet):
    """A change set, and what follows in the same transaction; `then` is called with the patient's key."""

    then: Callable[[int | None], None] = _nothing
    told: Sequence[Told] = ()
