"""Apply what messages say: patients and orders by sets, then the appointments and arrivals among it."""

from collections.abc import Sequence

from worklist.batches import batch
from worklist.batches.batch import Applied, Told
from worklist.catalogue import Catalogue
from worklist.change_set import ChangeSet
from worklist.schedule import appointments
from worklist.schedule.appointments import Said


def apply(
    change_sets: Sequence[ChangeSet], catalogue: Catalogue, told: Told | None = None
) -> list[int | None]:
    """Apply change sets, each of which was checked, in the caller's transaction; the first patient of each.

    Raises what `batch.apply` raises.
    """
    applied = batch.apply(change_sets, catalogue, told)
    apply_appointments(change_sets, applied)
    first = (groups[0].patient if groups else None for groups in applied)
    return [patient.id if patient else None for patient in first]


def apply_appointments(change_sets: Sequence[ChangeSet], applied: Sequence[Sequence[Applied]]) -> None:
    """The appointments and arrivals of change sets, once their patients and orders are applied."""
    appointments.apply(
        said for changes, groups in zip(change_sets, applied, strict=True) for said in _said(changes, groups)
    )


def _said(changes: ChangeSet, applied: Sequence[Applied]) -> list[Said]:
    return [
        Said(changes.provenance, one.patient.id if one.patient else None, group.registration, update)
        for group, one in zip(changes.groups, applied, strict=True)
        for update in (group.appointment, group.arrival)
        if update is not None
    ]
