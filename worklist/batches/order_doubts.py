"""What is told of an order message that is refused, since it contradicts whose an order or a number is."""

from collections.abc import Sequence
from typing import Final

from worklist.batches import number_holders
from worklist.batches.number_holders import Holder, NumberName
from worklist.change_set import Registration
from worklist.models import IdentityExceptionKind
from worklist.orders import number_clash
from worklist.orders.order_aggregate import OrderAggregate
from worklist.orders.order_update import OrderUpdate
from worklist.patients import identity_doubt
from worklist.patients.identity_doubt import IdentityDoubt
from worklist.patients.patient_records import PatientRecord

ANOTHERS: Final = "the order is another patient's"
TAKEN: Final = {
    number_holders.ACCESSION: "the accession number is another patient's",
    number_holders.STUDY: "the Study Instance UID is another patient's",
}


def of_numbers(
    update: OrderUpdate, known: Sequence[OrderAggregate], said: Registration | None
) -> IdentityDoubt:
    """That a message names orders as one that are not."""
    orders = [one.order for one in known]
    people = list(dict.fromkeys(key for one in orders if (key := one.patient_id) and key > 0))
    text = number_clash.text_of(update)
    return IdentityDoubt(
        IdentityExceptionKind.CONTRADICTING_NUMBERS,
        key="|".join([*(one.public_id for one in orders), text.rpartition(": ")[2]]),
        text=text,
        patient=people[0] if people else None,
        other=people[1] if len(people) > 1 else None,
        order=next((one.id for one in orders if one.id > 0), None),
        said=identity_doubt.said_of(said) if said else {},
    )


def of_patient(said: Registration, aggregate: OrderAggregate, named: PatientRecord) -> IdentityDoubt:
    """That a message names another patient for an order than the one whose it is."""
    order, who = aggregate.order, identity_doubt.said_of(said)
    return IdentityDoubt(
        IdentityExceptionKind.OTHER_PATIENT,
        key=f"{order.public_id}|{who['identifiers'][0]}",
        text=ANOTHERS,
        patient=order.patient_id,
        other=named.id if named.id > 0 else None,
        order=order.id,
        said=who,
    )


def of_shared_number(
    number: NumberName, holder: Holder, said: Registration, patient: PatientRecord
) -> IdentityDoubt:
    """That a message gives one patient's order a number that another patient's has."""
    name, value = number
    return IdentityDoubt(
        IdentityExceptionKind.SHARED_NUMBER,
        key=f"{name}:{value}|{holder.public_id}",
        text=f"{TAKEN[name]}: {value}",
        patient=holder.patient if holder.patient > 0 else None,
        other=patient.id if patient.id > 0 else None,
        order=holder.order if holder.order > 0 else None,
        said=identity_doubt.said_of(said),
    )
