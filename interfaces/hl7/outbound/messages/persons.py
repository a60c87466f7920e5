"""Tell of patients whom people register or describe anew here (ADT^A28, A31; HL7 v2.5.1 3.3.28, 3.3.31)."""

from collections.abc import Iterator
from typing import Any, Final

from interfaces.hl7.destination_options import DestinationOptions
from interfaces.hl7.outbound import outbox, segment_data
from interfaces.hl7.outbound.message_types import Facts, OutboundMessageType
from interfaces.hl7.outbound.message_writer import Segment
from ledger.public_id import new_public_id
from worklist.models import Patient
from worklist.provenance import Provenance
from worklist.signals import person_described

ADD: Final = "A28"
UPDATE: Final = "A31"


def tell_described(
    sender: object, *, patient: Patient, is_new: bool, provenance: Provenance, **others: Any
) -> None:
    """Enqueue what a person says of a patient: all that is known of the record then."""
    trigger = ADD if is_new else UPDATE
    facts = {
        "about": [("patient", patient.public_id)],
        "facility": patient.facility.code,
        "trigger": trigger,
        "when": segment_data.moment(provenance.received_at, patient.facility),
        "patient": segment_data.of_patient(patient),
    }
    outbox.enqueue(
        message_type=PERSONS,
        key=f"person:{patient.public_id}:{new_public_id()}",
        facts=facts,
        ordering_key=patient.current.public_id,
        structure=lambda version: f"ADT^{trigger}^{_structure(version)}",
    )


def _structure(version: str) -> str:
    """Up to 2.3.1 it is that of A01."""
    return "ADT_A01" if version.startswith(("2.2", "2.3")) else "ADT_A05"


def segments(facts: Facts, options: DestinationOptions) -> Iterator[Segment]:
    """EVN, PID, and a PV1 that says that this is about no visit."""
    yield "EVN", segment_data.evn(facts)
    yield "PID", segment_data.pid(facts["patient"])
    yield "PV1", {1: "1", 2: "N"}


def in_words(facts: Facts) -> tuple[str, str]:
    """The trigger, and what it says."""
    words = "is new" if facts["trigger"] == ADD else "was described anew"
    return facts["trigger"], f"patient {facts['patient']['identifier']} {words}"


PERSONS: Final = OutboundMessageType(
    name="persons",
    structure="ADT^A31^ADT_A05",
    segments=segments,
    in_words=in_words,
    made_by={person_described: tell_described},
    by_default=False,
)
