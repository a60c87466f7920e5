"""Appointments whose order is not here yet. Only reads."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from worklist.models import (
    Appointment,
    AppointmentReference,
    Order,
    OrderNumber,
    RequestedProcedure,
)

MOST: Final = 500
"""Appointments that are looked at, the newest."""
_Name = tuple[str, str]
_Kind = AppointmentReference.Kind


def since(moment: datetime) -> list[str]:
    """The public ids of those said since a moment none of whose numbers is an order's."""
    rows = Appointment.objects.filter(received_at__gte=moment).order_by("-pk")
    found = list(rows.prefetch_related("references")[:MOST])
    names = {one.public_id: {(ref.kind, ref.value) for ref in one.references.all()} for one in found}
    known = _known({name for some in names.values() for name in some})
    return [public_id for public_id, some in names.items() if not some & known]


def _known(names: Iterable[_Name]) -> set[_Name]:
    """Those by which an order is here."""
    names = set(names)
    accessions = {value for kind, value in names if kind == _Kind.ACCESSION}
    values = {value for kind, value in names if kind != _Kind.ACCESSION}
    numbers = OrderNumber.objects.filter(kind__in=OrderNumber.Kind.values, value__in=values)
    found = set(numbers.values_list("kind", "value"))
    for model in (Order, RequestedProcedure):
        rows = model._default_manager.filter(accession_number__in=accessions)
        found |= {(_Kind.ACCESSION.value, value) for value in rows.values_list("accession_number", flat=True)}
    return found
