"""Orders that are placed here get their number of the placer: SN out, NA back, one order (HL7 Table 0119)."""

import socket
from collections.abc import Callable

import pytest
from django.db import transaction

from accounts.models import User
from interfaces.hl7.inbound import inbox
from interfaces.hl7.models import Destination, OutboundMessage
from interfaces.hl7.outbound import outbox
from interfaces.hl7.syntax import er7
from interfaces.hl7.syntax.message_parts import Message
from interfaces.hl7.wire import framing
from ledger.models import Event
from tests.actors import acting
from tests.archive.hospital import Hospital
from tests.interfaces.hl7.test_delivery import Act, Receiver, deliver, pacs, receiver
from worklist.models import (
    Order,
    OrderNumber,
    ProcedureCode,
    RequestedProcedure,
    ScheduledProcedureStep,
    StatusEvent,
)
from worklist.schedule import order_entry, step_actions
from worklist.schedule.order_entry import ExamRequest

__all__ = ["pacs", "receiver"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("site"), pytest.mark.once]
Say = Callable[..., bytes]


@pytest.fixture
def placer(pacs: Destination) -> Destination:
    pacs.options = {"role": "placer"}
    pacs.save()
    ProcedureCode.objects.create(code="71260", scheme="C4", description="CT chest", modality="CT")
    return pacs


def place(hospital: Hospital, user: User) -> Order:
    with transaction.atomic():
        return order_entry.place(
            by=acting(user),
            facility=hospital.facility,
            patient=hospital.patient(),
            request=ExamRequest("71260"),
        )


def gives(number: str) -> Act:
    """An ORR that gives the order a number (4.4.2)."""

    def act(peer: socket.socket, sent: str) -> bool:
        own = OrderNumber.objects.get(kind="filler").value
        text = (
            f"MSH|^~\\&|HIS|GEN|RISPACS||2026||ORR^O02|1|P|2.5.1\rMSA|AA|{sent}\r"
            f"ORC|NA|{number}|{own}^RISPACS\r"
        )
        peer.sendall(framing.frame(text.encode()))
        return True

    return act


def numbers(order: Order) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in OrderNumber.objects.filter(order=order).order_by("kind", "namespace"):
        found.setdefault(row.kind, []).append(f"{row.value}^{row.namespace}")
    return found


def identity() -> list[object]:
    """What modalities and images know an order by."""
    procedure = RequestedProcedure.objects.get()
    step = ScheduledProcedureStep.objects.get()
    label = procedure.order.accession_number
    return [
        label,
        procedure.study_instance_uid,
        procedure.requested_procedure_id,
        step.scheduled_procedure_step_id,
    ]


def last() -> Message:
    row = OutboundMessage.objects.select_related("destination").latest("pk")
    return er7.parse(outbox.write(row, row.destination))


@pytest.mark.parametrize(("number", "whole"), [("H77^HIS", "H77^HIS"), ("H77", "H77^HIS")])
def test_the_answer_to_sn_gives_the_placers_number(
    placer: Destination, receiver: Receiver, hospital: Hospital, user: User, number: str, whole: str
) -> None:
    order = place(hospital, user)
    own = OrderNumber.objects.get(kind="filler").value
    before = identity()
    receiver.script = [gives(number)]
    deliver()
    asked = er7.parse(receiver.received[0])
    assert (asked.get("ORC-1"), asked.get("ORC-2"), asked.get("OBR-2")) == ("SN", "", "")
    assert (asked.get("ORC-3"), asked.get("ORC-3.2"), asked.get("OBR-18")) == (own, "RISPACS", before[0])
    assert numbers(order) == {"placer": [whole, f"{own}^RISPACS"], "filler": [f"{own}^RISPACS"]}
    assert identity() == before, "what modalities have stays as it was"
    with transaction.atomic():
        step = ScheduledProcedureStep.objects.get()
        step_actions.change_step(by=acting(user), step=step, kind=StatusEvent.Kind.START)
    told = last().first("ORC")
    assert told and (told.field(2).raw, told.field(3).raw) == (number, f"{own}^RISPACS")


@pytest.mark.parametrize("kind", ["ORM^O01", "ORR^O02"])
def test_the_number_may_come_later_as_a_message(
    placer: Destination, receiver: Receiver, hospital: Hospital, user: User, say: Say, kind: str
) -> None:
    order = place(hospital, user)
    own = OrderNumber.objects.get(kind="filler").value
    before = identity()
    msa = [f"MSA|AA|{OutboundMessage.objects.get().control_id}"] if kind == "ORR^O02" else []
    inbox.receive(say(kind, *msa, f"ORC|NA|H77^HIS|{own}^RISPACS"), peer="")
    assert numbers(order)["placer"][0] == "H77^HIS" and identity() == before
    pid = f"PID|1||{hospital.patient().value}^^^GENHOSP^MR"
    inbox.receive(say("ORM^O01", pid, "ORC|NW|H77^HIS", "OBR|1|H77^HIS||71260^CT^C4", at=5), peer="")
    assert Order.objects.count() == 1 and identity() == before


def test_an_answer_without_a_number_leaves_the_order_as_it_is(
    placer: Destination, receiver: Receiver, hospital: Hospital, user: User
) -> None:
    order = place(hospital, user)
    deliver()
    own = OrderNumber.objects.get(kind="filler").value
    assert numbers(order) == {"placer": [f"{own}^RISPACS"], "filler": [f"{own}^RISPACS"]}
    assert OutboundMessage.objects.get().status == "delivered"


def test_only_a_placer_is_asked_and_only_for_what_is_placed_here(
    pacs: Destination, hospital: Hospital, user: User, say: Say
) -> None:
    ProcedureCode.objects.create(code="71260", scheme="C4", description="CT chest", modality="CT")
    place(hospital, user)
    pacs.options = {"role": "placer"}
    pacs.save()
    pid = "PID|1||P1^^^GENHOSP^MR||BARS^ANNA"
    inbox.receive(say("ORM^O01", pid, "ORC|NW|PL1^HIS", "OBR|1|PL1^HIS||71260^CT^C4"), peer="")
    assert not OutboundMessage.objects.exists()


def test_a_number_that_is_too_long_is_told(
    placer: Destination, receiver: Receiver, hospital: Hospital, user: User
) -> None:
    order = place(hospital, user)
    receiver.script = [gives("9" * 300 + "^HIS")]
    deliver()
    assert len(numbers(order)["placer"]) == 1
    assert Event.objects.filter(kind="hl7.number_unusable").exists()
