"""What follows from an order's content, its status events and the catalogue: status, due time, worklist."""

from collections.abc import Iterable, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from ledger.events import Entry
from worklist import worklist_events
from worklist.catalogue import Catalogue
from worklist.models import Priority, ProcedureCode, StepStatus
from worklist.orders import generated_ids, step_status
from worklist.orders.order_aggregate import (
    OrderAggregate,
    OrderRecord,
    ProcedureRecord,
    StatusEventRecord,
    StepRecord,
)
from worklist.provenance import Provenance
from worklist.schedule import bookings, wall_clock

_OPEN: Final = frozenset(StepStatus) - step_status.ENDED - {StepStatus.HELD}


def derive(aggregate: OrderAggregate, catalogue: Catalogue, provenance: Provenance) -> list[Entry]:
    """Derive everything derived of an order and its steps; what is to be recorded of changes of status."""
    order = aggregate.order
    events: dict[int | None, list[StatusEventRecord]] = {}
    for event in aggregate.events:
        events.setdefault(event.step_id, []).append(event)
    own = events.get(None, [])
    zone = _zone(order, catalogue, provenance)
    states: list[StepStatus] = []
    entries: list[Entry] = []
    for procedure, steps in aggregate.by_procedure():
        entry = catalogue.procedure(procedure.code, procedure.scheme) if procedure.code else None
        _derive_procedure(procedure, entry)
        for step in steps:
            _derive_step(step, procedure, entry, catalogue)
            status = step_status.of_step([*own, *events.get(step.id, ())])
            entries += _status_change(step, status, order, provenance)
            _place_on_worklist(step, order, zone, [*own, *events.get(step.id, ())])
            states.append(status)
    order.status = step_status.of_order(own, states).value
    if not order.priority:
        order.priority = Priority.ROUTINE.value
    if "accession_number" not in order.stamps and states:
        made_up = generated_ids.number("accession", *aggregate.canonical_number)
        order.accession_number = order.accession_of_number or made_up
    return entries


def _zone(order: OrderRecord, catalogue: Catalogue, provenance: Provenance) -> ZoneInfo:
    zone = catalogue.zones.get(order.facility_id)
    return zone or ZoneInfo(provenance.facility.time_zone)


def _derive_procedure(procedure: ProcedureRecord, entry: ProcedureCode | None) -> None:
    if entry is None:
        return
    for name in ("description", "body_part", "laterality"):
        if name not in procedure.stamps:
            setattr(procedure, name, getattr(entry, name))


def _derive_step(
    step: StepRecord, procedure: ProcedureRecord, entry: ProcedureCode | None, catalogue: Catalogue
) -> None:
    """Fill what no sender said from the catalogue and the station."""
    booked = step.booking.get("station_ae_title", "")
    if step.modality_for:
        modality, code = step.modality_for
        is_of_another = entry is not None and code not in ("", procedure.code)
        step.modality = entry.modality if entry is not None and is_of_another else modality
    if entry is not None:
        _fill(step, {"modality": entry.modality, "protocol_codes": entry.protocols})
        fits = step.modality == entry.modality
        _fill(step, {"station_group": entry.station_group if fits else ""})
        booked = booked or (entry.station_ae_title if fits else "")
    _fill(step, {"station_ae_title": booked, "description": procedure.description})
    station = catalogue.stations.get(step.station_ae_title) if step.station_ae_title else None
    location = step.booking.get("location", "")
    if station is not None:
        _fill(step, {"station_name": station.name})
        location = location or station.location[:16]
    _fill(step, {"location": location})


def _fill(step: StepRecord, derived: dict[str, object]) -> None:
    for name, value in derived.items():
        if name not in step.stamps:
            setattr(step, name, value)


def _status_change(
    step: StepRecord, status: StepStatus, order: OrderRecord, provenance: Provenance
) -> Iterable[Entry]:
    if step.status != status:
        before, step.status = step.status, status.value
        yield provenance.entry(
            worklist_events.STEP_STATUS,
            [("step", step.public_id), ("order", order.public_id)],
            before=before,
            after=status.value,
        )


def _place_on_worklist(
    step: StepRecord, order: OrderRecord, zone: ZoneInfo, acts: Sequence[StatusEventRecord]
) -> None:
    planned = bookings.planned_start(step.booking, step.start, step.stamps.get("start", [""])[0])
    is_given_up = planned is None and "ended" in step.booking
    came = step_status.came(acts) if is_given_up else None
    step.due = planned or came or order.content_received_at or order.first_received_at
    step.is_timed = planned is not None
    step.awaits_time = is_given_up and step.status in (StepStatus.SCHEDULED, StepStatus.HELD)
    step.local_date, step.local_time = wall_clock.of(step.due, zone)
    step.on_worklist = step.status in _OPEN and order.patient_id is not None
