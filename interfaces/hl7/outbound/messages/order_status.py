"""Tell the placer of its order, as the order's own status says (ORM^O01, 4.4.1): begun or completed
once a study is known to be its, scheduled again where the study turns out not to be; and whatever people make
of it: started, completed, cancelled, not come, reopened, with the reason (ORC-16).

Of a study and an order the two are told in turn, each only where the other was told last. Each act of a
person, and its undo, is told once.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from archive.models import Study
from archive.signals import study_reconciled, study_withdrawn
from interfaces.hl7.destination_options import DestinationOptions
from interfaces.hl7.models import Destination, OutboundMessage
from interfaces.hl7.outbound import outbox, segment_data
from interfaces.hl7.outbound.message_types import Facts, OutboundMessageType
from interfaces.hl7.outbound.message_writer import Fields, Segment, Value
from ledger import clock
from worklist.models import Order, OrderStatus, Patient, RequestedProcedure, StatusEvent
from worklist.orders.generated_ids import NAMESPACE
from worklist.signals import order_acted

STATUS_CHANGED: Final = "SC"  # HL70119
IN_PROCESS: Final = "IP"  # HL70038
COMPLETED: Final = "CM"  # HL70038
SCHEDULED: Final = "SC"  # HL70038
CANCELLED: Final = "CA"  # HL70038
DISCONTINUED: Final = "DC"  # HL70038
OMG: Final[Mapping[str, str]] = {"2.7": "OMG^O19^OMG_O19"}
"""ORM is withdrawn from version 2.7 on."""
_OWN: Final[Mapping[str, str]] = {
    OrderStatus.SCHEDULED: SCHEDULED,
    OrderStatus.HELD: "HD",
    OrderStatus.STARTED: IN_PROCESS,
    OrderStatus.COMPLETED: COMPLETED,
    OrderStatus.DISCONTINUED: DISCONTINUED,
    OrderStatus.CANCELLED: CANCELLED,
}
"""The order status (HL70038) that an order's own is."""
_BEGUN: Final = frozenset({OrderStatus.STARTED, OrderStatus.COMPLETED, OrderStatus.DISCONTINUED})
_CONTROLS: Final[Mapping[str, str]] = {CANCELLED: "OC", DISCONTINUED: "OD"}
"""The order control (HL70119) by which a filler ends an order; all else is SC, a change of status."""
_MOST_TOLD: Final = 100
"""How often at most one order is told of one study."""


def tell_in_process(
    sender: object, *, study: Study, outcome: str = "", origin_text: str = "", **others: Any
) -> None:
    """Enqueue one message for each order that the study was made for; asking again adds none.

    Of one that has not begun by our own account nothing is told: it was cancelled meanwhile, or what came
    moves no step, such as a dose report alone. Once it has begun, that is the news.
    """
    rows = study.procedures.select_related(*_PEOPLE)
    for order, procedures in _by_order(rows.order_by("order_id", "pk")).items():
        if order.status in _BEGUN:
            _tell(study, order, procedures, _OWN[order.status], is_begun=True)


def tell_withdrawn(
    sender: object, *, study: Study, procedures: Sequence[RequestedProcedure], **others: Any
) -> None:
    """Take back what was told of orders that the study is not for; not while other images are for them.

    Of an order that was cancelled that was told by itself, or the placer has said so.
    """
    rows = RequestedProcedure.objects.filter(pk__in=[one.pk for one in procedures]).select_related(*_PEOPLE)
    for order, lost in _by_order(rows.order_by("order_id", "pk")).items():
        is_cancelled = order.status == OrderStatus.CANCELLED
        if not is_cancelled and not Study.objects.filter(procedures__order=order).exists():
            _tell(study, order, lost, _OWN[order.status], is_begun=False)


def tell_acted(
    sender: object, *, order: Order, act: StatusEvent, is_undone: bool, is_news: bool, **others: Any
) -> None:
    """Enqueue what an act of a person, or its undo, has made of its order, where the placer does not know."""
    procedures = procedures_of(order)
    if not is_news or not procedures or (patient := procedures[0].order.patient) is None:
        return
    row = procedures[0].order
    facts = {
        **facts_of(row, patient.current, procedures, _OWN[row.status]),
        "control": _CONTROLS.get(_OWN[row.status], STATUS_CHANGED),
        **_said_of(act, is_undone),
    }
    key = f"act:{act.public_id}{':undone' if is_undone else ''}"
    outbox.enqueue(message_type=ORDER_STATUS, key=key, facts=facts, ordering_key=patient.current.public_id)


_MODIFIERS: Final[Mapping[str, str]] = {
    StatusEvent.Kind.ARRIVE: "Arrived",
    StatusEvent.Kind.NO_SHOW: "No-show",
}
"""What is told by ORC-25, as no order status of HL70038 says it."""


def _said_of(act: StatusEvent, is_undone: bool) -> dict[str, str]:
    """The reason of an act, which also says for receivers without ORC-25 what that says; none of an undo."""
    if is_undone:
        return {"modifier": "", "reason": ""}
    modifier = _MODIFIERS.get(act.kind, "")
    return {"modifier": modifier, "reason": ": ".join(filter(None, (modifier, act.reason)))}


_PEOPLE: Final = (
    "order__facility",
    "order__visit__authority",
    "order__patient__authority",
    "order__patient__survivor__authority",
)
_WORDS: Final = {
    IN_PROCESS: "in process",
    COMPLETED: "completed",
    SCHEDULED: "scheduled again",
    CANCELLED: "cancelled",
    DISCONTINUED: "discontinued",
    "HD": "on hold",
}


def _by_order(procedures: Iterable[RequestedProcedure]) -> dict[Order, list[RequestedProcedure]]:
    by_order: dict[Order, list[RequestedProcedure]] = defaultdict(list)
    for procedure in procedures:
        by_order[procedure.order].append(procedure)
    return by_order


def _tell(
    study: Study, order: Order, procedures: Sequence[RequestedProcedure], status: str, *, is_begun: bool
) -> None:
    """Enqueue that images of an order are there, or gone, if the other was told last: gone is never first."""
    patient = order.patient or study.patient
    count = _times_told(study, order)
    is_next = count % 2 == (0 if is_begun else 1)
    if patient is None or not is_next or count >= _MOST_TOLD:
        return
    outbox.enqueue(
        message_type=ORDER_STATUS,
        key=_key(study, order, count + 1),
        facts={
            **facts_of(order, patient.current, procedures, status),
            "about": [*_about(order, patient.current), ("study", study.public_id)],
            "study_instance_uid": study.study_instance_uid,
            "study_started": segment_data.started(study, order.facility),
            "when": segment_data.moment(study.last_received_at if is_begun else clock.now(), order.facility),
        },
        ordering_key=patient.current.public_id,
    )


def _times_told(study: Study, order: Order) -> int:
    """How many messages have told of this study and order: the keys are known, so an index finds them."""
    keys = [_key(study, order, number) for number in range(1, _MOST_TOLD + 1)]
    destinations = Destination.objects.values("pk")
    rows = OutboundMessage.objects.filter(destination__in=destinations, key__in=keys)
    return len(set(rows.values_list("key", flat=True)))


def _key(study: Study, order: Order, number: int) -> str:
    """What names the message of this number: the odd ones say that images came, the even take it back."""
    first = f"study:{study.study_instance_uid}:order:{order.public_id}:"
    return first + (IN_PROCESS if number == 1 else f"{IN_PROCESS if number % 2 else SCHEDULED}:{number}")


def _about(order: Order, patient: Patient) -> list[tuple[str, str]]:
    return [("order", order.public_id), ("patient", patient.public_id)]


def procedures_of(order: Order) -> list[RequestedProcedure]:
    """The procedures of an order, with what a message tells of."""
    rows = RequestedProcedure.objects.filter(order=order).select_related(*_PEOPLE)
    return list(rows.order_by("pk"))


def facts_of(
    order: Order, patient: Patient, procedures: Sequence[RequestedProcedure], status: str
) -> dict[str, Any]:
    """What a message of an order tells; `study_instance_uid` and `when` are as planned, and now."""
    return {
        "about": _about(order, patient),
        **segment_data.of_order(order, procedures),
        "control": STATUS_CHANGED,
        "status": status,
        "patient": segment_data.of_patient(patient),
        "study_instance_uid": procedures[0].study_instance_uid,
        "study_started": "",
        "when": segment_data.moment(clock.now(), order.facility),
    }


def segments(facts: Facts, options: DestinationOptions) -> Iterator[Segment]:
    """PID, PV1 where it is known, ORC and OBR for each requested procedure, and ZDS (IHE RAD TF-2 4.4.4.1.2).

    One ZDS at the end has the UID of all, or each procedure has its own.
    """
    uids = {one["study_instance_uid"] for one in facts["procedures"] if one.get("study_instance_uid")}
    has_own = len(uids) > 1 and facts["study_instance_uid"] in uids
    yield "PID", segment_data.pid(facts["patient"], facts.get("account", ()))
    if facts.get("visit"):
        yield "PV1", segment_data.pv1(facts["visit"])
    for number, procedure in enumerate(facts["procedures"], start=1):
        yield (
            "ORC",
            {
                1: facts["control"],
                2: tuple(facts["placer"]),
                3: tuple(facts["filler"]),
                5: facts["status"],
                7: ("1", "", "", procedure["start"]),
                9: facts["when"],
                12: segment_data.ordered_by(facts),
                16: ("", facts.get("reason", "")),  # 4.5.1.16, order control code reason
                25: _modifier(facts.get("modifier", "")),
            },
        )
        yield "TQ1", {1: "1", 7: procedure["start"]}
        yield "OBR", segment_data.obr(facts, procedure, number)
        if has_own:
            yield "ZDS", _zds(procedure["study_instance_uid"])
    if not has_own:
        yield "ZDS", _zds(facts["study_instance_uid"])


def _modifier(text: str) -> Value:
    """ORC-25 (4.5.1.25), a code of our own."""
    return (text.upper(), text, f"99{NAMESPACE}") if text else ""


def _zds(uid: str) -> Fields:
    return {1: (uid, NAMESPACE, "Application", "DICOM")}


def in_words(facts: Facts) -> tuple[str, str]:
    """ORC-1 and ORC-5, and what they say of the order."""
    number = facts["accession_number"] or "without a number"
    return f"{facts['control']}/{facts['status']}", f"order {number} is {_WORDS[facts['status']]}"


ORDER_STATUS: Final = OutboundMessageType(
    name="order_status",
    structure="ORM^O01^ORM_O01",
    since=OMG,
    segments=segments,
    in_words=in_words,
    made_by={
        study_reconciled: tell_in_process,
        study_withdrawn: tell_withdrawn,
        order_acted: tell_acted,
    },
)
