"""The side of an exam, where its code does not tell it: OBR-15, OBR-44, OBR-45 (IHE RAD TF-2 4.2)."""

from collections.abc import Iterator, Mapping
from typing import Final

from interfaces.hl7.syntax.message_parts import Segment

_SIDES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("L", "LT", "LEFT", "7771000"), "L"),
    **dict.fromkeys(("R", "RT", "RIGHT", "24028007"), "R"),
    **dict.fromkeys(("B", "BIL", "BILAT", "BILATERAL", "50", "51440002"), "B"),
}
"""Body site modifiers (HL7 Table 0495), procedure code modifiers (0340), SNOMED CT, and their words."""

BOTH: Final = "B"


def of_order_detail(obr: Segment) -> str | None:
    """The side that an OBR names; both where it names two, None where it names none."""
    sides = {_SIDES[said] for said in _said(obr) if said in _SIDES}
    if len(sides) > 1:
        return BOTH
    return next(iter(sides), None)


def _said(obr: Segment) -> Iterator[str]:
    """The site modifier (OBR-15.5), and those of the procedure code: in OBR-45, or behind it in OBR-44."""
    for field, component in ((15, 5), (45, 1), (44, 1)):
        repetitions = obr.field(field).repetitions
        for one in repetitions[1:] if field == 44 else repetitions:
            subcomponents = range(1, len(one.subcomponents(component)) + 1)
            yield from (one.component(component, n).strip().upper() for n in subcomponents)
            if field != 15:
                yield one.component(2).strip().upper()
