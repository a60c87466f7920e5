"""Whether a patient is pregnant: PV1-15, and OBX by code or by text (IHE RAD TF-2 4.1)."""

from collections.abc import Mapping
from typing import Final

from interfaces.hl7.inbound.context import InboundContext
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.data_types import Said
from interfaces.hl7.syntax.message_parts import Segment, Segments
from ledger.stamps import NONE

NOT, POSSIBLY, PREGNANT, UNKNOWN = "1", "2", "3", "4"
"""Pregnancy Status (0010,21C0)."""

_CODES: Final = frozenset({"82810-3", "11449-6"})  # LOINC
_CALLED: Final = frozenset({"PREGNANCY STATUS", "PREGNANCY", "PREGNANT"})
_VALUES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("Y", "YES", "1", "TRUE", "POSITIVE", "PREGNANT", "LA15173-0", "77386006"), PREGNANT),
    **dict.fromkeys(("N", "NO", "0", "FALSE", "NEGATIVE", "NOT PREGNANT", "LA26683-5", "60001007"), NOT),
    **dict.fromkeys(("P", "POSSIBLE", "POSSIBLY PREGNANT", "102874004"), POSSIBLY),
    **dict.fromkeys(("U", "UNK", "UNKNOWN", "LA4489-6", "261665006"), UNKNOWN),
}
_AMBULATORY_PREGNANT: Final = "B6"  # HL7 Table 0009


def of_patient(context: InboundContext, segments: Segments) -> Said:
    """What PV1-15 and OBX say together. PV1-15 tells all that holds: without B6 she is not pregnant any more.

    Who says in one place that she is and in the other that she is not, says that she is.
    """
    observed = [said for obx in segments.all("OBX") if _is_asked(obx) and (said := _observed(context, obx))]
    ambulatory = _ambulatory(segments.first("PV1"))
    if ambulatory == PREGNANT or not observed:
        return ambulatory
    return observed[-1]


def _ambulatory(pv1: Segment | None) -> Said:
    if pv1 is None or pv1.field(15).is_empty:
        return None
    named = [one.component(1) for one in pv1.field(15).repetitions]
    return PREGNANT if _AMBULATORY_PREGNANT in named else NONE


def _is_asked(obx: Segment) -> bool:
    what = obx.field(3)
    return what.component(1).strip() in _CODES or what.component(2).strip().upper() in _CALLED


def _observed(context: InboundContext, obx: Segment) -> Said:
    def read() -> Said:
        value = obx.field(5)
        if value.is_empty:
            return None
        if value.is_null:
            return NONE
        for text in (value.component(1), value.component(2)):
            if found := _VALUES.get(text.strip().upper()):
                return found
        raise Er7Error(103, obx.location(5), "is no pregnancy status")

    return context.side(read)
