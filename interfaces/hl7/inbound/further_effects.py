"""What a message does beside patients, orders and appointments, once these are written."""

from collections.abc import Callable
from dataclasses import dataclass

from worklist.change_set import ChangeSet


def _nothing(patient: int | None) -> None:
    """Do nothing more."""


@dataclass(frozen=True)
class FurtherChanges(ChangeSet):
    """A change set, and what follows in the same transaction; `then` is called with the patient's key."""

    then: Callable[[int | None], None] = _nothing
