"""Which trigger does what, and what a message must be for us to take it at all."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from interfaces.hl7.inbound import (
    adt,
    adt_links,
    adt_visits,
    appointments,
    master_files,
    orders,
    outside_results,
    unhandled,
)
from interfaces.hl7.inbound.context import InboundContext
from interfaces.hl7.inbound.sources import SourcePolicy
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.er7 import Header
from worklist.change_set import ChangeSet

Translate = Callable[[InboundContext], ChangeSet]
"""Says in the worklist's terms what a message says; decides and reads nothing."""

_REGISTERS: Final = (
    *("A01", "A04", "A05", "A14"),  # admitted, registered, or about to be
    *(
        "A02",
        "A03",
        "A06",
        "A07",
        "A12",
        "A13",
    ),  # transferred, discharged, of another class; or not after all
    *("A08", "A28", "A31"),
    *("A09", "A10"),  # departing, arriving
    *("A15", "A16", "A25", "A26", "A27"),  # about to be transferred or discharged; or not after all
    *("A11", "A38", "A23"),  # the visit is cancelled, or deleted
    *("A48", "A51"),  # alternate numbers, of which nothing is kept, are others
)
"""ADT events after which the patient and the visit are as the message says (HL7 v2.5.1 3.3)."""

_MERGES: Final = ("A18", "A34", "A39", "A40", "A46", "A47")
"""ADT events by which MRG-1, or MRG-4, is another number of the patient, or a former one (3.3.18 ff.)."""

TRIGGERS: Final[Mapping[tuple[str, str], Translate]] = {
    **{("ADT", event): adt.register for event in _REGISTERS},
    **{("ADT", event): adt.merge for event in _MERGES},
    ("ADT", "A17"): adt.swap,
    ("ADT", "A29"): adt.delete,
    ("ADT", "A60"): adt.change_allergies,
    ("ADT", "A24"): adt_links.link,
    ("ADT", "A35"): adt_visits.merge_accounts,
    ("ADT", "A36"): adt_visits.merge_patients_and_accounts,
    ("ADT", "A37"): adt_links.unlink,
    ("ADT", "A41"): adt_visits.merge_accounts,
    ("ADT", "A42"): adt_visits.merge_visits,
    ("ADT", "A43"): adt_links.move,
    ("ADT", "A44"): adt_visits.move_accounts,
    ("ADT", "A45"): adt_visits.move_visits,
    ("ADT", "A49"): adt_visits.merge_accounts,
    ("ADT", "A50"): adt_visits.merge_visits,
    ("OMG", "O19"): orders.read,
    ("OMI", "O23"): orders.read,
    ("ORM", "O01"): orders.read,
    **{("MFN", event): master_files.read for event in master_files.TRIGGERS},
    ("ORU", "R01"): outside_results.read,
    **{("SIU", event): appointments.read for event in ("S12", "S13", "S14", "S15", "S16", "S17", "S26")},
}

_TYPES: Final = frozenset(
    [
        "ADT",
        "BAR",
        "DFT",
        "MDM",
        "MFN",
        "OMG",
        "OMI",
        "OML",
        "OMP",
        "ORL",
        "ORM",
        "ORU",
        "ORR",
        "OUL",
        "PPR",
        "RAS",
        "RDE",
        "RDS",
        "REF",
        "SIU",
        "VXU",
    ]
)
"""Message types that we know; those with no trigger above are not built yet."""

_ONLY_TRIGGER: Final = {"ORM": "O01", "OMG": "O19", "OMI": "O23"}
_VERSION: Final = re.compile(r"\s*2\.[1-8](?!\d)")
"""What follows, such as the suffix of a country, is no matter."""


def handler_of(header: Header, policy: SourcePolicy) -> Translate:
    """The function that translates a message. Raises `Er7Error` 101 and 200 to 204 for what is not taken."""
    if not header.message_code:
        raise Er7Error(101, "MSH^1^9", "the message type is missing")
    if header.message_code in unhandled.QUERIES:
        raise Er7Error(200, "MSH^1^9", "queries are not answered here; the message is kept")
    if header.message_code not in _TYPES:
        raise Er7Error(200, "MSH^1^9", "this message type is not taken here")
    trigger = header.trigger or _ONLY_TRIGGER.get(header.message_code, "")
    handler = TRIGGERS.get((header.message_code, trigger)) or _without_effect(header, policy)
    if handler is None:
        raise Er7Error(201, "MSH^1^9^1^2", "this trigger event is not taken here yet; the message is kept")
    if "*" not in policy.options.processing_ids and header.processing_id not in policy.options.processing_ids:
        raise Er7Error(202, "MSH^1^11", "this processing ID is not taken from this source")
    if header.version and not _VERSION.match(header.version):
        raise Er7Error(203, "MSH^1^12", "versions 2.1 to 2.8 are taken")
    if not {"*", header.receiving_application} & set(policy.options.receivers):
        raise Er7Error(204, "MSH^1^5", "this receiving application is not here")
    return handler


def _without_effect(header: Header, policy: SourcePolicy) -> Translate | None:
    """What does nothing: what the source wants kept."""
    return unhandled.keep if header.message_code in policy.options.keep else None
