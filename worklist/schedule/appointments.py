"""Write down what messages say of appointments and arrivals, and bring the orders concerned in line."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final
from zoneinfo import ZoneInfo

from ledger import events, stamps, written_dates
from ledger.events import Entry
from worklist import worklist_events
from worklist.change_set import Registration
from worklist.models import Appointment, AppointmentReference, IdentityExceptionKind, Order, PatientArrival
from worklist.patients import identity_doubt
from worklist.patients.identity_doubt import IdentityDoubt, OrderOfAnother
from worklist.provenance import Provenance
from worklist.schedule import appointment_effects, appointment_history, wall_clock
from worklist.schedule.appointment_effects import Refused
from worklist.schedule.appointment_update import AppointmentUpdate, ArrivalUpdate, Service
from worklist.schedule.late_appointments import Cause

_ANOTHERS: Final = "the order that the appointment names is another patient's"


@dataclass(frozen=True)
class Said:
    """What one group of a message says, of the patient with this key."""

    provenance: Provenance
    patient: int | None
    registration: Registration | None
    update: AppointmentUpdate | ArrivalUpdate


def apply(sayings: Iterable[Said]) -> None:
    """Apply what is said, in the caller's transaction.

    Raises `OrderOfAnother` where an order is named that is another patient's.
    """
    for said in sayings:
        if isinstance(said.update, ArrivalUpdate):
            _arrive(said, said.update)
        else:
            _apply(said, said.update)


def _apply(said: Said, update: AppointmentUpdate) -> None:
    provenance = said.provenance
    row = _row(said, update)
    values = _values(said, update)
    changed = stamps.write(row, values, provenance.stamp, provenance.source)
    appointment_history.keep(row, values, provenance.stamp.key())
    row.received_at, row.looked_again = provenance.received_at, False
    row.save()
    is_other = _refer(row, update, provenance) or bool(changed)
    found = appointment_effects.named_by(row)
    for refused in appointment_effects.settle(found, Cause(provenance, row)):
        if refused.appointment.pk == row.pk:
            raise OrderOfAnother(_ANOTHERS, "identifiers", _doubt(said, refused))
    if not found:
        events.record_all([appointment_effects.waits_for_order(row, provenance)])
    elif is_other:
        events.record_all([_changed(row, found, provenance)])


def _changed(row: Appointment, orders: Iterable[int], provenance: Provenance) -> Entry:
    """That an appointment is another now, about its patient and its orders."""
    rows = Order.objects.filter(pk__in=orders)
    about = [("order", one) for one in rows.values_list("public_id", flat=True)]
    if row.patient is not None:
        about.append(("patient", row.patient.public_id))
    details = {"number": row.number, "status": row.status}
    if row.start:
        zone = ZoneInfo(provenance.facility.time_zone)
        details["start"] = written_dates.minute(row.start, zone)
    return provenance.entry(
        worklist_events.APPOINTMENT_CHANGED, [("appointment", row.public_id), *about], **details
    )


def _doubt(said: Said, refused: Refused) -> IdentityDoubt | None:
    """That an appointment names an order of another patient."""
    if said.registration is None:
        return None
    who, order = identity_doubt.said_of(said.registration), refused.order
    return IdentityDoubt(
        IdentityExceptionKind.OTHER_PATIENT,
        key=f"{order.public_id}|{who['identifiers'][0]}",
        text=_ANOTHERS,
        patient=order.patient_id,
        order=order.id,
        said=who,
    )


def _row(said: Said, update: AppointmentUpdate) -> Appointment:
    key = {"number": update.number.value, "namespace": update.number.namespace}
    facility, at = said.provenance.facility, said.provenance.received_at
    made = Appointment(**key, facility=facility, received_at=at)
    Appointment.objects.bulk_create([made], ignore_conflicts=True)
    return Appointment.objects.select_for_update(of=("self",)).get(**key)


def _values(said: Said, update: AppointmentUpdate) -> dict[str, Any]:
    services = [_service(one) for one in update.services]
    return {
        "patient_id": said.patient,
        "status": update.status.value,
        "start": update.start,
        "location": update.location,
        "station_ae_title": update.station_ae_title,
        "reason": update.reason,
        "services": services or None,
    }


def _service(one: Service) -> dict[str, str]:
    start = one.start.astimezone(UTC).isoformat() if one.start else ""
    return {"code": one.code, "scheme": one.scheme, "start": start}


def _refer(row: Appointment, update: AppointmentUpdate, provenance: Provenance) -> bool:
    """Note by which numbers orders are named; those that the newest message leaves out have gone.

    Whether they are others than before.
    """
    if not update.orders:
        return False
    before = _named(row)
    stamp = provenance.stamp.key()
    known = {(one.kind, one.value, one.namespace): one for one in row.references.all()}
    for kind, number in update.orders:
        namespace = "" if kind == AppointmentReference.Kind.ACCESSION else number.namespace
        one = known.get((kind.value, number.value, namespace))
        if one is None:
            one = AppointmentReference(
                appointment=row, kind=kind, value=number.value, namespace=namespace, is_bare=number.is_bare
            )
            known[kind.value, number.value, namespace] = one
        one.stamp = max(one.stamp, stamp)
        one.save()
    newest = max(row.stamps.get("orders", ["", ""]), [stamp, provenance.source])
    row.stamps = {**row.stamps, "orders": newest}
    row.save(update_fields=["stamps"])
    return _named(row) != before


def _named(row: Appointment) -> list[tuple[str, str, str]]:
    """By what orders are named now."""
    newest = row.stamps.get("orders", [""])[0]
    rows = row.references.filter(stamp=newest).order_by("pk")
    return list(rows.values_list("kind", "value", "namespace"))


def _arrive(said: Said, update: ArrivalUpdate) -> None:
    provenance = said.provenance
    assert said.patient is not None
    at = provenance.stamp.made_at
    zone = ZoneInfo(provenance.facility.time_zone)
    row = PatientArrival(
        patient_id=said.patient,
        local_date=wall_clock.of(at, zone)[0],
        location=update.location[:250],
        occurred_at=at,
        stamp=provenance.stamp.key(),
        source=provenance.source,
        received_at=provenance.received_at,
    )
    is_known = PatientArrival.objects.filter(patient=said.patient, stamp=row.stamp).exists()
    PatientArrival.objects.bulk_create([row], ignore_conflicts=True)
    if not is_known:
        about = [("patient", row.patient.public_id)]
        location = row.location or "imaging"
        events.record_all([provenance.entry(worklist_events.PATIENT_ARRIVED, about, location=location)])
    appointment_effects.settle(appointment_effects.orders_on([row]), Cause(provenance))
