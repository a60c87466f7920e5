"""Order entry: an order that is placed here, for a known patient, a new one, or one whom nobody knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Q

from accounts.actor import Actor
from accounts.models import Facility, User
from ledger import audit, written_dates
from ledger.errors import Conflict, Invalid, Missing
from ledger.public_id import new_public_id
from worklist.models import Order, OrderNumber, OrderStatus, Patient, ProcedureCode, Station
from worklist.orders import generated_ids, order_application
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.patients import identity, temporary_records
from worklist.patients.identifiers import Identifier
from worklist.provenance import Provenance
from worklist.schedule import wall_clock
from worklist.signals import order_placed


@dataclass(frozen=True)
class NewPerson:
    """A patient who is found by an identifier, or made; without one, a temporary one is given."""

    identifier: Identifier | None = None
    demographics: Mapping[str, str] | None = None


@dataclass(frozen=True)
class ExamRequest:
    """What is to be done: a code of the catalogue, how urgent, in which room (an AE title), when, and why.

    Without a time it is due at once; without a room it is where the catalogue says.
    """

    procedure_code: str
    priority: str | None = None
    station_ae_title: str | None = None
    start: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True)
class OrderNumbers:
    """The numbers of an order that has to have certain ones; what is empty is made up."""

    placer: str = ""
    accession_number: str = ""
    study_instance_uid: str | None = None


@dataclass(frozen=True)
class Form:
    """The form that is placed: once for its `key` and what it says, however often it is sent.

    Unless `is_another`, it is refused for a patient who has an open order of the procedure that day.
    """

    key: str
    is_another: bool = False


ANOTHER: Final = "another"
"""The field of the refusal that only somebody's asking for another order gets past."""
_OPEN: Final = (OrderStatus.SCHEDULED, OrderStatus.HELD, OrderStatus.STARTED)
_NEW: Final = OrderNumbers()


def place(
    *,
    by: Actor,
    facility: Facility,
    patient: Patient | NewPerson,
    request: ExamRequest,
    numbers: OrderNumbers = _NEW,
    form: Form | None = None,
) -> Order:
    """Place an order; we are its filler, and its placer until another one gives it a number. A form that was
    placed before gives the order of then.

    Raises `Missing` without a procedure, `UnknownCode` for one that is not in the catalogue, `Invalid` for a
    room where it is not done, `Conflict` where it is to be asked whether another order is wanted.
    """
    by.require("order.place", facility)
    provenance = Provenance.of_person(by, facility)
    check(request)
    number = numbers.placer or generated_ids.number("order", new_public_id())
    if form is not None and form.key:
        number = _number_of(form, by, patient, request)
        if (placed := _placed(number, by)) is not None:
            return placed
    record = patient if isinstance(patient, Patient) else _registered(patient, provenance)
    if form is not None and not form.is_another:
        _ask_for_another(record, request, facility, provenance.received_at)
    label = numbers.accession_number or generated_ids.label("accession", number)
    update = OrderUpdate(
        placer=Number(number, generated_ids.NAMESPACE),
        filler=Number(number, generated_ids.NAMESPACE),
        content=OrderContent(
            patient_id=record.pk,
            accession_number=label,
            priority=request.priority or None,
            reason=request.reason or None,
        ),
        procedures=[
            ProcedureUpdate(
                content=ProcedureContent(numbers.study_instance_uid, code=request.procedure_code),
                steps=[StepUpdate(content=_step(request))],
            )
        ],
    )
    order = order_application.apply(update=update, provenance=provenance)
    things = [("order", order.public_id), ("patient", record.public_id)]
    audit.note(by, audit.ORDER_RECORD, audit.CREATE, *things, act=f"Order placed: {label}")
    order_placed.send(sender=None, order=order)
    return order


def check(request: ExamRequest) -> None:
    """Refuse a request whose room does not exist, or does nothing of the procedure's kind."""
    if not request.procedure_code:
        raise Missing("the order needs a procedure", "procedure_code")
    if not request.station_ae_title:
        return
    station = Station.objects.filter(ae_title=request.station_ae_title).first()
    if station is None:
        raise Invalid(f"there is no room {request.station_ae_title!r}", "station_ae_title")
    offered = ProcedureCode.objects.filter(code=request.procedure_code, is_active=True)
    code = offered.exclude(modality="").order_by("scheme").first()
    if code is not None and station.modalities and code.modality not in station.modalities:
        room = station.name or station.ae_title
        raise Invalid(f"{room} does no {code.modality}; choose another room", "station_ae_title")


def _number_of(form: Form, by: Actor, patient: Patient | NewPerson, request: ExamRequest) -> str:
    """The number that follows from a form, by whom it is sent, and all that it says."""
    if isinstance(patient, Patient):
        whom = patient.public_id
    else:
        whom = repr((patient.identifier, sorted((patient.demographics or {}).items())))
    return generated_ids.number("form", by.person.public_id, form.key, whom, repr(request))


def _placed(number: str, by: Actor) -> Order | None:
    """The order that a form became; the same person's forms wait for each other."""
    User.objects.select_for_update(no_key=True).get(pk=by.person.pk)
    numbers = OrderNumber.objects.select_related("order__facility", "order__patient__survivor")
    names = {"kind": OrderNumber.Kind.PLACER, "value": number, "namespace": generated_ids.NAMESPACE}
    found = numbers.filter(**names).first()
    return found.order if found else None


def _ask_for_another(record: Patient, request: ExamRequest, facility: Facility, now: datetime) -> None:
    zone = ZoneInfo(facility.time_zone)
    day, _ = wall_clock.of(request.start or now, zone)
    current = record.current
    records = Patient.objects.filter(Q(pk=current.pk) | Q(survivor=current))
    orders = Order.objects.filter(
        patient__in=records,
        status__in=_OPEN,
        procedures__code=request.procedure_code,
        procedures__steps__local_date=day,
    )
    if (there := orders.order_by("pk").first()) is not None:
        label = f" {there.accession_number}" if there.accession_number else ""
        raise Conflict(
            f"the patient has the open order{label} of this procedure on {written_dates.of_dicom(day)}",
            ANOTHER,
        )


def _step(request: ExamRequest) -> StepContent:
    return StepContent(start=request.start, station_ae_title=request.station_ae_title or None)


def _registered(person: NewPerson, provenance: Provenance) -> Patient:
    said = {name: value for name, value in (person.demographics or {}).items() if value}
    if person.identifier is not None:
        return identity.register(provenance=provenance, identifiers=[person.identifier], demographics=said)
    given = temporary_records.new_identifier()
    demographics = {"name": f"UNKNOWN^{given.value}", **said}
    return identity.register(
        provenance=temporary_records.accepted(provenance), identifiers=[given], demographics=demographics
    )
