"""What ORC-1 and ORC-5 do to an order (HL7 v2.5.1 4.5.1.1, Tables 0119 and 0038)."""

from collections.abc import Mapping
from typing import Final

from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.message_parts import Segment
from worklist.models import StatusEvent

_BY_STATUS: Final[Mapping[str, StatusEvent.Kind | None]] = {
    "": None,
    "SC": None,
    "IP": StatusEvent.Kind.START,
    "A": StatusEvent.Kind.START,
    "CM": StatusEvent.Kind.COMPLETE,
    "CA": StatusEvent.Kind.CANCEL,
    "DC": StatusEvent.Kind.DISCONTINUE,
    "HD": StatusEvent.Kind.HOLD,
    "R": None,
    "ER": None,
    "RP": None,
}
"""What an order's status does to it; that it was replaced, or not found elsewhere, does nothing here."""

WITH_CONTENT: Final = frozenset({"NW", "XO", "SC", "CH", "RO"})
"""Controls whose message also says what the order is; the others only name it and end, hold or release it."""

_BY_CONTROL: Final[Mapping[str, StatusEvent.Kind]] = {
    "CA": StatusEvent.Kind.CANCEL,
    "DC": StatusEvent.Kind.DISCONTINUE,
    "HD": StatusEvent.Kind.HOLD,
    "RL": StatusEvent.Kind.RELEASE,
}

FROM_FILLERS: Final = frozenset(
    [
        "AF",
        "CR",
        "DE",
        "DF",
        "DR",
        "FU",
        "HR",
        "LI",
        "NA",
        "OC",
        "OD",
        "OE",
        "OF",
        "OH",
        "OK",
        "OP",
        "OR",
        "PR",
        "RE",
        "RQ",
        "RR",
        "RU",
        "SN",
        "SR",
        "SS",
        "UA",
        "UC",
        "UD",
        "UF",
        "UH",
        "UM",
        "UN",
        "UR",
        "UX",
        "XR",
        "XX",
    ]
)
"""Controls that only a filler sends, or that answer one of ours."""


def act_of(orc: Segment, overrides: Mapping[str, str]) -> StatusEvent.Kind | None:
    """What was done to the order, or None for content alone.

    `overrides` is the source's table, by `ORC-1/ORC-5`, of acts or `none`. Raises `Er7Error` 101 without
    ORC-1, 103 for a control or a status that can't be taken.
    """
    control, status = orc.field(1).value.strip(), orc.field(5).value.strip()
    if not control:
        raise Er7Error(101, orc.location(1), "the order control is missing")
    if (chosen := overrides.get(f"{control}/{status}")) is not None:
        return None if chosen == "none" else StatusEvent.Kind(chosen)
    if control in _BY_CONTROL:
        return _BY_CONTROL[control]
    if control in WITH_CONTENT:
        if status not in _BY_STATUS:
            raise Er7Error(
                103, orc.location(5), f"the order status {status[:20]!r} can't be taken with {control}"
            )
        return _BY_STATUS[status]
    reason = "is one that a filler sends" if control in FROM_FILLERS else "is not supported"
    raise Er7Error(103, orc.location(1), f"the order control {control[:20]!r} {reason}")
