"""Bring orders in line with the appointments that name them, and with the arrivals of their patients.

It is done whenever one of the two comes or changes, in the same transaction, and ends the same whichever came
first. What two transactions write at the same moment, so that neither sees the other, is looked for again.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from ledger import recurring
from ledger.events import Entry
from ledger.row_sets import Table
from ledger.set_statements import rows_of
from ledger.stamps import Stamp
from worklist import catalogue, worklist_events
from worklist.batches.batch import Batch
from worklist.batches.named_rows import Loader
from worklist.models import (
    Appointment,
    AppointmentReference,
    IdentityExceptionKind,
    Order,
    OrderNumber,
    Patient,
    PatientArrival,
    RequestedProcedure,
    ScheduledProcedureStep,
    StatusEvent,
)
from worklist.orders.order_aggregate import OrderAggregate, OrderRecord, StepRecord
from worklist.orders.order_book import Implied, OrderBook
from worklist.orders.step_status import BY_APPOINTMENT, BY_ARRIVAL
from worklist.patients import identity_doubt, identity_exceptions
from worklist.patients.identity_doubt import IdentityDoubt
from worklist.patients.patient_records import PatientRecord
from worklist.provenance import Provenance
from worklist.schedule import booking_events, bookings, late_appointments
from worklist.schedule.bookings import Seen
from worklist.schedule.late_appointments import Cause
from worklist.schedule.step_bookings import StepCase

LOOK_AGAIN: Final = timedelta(seconds=30)
_Kind = AppointmentReference.Kind
_REFERENCES: Final = Table(AppointmentReference, AppointmentReference)
_ARRIVALS: Final = Table(PatientArrival, PatientArrival)
_DAY: Final = "day"
_Name = tuple[str, str]


@dataclass(frozen=True)
class Refused:
    """An appointment names an order of another patient."""

    appointment: Appointment
    order: OrderRecord


def settle(orders: Collection[int], cause: Cause | None = None) -> list[Refused]:
    """Bring orders, by their keys, in line; the appointments that can't be for theirs."""
    if not orders:
        return []
    loader = Loader(catalogue.current())
    book = loader.orders(orders)
    settlement = _Settlement(list(book.aggregates.values()), cause)
    for aggregate in book.aggregates.values():
        settlement.of_order(book, aggregate, loader)
    Batch(loader.snapshot, None, book).save()
    return settlement.refused


def named_by(appointment: Appointment) -> set[int]:
    """The keys of the orders that an appointment names, or named before."""
    found: set[int] = set()
    for one in appointment.references.all():
        if one.kind == _Kind.ACCESSION:
            rows = Order.objects.filter(accession_number=one.value)
            procedures = RequestedProcedure.objects.filter(accession_number=one.value)
            found |= {*rows.values_list("pk", flat=True), *procedures.values_list("order_id", flat=True)}
        else:
            numbers = OrderNumber.objects.filter(kind=one.kind, value=one.value)
            found |= set(numbers.values_list("order_id", flat=True))
    return found


def orders_on(arrivals: Collection[PatientArrival]) -> set[int]:
    """The keys of the orders that arrivals are about."""
    days = {one.local_date for one in arrivals}
    if not days:
        return set()
    people = _people({one.patient_id for one in arrivals})
    on_day = Q(procedures__steps__local_date__in=days)
    was_moved = Q(procedures__steps__in=ScheduledProcedureStep.objects.exclude(booking={}))
    rows = Order.objects.filter(on_day | was_moved, patient__in=people)
    return set(rows.values_list("pk", flat=True))


def follow_orders(orders: Iterable[OrderAggregate], **_: Any) -> None:
    """Look for appointments and arrivals of orders that came or changed."""
    orders = list(orders)
    names = {name for one in orders for name in _names(one)}
    days = {step.local_date for one in orders for step in one.steps}
    known = _known(names, days)
    wanted = {one.order.id for one in orders if known.intersection(_names(one))}
    if any(kind == _DAY for kind, _ in known):
        people = _people({one.order.patient_id for one in orders if one.order.patient_id})
        here = set(PatientArrival.objects.filter(patient__in=people).values_list("local_date", flat=True))
        wanted |= {one.order.id for one in orders if any(step.local_date in here for step in one.steps)}
    settle(wanted)


def follow_patients(patients: Iterable[PatientRecord], **_: Any) -> None:
    """Patients were linked or parted: an appointment or an arrival may be for other orders now."""
    keys = _people({one.id for one in patients})
    appointments = Appointment.objects.filter(patient__in=keys)
    found = orders_on(list(PatientArrival.objects.filter(patient__in=keys)))
    for appointment in appointments:
        found |= named_by(appointment)
    settle(found)


class _Settlement:
    """What is known of some orders: the appointments that name them, arrivals, and who is whom."""

    def __init__(self, aggregates: Sequence[OrderAggregate], cause: Cause | None) -> None:
        self._cause = cause
        self.refused: list[Refused] = []
        self._references: dict[_Name, list[AppointmentReference]] = {}
        for row in _referring({name for one in aggregates for name in _names(one)}):
            self._references.setdefault((row.kind, row.value), []).append(row)
        keys = {row.appointment_id for rows in self._references.values() for row in rows}
        self._appointments = Appointment.objects.in_bulk(keys)
        patients = {one.order.patient_id for one in aggregates if one.order.patient_id}
        self._arrivals = list(PatientArrival.objects.filter(patient__in=_people(patients)))
        patients |= {one.patient_id for one in self._appointments.values() if one.patient_id}
        patients |= {one.patient_id for one in self._arrivals}
        self._shown_under = _shown_under(patients)

    def of_order(self, book: OrderBook, aggregate: OrderAggregate, loader: Loader) -> None:
        """Book the steps of an order and set what follows for their status."""
        provenance = self._provenance(aggregate)
        seen = self._seen(book, aggregate, provenance)
        codes = [one.code for one in aggregate.procedures if one.code]
        order, root = aggregate.order, self._shown_under.get(aggregate.order.patient_id or 0)
        here = [one for one in self._arrivals if self._shown_under[one.patient_id] == root]
        zone = loader.catalogue.zones.get(order.facility_id, ZoneInfo("UTC"))
        received_at = order.content_received_at or order.first_received_at
        implied: list[Implied] = []
        for procedure, steps in aggregate.by_procedure():
            for step in steps:
                acts = aggregate.events_of(step)
                case = StepCase(step, procedure.code, codes, acts, seen, here, received_at, zone)
                implied += self._of_step(book, aggregate, case, provenance)
        book.imply(aggregate, implied, (BY_APPOINTMENT, BY_ARRIVAL))
        book.derive(aggregate, provenance)

    def _of_step(
        self, book: OrderBook, aggregate: OrderAggregate, case: StepCase, provenance: Provenance
    ) -> list[Implied]:
        """Book a step; the acts that follow."""
        step, outcome = case.step, case.outcome()
        before, step.booking = step.booking, dict(outcome.booking)
        book.entries += booking_events.told(before, step, aggregate, case.zone, provenance)
        if self._cause is not None:
            book.entries += late_appointments.told(self._cause, aggregate, case, outcome)
        missed = [_no_show(step, outcome.missed)] if outcome.missed else []
        return [*missed, *(_arrival(step, one) for one in outcome.arrivals)]

    def _seen(self, book: OrderBook, aggregate: OrderAggregate, provenance: Provenance) -> list[Seen]:
        """The appointments that name an order and are of its patient."""
        rows: dict[int, list[AppointmentReference]] = {}
        for name in _names(aggregate):
            for row in self._references.get(name, ()):
                rows.setdefault(row.appointment_id, []).append(row)
        found = []
        for key, named in rows.items():
            appointment = self._appointments[key]
            newest = appointment.stamps.get("orders", [""])[0]
            is_same = self._is_same(appointment, aggregate)
            naming = [row for row in named if _means(row, aggregate) or (row.is_bare and is_same)]
            left = "" if any(row.stamp == newest for row in naming) else newest
            if is_same is False and naming and not left:
                self._refuse(book, appointment, aggregate, provenance)
            elif is_same is not False and naming:
                found.append(Seen(appointment, left))
                self._forget_conflict(appointment, aggregate)
        return found

    def _is_same(self, appointment: Appointment, aggregate: OrderAggregate) -> bool | None:
        """Whether both are of one patient; None where one names nobody."""
        if appointment.patient_id is None or aggregate.order.patient_id is None:
            return None
        return self._shown_under[appointment.patient_id] == self._shown_under[aggregate.order.patient_id]

    def _refuse(
        self, book: OrderBook, appointment: Appointment, aggregate: OrderAggregate, provenance: Provenance
    ) -> None:
        order = aggregate.order.public_id
        self.refused.append(Refused(appointment, aggregate.order))
        if appointment.conflict != order:
            appointment.conflict = order
            Appointment.objects.filter(pk=appointment.pk).update(conflict=order)
            about = [("order", order), ("appointment", appointment.public_id)]
            book.note(worklist_events.APPOINTMENT_OF_ANOTHER, about, provenance)
            identity_exceptions.open_all([_doubt(appointment, aggregate.order)], provenance)

    def _forget_conflict(self, appointment: Appointment, aggregate: OrderAggregate) -> None:
        if appointment.conflict == aggregate.order.public_id:
            appointment.conflict = ""
            Appointment.objects.filter(pk=appointment.pk).update(conflict="")

    def _provenance(self, aggregate: OrderAggregate) -> Provenance:
        order = Order(pk=aggregate.order.id, facility_id=aggregate.order.facility_id)
        if self._cause is not None:
            return replace(self._cause.provenance, facility=order.facility)
        now = timezone.now()
        return Provenance(order.facility, Stamp(now), now)


def _doubt(appointment: Appointment, order: OrderRecord) -> IdentityDoubt:
    who = appointment.patient
    return IdentityDoubt(
        IdentityExceptionKind.OTHER_PATIENT,
        key=f"{order.public_id}|{appointment.public_id}",
        text=f"appointment {appointment.number} of another patient names the order",
        patient=order.patient_id,
        other=appointment.patient_id,
        order=order.id,
        said=identity_doubt.said_of_record(who, str(who)) if who else {},
    )


def _no_show(step: StepRecord, missed: bookings.NoShow) -> Implied:
    one = missed.appointment
    source = f"{BY_APPOINTMENT}{one.public_id}"
    return Implied(step.id, StatusEvent.Kind.NO_SHOW, missed.stamp, one.received_at, source, one.reason)


def _arrival(step: StepRecord, one: PatientArrival) -> Implied:
    source = f"{BY_ARRIVAL}{one.location}"[:200]
    return Implied(step.id, StatusEvent.Kind.ARRIVE, one.stamp, one.occurred_at, source)


def _names(aggregate: OrderAggregate) -> list[_Name]:
    """By what an appointment may name an order."""
    accession = {aggregate.order.accession_number, *(one.accession_number for one in aggregate.procedures)}
    numbers = [(one.kind, one.value) for one in aggregate.numbers]
    return [*numbers, *((_Kind.ACCESSION.value, one) for one in accession if one)]


def _means(row: AppointmentReference, aggregate: OrderAggregate) -> bool:
    """Whether a reference is a number of this order, with its namespace."""
    if row.kind == _Kind.ACCESSION:
        return True
    wanted = (row.kind, row.value, row.namespace)
    return any(number.key == wanted for number in aggregate.numbers)


def _referring(names: Collection[_Name]) -> list[AppointmentReference]:
    if not names:
        return []
    return _REFERENCES.select(*_REFERENCES.any_of(["kind", "value"], sorted(names)))


def _known(names: Collection[_Name], days: Collection[str]) -> set[_Name]:
    """Those of some names by which appointments name orders, and of some days on which anybody arrived."""
    named, parameters = _REFERENCES.any_of(["kind", "value"], sorted(names))
    arrived, more = _ARRIVALS.any_of(["local_date"], [[day] for day in sorted(days)])
    sql = (
        f"SELECT kind, value FROM {_REFERENCES.name} WHERE {named}"
        f" UNION SELECT '{_DAY}', local_date FROM {_ARRIVALS.name} WHERE {arrived}"
    )
    return {(kind, value) for kind, value in rows_of(sql, [*parameters, *more])}


def _people(keys: Collection[int]) -> list[int]:
    """The keys of all records that show under the same ones as these."""
    roots = {*_shown_under(keys).values()}
    return list(Patient.objects.filter(Q(pk__in=roots) | Q(survivor__in=roots)).values_list("pk", flat=True))


def _shown_under(keys: Collection[int]) -> dict[int, int]:
    rows = Patient.objects.filter(pk__in=keys)
    return dict(rows.values_list("pk", Coalesce(F("survivor_id"), F("pk"))))


def _waiting() -> tuple[QuerySet[Appointment], QuerySet[PatientArrival]]:
    due = Q(looked_again=False, received_at__lt=timezone.now() - LOOK_AGAIN)
    return Appointment.objects.filter(due), PatientArrival.objects.filter(due)


def _batch() -> int:
    """Look once more for what was written at the same moment."""
    with transaction.atomic():
        waiting, arrivals = _waiting()
        appointments, here = list(waiting[:50]), list(arrivals[:50])
        found = orders_on(here)
        for one in appointments:
            found |= named_by(one)
        settle(found)
        Appointment.objects.filter(pk__in=[one.pk for one in appointments]).update(looked_again=True)
        PatientArrival.objects.filter(pk__in=[one.pk for one in here]).update(looked_again=True)
    return len(appointments) + len(here)


def register() -> None:
    """Make that look recurring work."""
    waits = recurring.Work(batch=_batch, waits=lambda: any(rows.exists() for rows in _waiting()))
    recurring.register("worklist.appointments", waits)


def waits_for_order(appointment: Appointment, provenance: Provenance) -> Entry:
    """That no order of an appointment is here yet."""
    about = [("appointment", appointment.public_id)]
    if appointment.patient is not None:
        about.append(("patient", appointment.patient.public_id))
    return provenance.entry(worklist_events.APPOINTMENT_WAITS, about)
