"""An order with its procedures, steps and acts: loaded once, changed in memory, saved where it changed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import models

from worklist.models import Order, OrderNumber, RequestedProcedure, ScheduledProcedureStep, StatusEvent


@dataclass
class OrderAggregate:
    """What belongs to one order."""

    order: Order
    numbers: list[OrderNumber] = field(default_factory=list)
    procedures: list[RequestedProcedure] = field(default_factory=list)
    steps: list[ScheduledProcedureStep] = field(default_factory=list)
    acts: list[StatusEvent] = field(default_factory=list)
    _as_loaded: dict[int, tuple[Any, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, order: Order) -> "OrderAggregate":
        """Load everything of an order."""
        procedures = list(RequestedProcedure.objects.filter(order=order).order_by("pk"))
        by_key = {procedure.pk: procedure for procedure in procedures}
        steps = list(ScheduledProcedureStep.objects.filter(procedure__order=order).order_by("pk"))
        for step in steps:
            step.procedure = by_key[step.procedure_id]
        for procedure in procedures:
            procedure.order = order
        numbers = list(OrderNumber.objects.filter(order=order))
        content = cls(order, numbers, procedures, steps, list(StatusEvent.objects.filter(order=order)))
        content._as_loaded = {id(row): _values(row) for row in content._rows()}
        return content

    def steps_of(self, procedure: RequestedProcedure) -> list[ScheduledProcedureStep]:
        """The steps of one procedure."""
        return [step for step in self.steps if step.procedure is procedure]

    @property
    def canonical_number(self) -> tuple[str, str, str]:
        """What made-up numbers follow from: the placer's number, else the filler's; the first of several."""
        keys = [(number.kind, number.namespace, number.value) for number in self.numbers]
        return min(keys, key=lambda key: (key[0] != OrderNumber.Kind.PLACER, *key[1:]))

    def save(self) -> None:
        """Save the rows that are new or changed: the order, its procedures, then their steps."""
        for row in self._rows():
            if self._as_loaded.get(id(row)) != _values(row):
                row.save()

    def mark_saved(self, row: models.Model) -> None:
        """Remember what was just saved."""
        self._as_loaded[id(row)] = _values(row)

    def _rows(self) -> Iterator[models.Model]:
        yield self.order
        for procedure in self.procedures:
            procedure.order_id = self.order.pk
            yield procedure
        for step in self.steps:
            step.procedure_id = step.procedure.pk
            yield step


def _values(row: models.Model) -> tuple[Any, ...]:
    """The values of a row's columns, those of JSON as text, since they are changed in place."""
    return tuple(
        repr(value) if isinstance(value, dict | list) else value
        for value in (getattr(row, column.attname) for column in row._meta.concrete_fields)
    )
