"""Rows that went into others in a merge of orders, or that nothing is said of any more."""

from collections.abc import Sequence
from typing import Any

from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat

from worklist.models import Order, RequestedProcedure, ScheduledProcedureStep, StatusEvent
from worklist.orders.order_aggregate import OrderRecord, ProcedureRecord, Row, StatusEventRecord, StepRecord

_NOBODYS = Concat(Value("~"), Cast(F("pk"), CharField()))
"""A name that no sender gives."""


def give_names_up(rows: Sequence[Row]) -> None:
    """Free the names of procedures and steps, which others may have by now; they are deleted last."""
    keys = _keys(rows)
    if steps := keys.get(StepRecord):
        ScheduledProcedureStep.objects.filter(pk__in=steps).update(scheduled_procedure_step_id=_NOBODYS)
    if procedures := keys.get(ProcedureRecord):
        found = RequestedProcedure.objects.filter(pk__in=procedures)
        found.update(requested_procedure_id=_NOBODYS, place=None)


def delete(rows: Sequence[Row]) -> None:
    """Delete them, with all that hangs on them still."""
    keys = _keys(rows)
    for record, model in (
        (StatusEventRecord, StatusEvent),
        (StepRecord, ScheduledProcedureStep),
        (ProcedureRecord, RequestedProcedure),
        (OrderRecord, Order),
    ):
        if record in keys:
            model.objects.filter(pk__in=keys[record]).delete()


def _keys(rows: Sequence[Row]) -> dict[type[Any], list[int]]:
    keys: dict[type[Any], list[int]] = {}
    for row in rows:
        if row.id > 0:
            keys.setdefault(type(row), []).append(row.id)
    return keys
