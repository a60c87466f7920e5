"""Ask for the placer's number of orders that are placed here (ORM^O01 with ORC-1 `SN`, HL7 Table 0119).

They go to destinations with the role of the placer. The answer, an ORR or later an ORM with `NA`, has it in
ORC-2: the order keeps it beside ours, by which the answer names the order, and there is no second one.
"""

from collections.abc import Iterator
from typing import Any, Final

from django.db import transaction

from interfaces.hl7 import hl7_events
from interfaces.hl7.destination_options import DestinationOptions
from interfaces.hl7.inbound import sources
from interfaces.hl7.models import OutboundMessage
from interfaces.hl7.outbound import message_status, outbox
from interfaces.hl7.outbound.message_types import Facts, OutboundMessageType
from interfaces.hl7.outbound.message_writer import Segment
from interfaces.hl7.outbound.messages import order_status
from interfaces.hl7.syntax import data_types, er7
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.er7 import Header
from interfaces.hl7.syntax.message_parts import Segments
from ledger import clock, events, stamps
from ledger.errors import Refused
from worklist.models import Order, OrderNumber
from worklist.orders import order_application
from worklist.orders.generated_ids import NAMESPACE
from worklist.orders.order_update import Number, OrderUpdate
from worklist.provenance import Provenance
from worklist.signals import order_placed

SEND_NUMBER: Final = "SN"
NUMBER_ASSIGNED: Final = "NA"


def tell_placed(sender: object, *, order: Order, **others: Any) -> None:
    """Enqueue the request for the number of an order that was placed here."""
    procedures = order_status.procedures_of(order)
    patient = procedures[0].order.patient if procedures else None
    if patient is None:
        return
    facts = {
        **order_status.facts_of(procedures[0].order, patient.current, procedures, order_status.SCHEDULED),
        "control": SEND_NUMBER,
        "order": order.public_id,
        "placer": ["", ""],
    }
    key = f"placed:{order.public_id}"
    outbox.enqueue(message_type=PLACED_ORDERS, key=key, facts=facts, ordering_key=patient.current.public_id)


def segments(facts: Facts, options: DestinationOptions) -> Iterator[Segment]:
    """As in a message of its status, with our number in ORC-3 and OBR-3 alone."""
    return order_status.segments(facts, options)


def take_number(message: OutboundMessage) -> None:
    """Give the order the number that the answer to its request names, where it does."""
    try:
        answer, header = er7.parse(bytes(message.ack)), er7.read_header(bytes(message.ack))
    except Er7Error:
        return
    number = _assigned(answer, header, message)
    order = Order.objects.select_related("facility").filter(public_id=message.facts["order"]).first()
    own = _own(order) if order else None
    if number is None or order is None or own is None:
        return
    provenance = Provenance(
        facility=order.facility,
        stamp=stamps.Stamp(made_at=clock.now()),
        received_at=clock.now(),
        source=f"hl7:{message.public_id}",
    )
    try:
        with transaction.atomic():
            order_application.apply(update=OrderUpdate(placer=number, filler=own), provenance=provenance)
    except Refused as error:
        _note_unusable(message, str(error))


def _note_unusable(message: OutboundMessage, error: str) -> None:
    events.record(
        hl7_events.NUMBER_UNUSABLE,
        about=message_status.subjects(message),
        source=message.destination.name,
        error=error[:500],
    )


def _assigned(answer: Segments, header: Header, message: OutboundMessage) -> Number | None:
    """ORC-2 of an answer with `NA`; without a namespace it is in its sender's own."""
    orc = next((one for one in answer.all("ORC") if one.field(1).value == NUMBER_ASSIGNED), None)
    number = data_types.number(orc, 2)
    if number is None or number.namespace:
        return number
    try:
        space = sources.policy_of(header).options.order_namespace
    except Er7Error:
        space = ""
    own = space or header.sending_application or message.destination.application
    return number._replace(namespace=own, is_bare=True) if own else None


def _own(order: Order) -> Number | None:
    rows = OrderNumber.objects.filter(order=order, kind=OrderNumber.Kind.FILLER, namespace=NAMESPACE)
    row = rows.order_by("pk").first()
    return Number(row.value, row.namespace) if row else None


def in_words(facts: Facts) -> tuple[str, str]:
    """ORC-1, and what is asked for."""
    number = facts["accession_number"] or "without a number"
    return facts["control"], f"order {number} was placed here and needs a number"


PLACED_ORDERS: Final = OutboundMessageType(
    name="placed_orders",
    structure="ORM^O01^ORM_O01",
    since=order_status.OMG,
    segments=segments,
    in_words=in_words,
    made_by={order_placed: tell_placed},
    on_delivered=take_number,
    role="placer",
)
