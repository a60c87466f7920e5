"""Tell of records that people merge, link or part here (ADT^A40, A24, A37; HL7 v2.5.1 3.3.24 to 40).

What another system merged is its own to tell. Whoever takes a merge or a link back parts the records.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from interfaces.hl7.destination_options import DestinationOptions
from interfaces.hl7.outbound import outbox, segment_data
from interfaces.hl7.outbound.message_types import Facts, OutboundMessageType
from interfaces.hl7.outbound.message_writer import Segment
from ledger import clock
from worklist.models import LinkKind, Patient
from worklist.patients.patient_records import LinkRecord
from worklist.signals import links_changed

MERGE: Final = "A40"
LINK: Final = "A24"
UNLINK: Final = "A37"
_TRIGGERS: Final = {LinkKind.MERGE: MERGE, LinkKind.LINK: LINK, LinkKind.UNLINK: UNLINK}
_BY_PEOPLE: Final = "user:"


def tell_links(
    sender: object, *, made: Sequence[LinkRecord], closed: Sequence[LinkRecord], **others: Any
) -> None:
    """Enqueue a message for each link that a person made, or took back."""
    for link in made:
        if link.source.startswith(_BY_PEOPLE) and (trigger := _TRIGGERS.get(LinkKind(link.kind))):
            _tell(link, trigger, f"link:{link.public_id}")
    for link in closed:
        if link.closed_by.startswith(_BY_PEOPLE):
            _tell(link, LINK if link.kind == LinkKind.UNLINK else UNLINK, f"link:{link.public_id}:closed")


def _tell(link: LinkRecord, trigger: str, key: str) -> None:
    rows = Patient.objects.select_related("authority", "facility").in_bulk(
        [link.survivor_id, link.retired_id]
    )
    survivor, retired = rows[link.survivor_id], rows[link.retired_id]
    facts = {
        "about": [("patient", survivor.public_id), ("patient", retired.public_id)],
        "facility": survivor.facility.code,
        "trigger": trigger,
        "when": segment_data.moment(clock.now(), survivor.facility),
        "patient": segment_data.of_patient(survivor),
        "other": segment_data.of_patient(retired),
    }
    outbox.enqueue(
        message_type=MERGES,
        key=key,
        facts=facts,
        ordering_key=survivor.current.public_id,
        structure=lambda version: f"ADT^{trigger}^{_structure(trigger, version)}",
    )


def _structure(trigger: str, version: str) -> str:
    """Up to 2.3.1 A37 has the structure of A24."""
    if trigger == MERGE:
        return "ADT_A39"
    return "ADT_A24" if trigger == LINK or version.startswith(("2.2", "2.3")) else "ADT_A37"


def segments(facts: Facts, options: DestinationOptions) -> Iterator[Segment]:
    """EVN, the PID of the survivor, and the other record as MRG, or as a second PID where both go on."""
    yield "EVN", segment_data.evn(facts)
    yield "PID", segment_data.pid(facts["patient"])
    if facts["trigger"] == MERGE:
        yield "MRG", segment_data.mrg(facts["other"])
    else:
        yield "PID", {**segment_data.pid(facts["other"]), 1: "2"}


_WORDS: Final = {MERGE: "was merged into", LINK: "was linked to", UNLINK: "was parted from"}


def in_words(facts: Facts) -> tuple[str, str]:
    """The trigger, and which records it is about."""
    other, patient = facts["other"]["identifier"], facts["patient"]["identifier"]
    return facts["trigger"], f"record {other} {_WORDS[facts['trigger']]} {patient}"


MERGES: Final = OutboundMessageType(
    name="merges",
    structure="ADT^A40^ADT_A39",
    segments=segments,
    in_words=in_words,
    made_by={links_changed: tell_links},
    by_default=False,
)
