"""An order with its numbers, procedures, steps and status events, as plain records in memory.

The records have the columns of their tables; one that is new has a negative key until it is saved.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from ledger.public_id import new_public_id
from worklist.models import OrderNumber, OrderStatus, Priority, StepStatus
from worklist.models.sent_field import AsSent
from worklist.orders.generated_ids import NAMESPACE
from worklist.orders.order_update import Number

_PLACER: Final = OrderNumber.Kind.PLACER.value
Stamps = dict[str, list[str]]


class NumberKey(NamedTuple):
    """What names one order."""

    kind: str
    value: str
    namespace: str

    @classmethod
    def of(cls, kind: OrderNumber.Kind, number: Number) -> "NumberKey":
        return cls(kind.value, number.value, number.namespace)


@dataclass(slots=True, eq=False)
class OrderRecord:
    """A row of orders."""

    id: int
    facility_id: int
    first_received_at: datetime
    public_id: str = field(default_factory=new_public_id)
    patient_id: int | None = None
    visit_id: int | None = None
    status: str = OrderStatus.SCHEDULED.value
    accession_number: str = ""
    accession_of_number: str = ""
    accession_issuer: str = ""
    priority: str = Priority.ROUTINE.value
    reason: str = ""
    clinical_information: str = ""
    comments: str = ""
    danger: str = ""
    transport: str = ""
    confidentiality: str = ""
    requesting_physician: str = ""
    ordering_provider: AsSent = field(default_factory=list)
    referring_physician: str = ""
    attending_provider: AsSent = field(default_factory=list)
    referring_provider: AsSent = field(default_factory=list)
    result_copies_to: AsSent = field(default_factory=list)
    account: AsSent = field(default_factory=list)
    requesting_service: str = ""
    patient_location: str = ""
    content_received_at: datetime | None = None
    contributions: list[list[Any]] = field(default_factory=list)
    stamps: Stamps = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class NumberRecord:
    """A row of order numbers."""

    id: int
    order_id: int
    kind: str
    value: str
    namespace: str
    universal_id: str = ""
    universal_id_type: str = ""
    is_bare: bool = False

    @property
    def key(self) -> NumberKey:
        return NumberKey(self.kind, self.value, self.namespace)

    def say(self, number: Number) -> None:
        """Keep the most that was ever said of it, whatever came first."""
        self.is_bare &= number.is_bare
        said = (number.universal_id, number.universal_id_type)
        self.universal_id, self.universal_id_type = max((self.universal_id, self.universal_id_type), said)


@dataclass(slots=True, eq=False)
class ProcedureRecord:
    """A row of requested procedures."""

    id: int
    order_id: int
    requested_procedure_id: str = ""
    place: int | None = None
    public_id: str = field(default_factory=new_public_id)
    issuer: str = ""
    study_instance_uid: str = ""
    accession_number: str = ""
    code: str = ""
    scheme: str = ""
    description: str = ""
    body_part: str = ""
    laterality: str = ""
    service: AsSent = field(default_factory=list)
    interpreter: AsSent = field(default_factory=list)
    technician: AsSent = field(default_factory=list)
    stamps: Stamps = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class StepRecord:
    """A row of scheduled procedure steps."""

    id: int
    procedure_id: int
    due: datetime
    scheduled_procedure_step_id: str = ""
    id_is_generated: bool = False
    public_id: str = field(default_factory=new_public_id)
    status: str = StepStatus.SCHEDULED.value
    modality: str = ""
    station_ae_title: str = ""
    station_name: str = ""
    station_group: str = ""
    location: str = ""
    description: str = ""
    protocol_codes: list[dict[str, str]] = field(default_factory=list)
    performing_physician: str = ""
    start: datetime | None = None
    booking: dict[str, Any] = field(default_factory=dict)
    modality_for: list[str] = field(default_factory=list)
    stamps: Stamps = field(default_factory=dict)
    local_date: str = ""
    local_time: str = ""
    on_worklist: bool = True
    is_timed: bool = True
    awaits_time: bool = False


@dataclass(slots=True, eq=False)
class StatusEventRecord:
    """A row of status events."""

    id: int
    order_id: int
    step_id: int | None
    kind: str
    stamp: str
    occurred_at: datetime
    reason: str = ""
    actor: str = ""
    source: str = ""
    undone_by: str = ""
    public_id: str = field(default_factory=new_public_id)


Row = OrderRecord | NumberRecord | ProcedureRecord | StepRecord | StatusEventRecord


@dataclass(eq=False)
class OrderAggregate:
    """What belongs to one order; `removed` are rows that went into another in a merge of orders.

    `is_new` where the order was not there before.
    """

    order: OrderRecord
    numbers: list[NumberRecord] = field(default_factory=list)
    procedures: list[ProcedureRecord] = field(default_factory=list)
    steps: list[StepRecord] = field(default_factory=list)
    events: list[StatusEventRecord] = field(default_factory=list)
    removed: list[Row] = field(default_factory=list)
    is_new: bool = False

    def steps_of(self, procedure: ProcedureRecord) -> list[StepRecord]:
        """The steps of one procedure."""
        return [step for step in self.steps if step.procedure_id == procedure.id]

    def by_procedure(self) -> Iterator[tuple[ProcedureRecord, list[StepRecord]]]:
        """Each procedure with its steps."""
        steps: dict[int, list[StepRecord]] = {}
        for step in self.steps:
            steps.setdefault(step.procedure_id, []).append(step)
        for procedure in self.procedures:
            yield procedure, steps.get(procedure.id, [])

    @property
    def canonical_number(self) -> tuple[str, str, str]:
        """What generated numbers follow from: the placer's, else the filler's number; the first of all.

        An order that was placed here keeps those that it has, whatever number its placer gives it later.
        """
        keys = [(number.kind, number.namespace, number.value) for number in self.numbers]
        return min(keys, key=lambda key: (key[1] != NAMESPACE, key[0] != _PLACER, *key[1:]))

    def events_of(self, step: StepRecord) -> list[StatusEventRecord]:
        """The acts to a step, and those to all of the order."""
        return [event for event in self.events if event.step_id in (None, step.id)]

    def rows(self) -> Iterator[Row]:
        """All that is there now."""
        yield self.order
        yield from self.numbers
        yield from self.procedures
        yield from self.steps
        yield from self.events


def age(row: Any) -> tuple[bool, int]:
    """Sorts rows by when they were made; those that are new come last."""
    return row.id < 0, abs(row.id)
