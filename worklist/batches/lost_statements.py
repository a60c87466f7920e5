"""Whether what is said counts: it does not where all of it is older than what is known."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from worklist.change_set import Group
from worklist.orders.order_aggregate import OrderAggregate
from worklist.orders.order_update import OrderUpdate
from worklist.patients.patient_records import PatientRecord, VisitRecord


def newer_than(
    group: Group,
    stamp: str,
    patient: PatientRecord | None,
    visit: VisitRecord | None,
    order: OrderAggregate | None,
) -> str:
    """The newest stamp of what a group that was just applied lost to; empty where any of it counts.

    What is done, such as a merge, a status or an appointment, counts whenever it is said, and so does what
    names a thing for the first time or may say that two are one.
    """
    update = group.order
    if group.merges or group.visit_changes or group.appointment or group.arrival or (update and update.act):
        return ""
    if _names_anything_new(group, visit, order):
        return ""
    rows = list(_rows(group, patient, visit, order))
    lost = [known for row, names in rows for known in _known(row, names)]
    if not lost or any(one == stamp for one in lost) or (order and _is_kept_apart(order, stamp)):
        return ""
    return max(lost) if all(one > stamp for one in lost) else ""


def _names_anything_new(group: Group, visit: VisitRecord | None, order: OrderAggregate | None) -> bool:
    numbers = order.numbers if order else ()
    is_new = any(one.id < 0 for one in (*numbers, *((visit,) if visit else ())))
    return is_new or (group.registration is not None and len(group.registration.identifiers) > 1)


def _rows(
    group: Group, patient: PatientRecord | None, visit: VisitRecord | None, order: OrderAggregate | None
) -> Iterator[tuple[Any, Iterable[str]]]:
    """The rows of which something is said, and the names of what is said."""
    if (said := group.registration) and patient is not None:
        if said.allergy_changes:
            yield patient, ("allergies",)
        yield patient, _named(said.demographics)
        if said.visit and visit is not None:
            yield visit, _named(said.visit.values)
    if group.order and order is not None and group.order.procedures:
        yield order.order, group.order.content.said()
        yield from _rows_of(group.order, order)


def _rows_of(update: OrderUpdate, order: OrderAggregate) -> Iterator[tuple[Any, Iterable[str]]]:
    names = {name for one in update.procedures for name in one.content.said()}
    of_steps = {name for one in update.procedures for step in one.steps for name in step.content.said()}
    yield from ((row, names) for row in order.procedures)
    yield from ((row, of_steps) for row in order.steps)


def _named(values: Mapping[str, Any]) -> list[str]:
    return [name for name, value in values.items() if value is not None]


def _known(row: Any, names: Iterable[str]) -> Iterator[str]:
    """Since when each of some fields is as it is."""
    stamps = row.stamps
    return (stamps[name][0] for name in names if name in stamps)


def _is_kept_apart(order: OrderAggregate, stamp: str) -> bool:
    """Whether something was kept of it until IDs tell what it is of."""
    kept = order.order.contributions
    return bool(kept) and stamp in str(kept)
