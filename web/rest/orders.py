"""`/orders`: find, read, place and cancel orders."""

from collections.abc import Sequence
from typing import Annotated, Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Status

from accounts import access as policy
from accounts.actor import actor_of
from accounts.models import Facility, User
from ledger.errors import Conflict, Forbidden
from web.kernel import authorization
from web.rest.limit_offset import Page, page
from web.rest.patients import iso_date, note_patients, of_person, shown
from web.rest.schemas import Reason
from web.rest.schemas.orders import NewOrder, NewPatient, Order, OrderFilters, Orders, Procedure, Step
from worklist.models import Order as OrderRow
from worklist.models import OrderNumber, RequestedProcedure, ScheduledProcedureStep
from worklist.models import Patient as PatientRecord
from worklist.patients import identity, person_names
from worklist.patients.identifiers import Authority, Identifier
from worklist.schedule import order_entry, step_actions
from worklist.schedule.order_entry import ExamRequest, NewPerson

router = Router(tags=["orders"])


@router.get("", response=Orders, summary="Find orders")
def find_orders(
    request: HttpRequest, filters: Annotated[OrderFilters, Query()], paging: Page
) -> dict[str, Any]:
    """Those that came last first."""
    user = authorization.allow(request, "order.view")
    rows = policy.visible(_rows(), user).filter(_conditions(filters)).order_by("-id")
    found = page(rows, paging, lambda part: shown_orders(part, user))
    note_patients(request, [order.patient for order in found["results"]])
    return found


@router.get("/{id}", response=Order, summary="Read an order")
def read_order(request: HttpRequest, id: str) -> Order:
    """One order with its procedures and steps."""
    user = authorization.allow(request, "order.view")
    row = authorization.find(OrderRow.objects.all(), policy.visible(_rows(), user), request, public_id=id)
    (order,) = shown_orders([row], user)
    note_patients(request, [order.patient])
    return order


@router.post("", response={201: Order}, summary="Place an order")
def place_order(request: HttpRequest, body: NewOrder) -> Status[Order]:
    """For a patient who is found by identifier and authority, or made. We are its placer.

    Somebody without an identifier, such as a walk-in whom nobody knows, gets a temporary one, which a merge
    (ADT^A40) or a link names later.
    """
    user = authorization.allow(request, "order.place")
    with transaction.atomic():
        facility, demographics = _facility_and_news(body.patient, user)
        named = body.patient.identifier
        identifier = Identifier(named.value, Authority(named.authority), named.type) if named else None
        order = order_entry.place(
            by=actor_of(request),
            facility=facility,
            patient=NewPerson(identifier, demographics),
            request=ExamRequest(
                procedure_code=body.procedure_code,
                priority=body.priority,
                station_ae_title=body.station_ae_title,
                start=body.start,
                reason=body.reason,
            ),
        )
    return Status(201, _read(order, user))


@router.post("/{id}/cancel", response=Order, summary="Cancel an order")
def cancel_order(request: HttpRequest, id: str, body: Reason) -> Order:
    """An order whose exam has begun is discontinued. 409 for one that has ended."""
    user = authorization.allow(request, "order.cancel")
    rows = OrderRow.objects.select_related("facility")
    order = authorization.find(rows, policy.visible(rows, user), request, public_id=id)
    with transaction.atomic():
        step_actions.cancel(by=actor_of(request), order=order, reason=body.reason)
    return _read(order, user)


def shown_orders(rows: Sequence[OrderRow], user: User) -> list[Order]:
    """Orders as JSON; `rows` come with their numbers, procedures and steps."""
    records = [row.patient for row in rows if row.patient is not None]
    patients = dict(zip((record.pk for record in records), shown(records, user), strict=True))
    return [
        Order(
            id=row.public_id,
            accession_number=row.accession_number,
            placer_order_number=_number(row, OrderNumber.Kind.PLACER),
            filler_order_number=_number(row, OrderNumber.Kind.FILLER),
            status=row.status,
            priority=row.priority,
            reason=row.reason,
            patient=patients[row.patient_id] if row.patient_id else None,
            procedures=[_procedure(procedure, row) for procedure in row.procedures.all()],
        )
        for row in rows
    ]


def shown_step(row: ScheduledProcedureStep) -> dict[str, Any]:
    """A step's members."""
    return {
        "id": row.public_id,
        "scheduled_procedure_step_id": row.scheduled_procedure_step_id,
        "status": row.status,
        "modality": row.modality,
        "station_ae_title": row.station_ae_title,
        "start": row.due if row.is_timed else None,
    }


def _procedure(row: RequestedProcedure, order: OrderRow) -> Procedure:
    return Procedure(
        id=row.public_id,
        requested_procedure_id=row.requested_procedure_id,
        study_instance_uid=row.study_instance_uid,
        accession_number=row.accession_number or order.accession_number,
        code=row.code,
        description=row.description,
        steps=[Step(**shown_step(step)) for step in row.steps.all()],
    )


def _rows() -> QuerySet[OrderRow]:
    rows = OrderRow.objects.select_related("patient__authority", "patient__survivor")
    procedures = Prefetch("procedures", RequestedProcedure.objects.order_by("pk"))
    steps = Prefetch("procedures__steps", ScheduledProcedureStep.objects.order_by("pk"))
    return rows.prefetch_related("numbers", procedures, steps)


def _read(order: OrderRow, user: User) -> Order:
    (fresh,) = shown_orders([_rows().get(pk=order.pk)], user)
    return fresh


def _number(row: OrderRow, kind: OrderNumber.Kind) -> str:
    """The order's number of this kind; of several the one from which made-up numbers follow."""
    return min(((n.namespace, n.value) for n in row.numbers.all() if n.kind == kind), default=("", ""))[1]


def _conditions(filters: OrderFilters) -> Q:
    condition = Q()
    if number := filters.accession_number:
        own = RequestedProcedure.objects.filter(order=OuterRef("pk"), accession_number=number)
        condition &= Q(accession_number=number) | Q(Exists(own))
    if number := filters.placer_order_number:
        numbers = OrderNumber.objects.filter(kind=OrderNumber.Kind.PLACER, value=number)
        condition &= Q(pk__in=numbers.values("order"))
    if filters.patient_identifier:
        condition &= of_person(filters.patient_identifier)
    if filters.status is not None:
        condition &= Q(status=filters.status)
    return condition


def _facility_and_news(given: NewPatient, user: User) -> tuple[Facility, dict[str, str]]:
    """The facility that the order is for, and what is said of the patient that is not known yet.

    An order changes nobody's demographics: what contradicts them may mean another patient.
    """
    named = given.identifier
    record = identity.find(value=named.value, namespace=named.authority).first() if named else None
    said = {"name": given.name, "birth_date": given.birth_date, "sex": given.sex}
    if record is None:
        facility = user.facilities.order_by("pk").first()
        if facility is None:
            raise Forbidden("You belong to no facility.")
        return facility, {name: value for name, value in said.items() if value}
    if not policy.visible(PatientRecord.objects.filter(pk=record.pk), user).exists():
        raise Conflict("This identifier can't be used here.", "patient.identifier")
    shows = record.current
    for name, value in said.items():
        known = getattr(shows, name)
        if value and known and _folded(value) != _folded(known):
            text = f"{record} is known with another {name.replace('_', ' ')}: {iso_date(known)}"
            raise Conflict(text, name)
    return record.facility, {n: v for n, v in said.items() if v and not getattr(shows, n)}


def _folded(text: str) -> str:
    return person_names.fold(text.partition("=")[0])
