"""Order entry: an order that is placed here, for a known patient, a new one, or one whom nobody knows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from accounts.actor import Actor
from accounts.models import Facility
from ledger import audit
from ledger.errors import Invalid, Missing
from ledger.public_id import new_public_id
from worklist.models import Order, Patient, ProcedureCode, Station
from worklist.orders import generated_ids, order_application
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.patients import identity
from worklist.patients.identifiers import Identifier
from worklist.provenance import Provenance
from worklist.schedule import temporary_ids


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


_NEW: Final = OrderNumbers()


def place(
    *,
    by: Actor,
    facility: Facility,
    patient: Patient | NewPerson,
    request: ExamRequest,
    numbers: OrderNumbers = _NEW,
) -> Order:
    """Place an order; we are its placer.

    Raises `Missing` without a procedure, `UnknownCode` for one that is not in the catalogue, `Invalid` for a
    room where it is not done.
    """
    by.require("order.place", facility)
    provenance = Provenance.of_person(by, facility)
    check(request)
    record = patient if isinstance(patient, Patient) else _registered(patient, provenance)
    number = numbers.placer or generated_ids.number("order", new_public_id())
    label = numbers.accession_number or generated_ids.number("accession", number)
    update = OrderUpdate(
        placer=Number(number, generated_ids.NAMESPACE),
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
    audit.note(by, audit.ORDER_RECORD, audit.CREATE, *things)
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
    code = ProcedureCode.objects.filter(code=request.procedure_code).order_by("scheme").first()
    if code is not None and station.modalities and code.modality not in station.modalities:
        room = station.name or station.ae_title
        raise Invalid(f"{room} does no {code.modality}; choose another room", "station_ae_title")


def _step(request: ExamRequest) -> StepContent:
    return StepContent(start=request.start, station_ae_title=request.station_ae_title or None)


def _registered(person: NewPerson, provenance: Provenance) -> Patient:
    said = {name: value for name, value in (person.demographics or {}).items() if value}
    if person.identifier is not None:
        return identity.register(provenance=provenance, identifiers=[person.identifier], demographics=said)
    # Our own authority is known without the site file's saying so.
    policy = provenance.policy.model_copy(update={"unknown_authorities": "accept"})
    given = temporary_ids.new()
    demographics = {"name": f"UNKNOWN^{given.value}", **said}
    return identity.register(
        provenance=replace(provenance, policy=policy), identifiers=[given], demographics=demographics
    )
