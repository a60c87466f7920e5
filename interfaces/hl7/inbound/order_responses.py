"""Answers to orders that say of each what became of it: ORR, ORG and ORI (HL7 v2.5.1 4.4.2, 4.4.5, 4.4.9)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from interfaces.hl7.syntax import er7
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.er7 import Header
from interfaces.hl7.syntax.message_parts import Segment


class Response(NamedTuple):
    """The type of an answer, its event and structure, and the version that it came with."""

    code: str
    trigger: str
    structure: str
    since: tuple[int, int]


RESPONSES: Final[Mapping[str, Response]] = {
    "ORM": Response("ORR", "O02", "ORR_O02", (2, 1)),
    "OMG": Response("ORG", "O20", "ORG_O20", (2, 4)),
    "OMI": Response("ORI", "O24", "ORI_O24", (2, 5)),
}

_ACCEPTED: Final[Mapping[str, str]] = {"CA": "CR", "DC": "DR", "HD": "HR", "RL": "OE", "XO": "XR", "RP": "RQ"}
_REFUSED: Final[Mapping[str, str]] = {
    "CA": "UC",
    "DC": "UD",
    "HD": "UH",
    "RL": "UR",
    "XO": "UX",
    "RP": "UM",
}
"""ORC-1 of an answer for that of an order (HL7 Table 0119); that of others is OK or UA."""


def orders_of(raw: bytes, header: Header, charset: str, *, is_accepted: bool) -> list[str]:
    """An ORC for each of the message's, with its numbers as they came; none where it can't be read."""
    if not header.delimiters.is_complete:
        return []
    try:
        message = er7.parse(er7.without_nul(raw), charset or None)
    except Er7Error:
        return []
    return [_answered(orc, header, is_accepted) for orc in message.all("ORC")]


def _answered(orc: Segment, header: Header, is_accepted: bool) -> str:
    control = orc.field(1).value.strip()
    told = _ACCEPTED.get(control, "OK") if is_accepted else _REFUSED.get(control, "UA")
    return header.delimiters.field.join(["ORC", told, orc.field(2).raw, orc.field(3).raw])
