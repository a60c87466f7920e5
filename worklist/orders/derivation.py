"""Derive what follows from an order's content, its acts and the catalogue: status, due time, worklist."""

from zoneinfo import ZoneInfo

from ledger import events
from worklist import worklist_events
from worklist.models import (
    Order,
    Priority,
    ProcedureCode,
    RequestedProcedure,
    ScheduledProcedureStep,
    Station,
    StepStatus,
)
from worklist.orders import generated_ids, step_status
from worklist.orders.order_aggregate import OrderAggregate
from worklist.provenance import Provenance
from worklist.schedule import wall_clock

_OPEN = frozenset(StepStatus) - step_status.ENDED - {StepStatus.HELD}


def settle(content: OrderAggregate, origin: Provenance) -> None:
    """Derive everything derived of an order and its steps; record each change of status. The caller saves."""
    order = content.order
    own = [act for act in content.acts if act.step_id is None]
    zone = ZoneInfo(order.facility.time_zone)
    states = []
    for procedure in content.procedures:
        entry = _catalogue_entry(procedure)
        _derive_procedure(procedure, entry)
        for step in content.steps_of(procedure):
            _derive_from_catalogue(step, procedure, entry)
            acts = [act for act in content.acts if step.pk and act.step_id == step.pk]
            new = step_status.of_step([*own, *acts])
            _note_status(step, new, order, origin)
            _place_on_worklist(step, order, zone)
            states.append(new)
    order.status = step_status.of_order(own, states)
    if not order.priority:
        order.priority = Priority.ROUTINE
    if "accession_number" not in order.stamps and states:
        order.accession_number = generated_ids.number("accession", *content.canonical_number)


def _catalogue_entry(procedure: RequestedProcedure) -> ProcedureCode | None:
    if not procedure.code:
        return None
    entries = list(ProcedureCode.objects.filter(code=procedure.code).order_by("scheme"))
    same_scheme = [entry for entry in entries if entry.scheme == procedure.scheme]
    return next(iter(same_scheme or entries), None)


def _derive_procedure(procedure: RequestedProcedure, entry: ProcedureCode | None) -> None:
    if entry is None:
        return
    for name in ("description", "body_part", "laterality"):
        if name not in procedure.stamps:
            setattr(procedure, name, getattr(entry, name))


def _derive_from_catalogue(
    step: ScheduledProcedureStep, procedure: RequestedProcedure, entry: ProcedureCode | None
) -> None:
    """Fill what no sender said from the catalogue and the station."""
    if entry is not None:
        _fill(step, {"modality": entry.modality, "protocol_codes": entry.protocols})
        fits = step.modality == entry.modality
        _fill(step, {"station_group": entry.station_group if fits else ""})
        _fill(step, {"station_ae_title": entry.station_ae_title if fits else ""})
    _fill(step, {"description": procedure.description})
    if step.station_ae_title:
        station = Station.objects.filter(ae_title=step.station_ae_title).first()
        if station is not None:
            _fill(step, {"station_name": station.name, "location": station.location[:16]})


def _fill(step: ScheduledProcedureStep, derived: dict[str, object]) -> None:
    for name, value in derived.items():
        if name not in step.stamps:
            setattr(step, name, value)


def _note_status(step: ScheduledProcedureStep, new: StepStatus, order: Order, origin: Provenance) -> None:
    if step.status == new:
        return
    events.record(
        worklist_events.STEP_STATUS,
        about=[("step", step.public_id), ("order", order.public_id)],
        occurred_at=origin.stamp.made_at,
        actor=origin.actor,
        source=origin.source,
        before=step.status,
        after=new,
    )
    step.status = new


def _place_on_worklist(step: ScheduledProcedureStep, order: Order, zone: ZoneInfo) -> None:
    step.due = step.start or order.content_received_at or order.first_received_at
    step.local_date, step.local_time = wall_clock.of(step.due, zone)
    step.on_worklist = step.status in _OPEN and order.patient_id is not None
