"""What is recorded of visits that messages change: about the patient, and the orders of the visit."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Final

from ledger.events import Entry
from worklist import worklist_events
from worklist.models import Order
from worklist.patients.patient_index import PatientIndex

MOST: Final = 500
"""Orders of which it is told in one batch."""


def told(patients: PatientIndex, with_orders: Collection[int | None]) -> Iterator[Entry]:
    """The events of visits, before these are saved; one that came `with_orders` is told by these."""
    changes = patients.visits.changes
    orders = _orders({one.row.id for one in changes if one.row.id > 0})
    for row, fields, provenance in changes:
        if row.id < 0 and row.id in with_orders:
            continue
        patient = patients.patients.get(row.patient_id)
        about = [("patient", patient.public_id)] if patient else []
        about += [("order", one) for one in orders[row.id]]
        if row.id < 0:
            yield provenance.entry(worklist_events.VISIT_REGISTERED, about, number=row.number)
        else:
            details = {"number": row.number, "fields": fields}
            yield provenance.entry(worklist_events.VISIT_CHANGED, about, **details)


def _orders(visits: Collection[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    if visits:
        rows = Order.objects.filter(visit__in=visits).order_by("-pk").values_list("visit", "public_id")
        for visit, public_id in rows[:MOST]:
            found[visit].append(public_id)
    return found
