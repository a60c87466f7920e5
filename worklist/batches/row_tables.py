"""The worklist's tables as sets of records, in the order in which they are locked and written."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import models

from ledger.row_sets import Table
from worklist.models import (
    FormerDescription,
    Order,
    OrderNumber,
    Patient,
    PatientLink,
    RequestedProcedure,
    ScheduledProcedureStep,
    StatusEvent,
    Visit,
)
from worklist.orders.order_aggregate import (
    NumberRecord,
    OrderRecord,
    ProcedureRecord,
    StatusEventRecord,
    StepRecord,
)
from worklist.patients.patient_records import FormerDescriptionRecord, LinkRecord, PatientRecord, VisitRecord

PATIENTS: Final = Table(Patient, PatientRecord)
FORMER_DESCRIPTIONS: Final = Table(FormerDescription, FormerDescriptionRecord)
LINKS: Final = Table(PatientLink, LinkRecord)
VISITS: Final = Table(Visit, VisitRecord)
ORDERS: Final = Table(Order, OrderRecord)
NUMBERS: Final = Table(OrderNumber, NumberRecord)
PROCEDURES: Final = Table(RequestedProcedure, ProcedureRecord)
STEPS: Final = Table(ScheduledProcedureStep, StepRecord)
EVENTS: Final = Table(StatusEvent, StatusEventRecord)

IN_ORDER: Final[Sequence[Table[Any]]] = (
    PATIENTS,
    LINKS,
    VISITS,
    ORDERS,
    NUMBERS,
    PROCEDURES,
    STEPS,
    EVENTS,
)
"""Two batches that lock and write in this order never wait for each other in a ring."""

REFERRED_TO: Final[Mapping[str, type[models.Model]]] = {
    "patient_id": Patient,
    "survivor_id": Patient,
    "retired_id": Patient,
    "visit_id": Visit,
    "into_id": Visit,
    "moved_to_id": Patient,
    "order_id": Order,
    "procedure_id": RequestedProcedure,
    "step_id": ScheduledProcedureStep,
}
"""Columns that name rows which may be new themselves."""
