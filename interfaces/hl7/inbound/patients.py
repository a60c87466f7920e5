"""PID, PV1, AL1 and OBX: the patient and the visit of a message (HL7 v2.5.1 3.4.2, 3.4.3, 3.4.6)."""

import re
from collections.abc import Mapping
from typing import Final

from interfaces.hl7.code_tables import SEX
from interfaces.hl7.inbound import pregnancy
from interfaces.hl7.inbound.context import InboundContext
from interfaces.hl7.syntax import data_types
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.data_types import Said
from interfaces.hl7.syntax.message_parts import NULL, Segment, Segments
from ledger.stamps import NONE
from worklist.change_set import Registration, VisitName, VisitUpdate
from worklist.models import Order, Patient, Visit
from worklist.patients.identifiers import NAMING_TYPES, Authority, Identifier

MOST_IDENTIFIERS: Final = 50

CHARACTER_SETS: Final[Mapping[str, str]] = {
    "ascii": "ISO_IR 6",
    "iso8859-1": "ISO_IR 100",
    "iso8859-2": "ISO_IR 101",
    "iso8859-3": "ISO_IR 109",
    "iso8859-4": "ISO_IR 110",
    "iso8859-5": "ISO_IR 144",
    "iso8859-6": "ISO_IR 127",
    "iso8859-7": "ISO_IR 126",
    "iso8859-8": "ISO_IR 138",
    "iso8859-9": "ISO_IR 148",
    "tis-620": "ISO_IR 166",
    "gb18030": "GB18030",
    "gbk": "GBK",
    "euc_kr": "\\ISO 2022 IR 149",
}
_KANJI: Final = {"87": "\\ISO 2022 IR 87", "159": "\\ISO 2022 IR 159"}

_WEIGHT: Final = frozenset({"29463-7", "3141-9"})
_HEIGHT: Final = frozenset({"8302-2", "3137-7"})
_KILOGRAMS: Final = {"": 1.0, "KG": 1.0, "G": 0.001, "LB": 0.45359237, "[LB_AV]": 0.45359237}
_METRES: Final = {"CM": 0.01, "M": 1.0, "MM": 0.001, "IN": 0.0254, "[IN_I]": 0.0254}
_NUMBER: Final = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_MEASURES: Final = (
    ("weight_kg", _WEIGHT, "BODY WEIGHT", _KILOGRAMS, 700.0),
    ("height_m", _HEIGHT, "BODY HEIGHT", _METRES, 3.0),
)
"""What each is kept as, its codes and name, its units, and what no person exceeds."""
_PLACES: Final = (
    ("PID", (("identifiers", 3), ("name", 5), ("birth_date", 7), ("address", 11), ("account", 18))),
    (
        "PV1",
        (
            *(("patient_class", 2), ("location", 3), ("attending", 7), ("attending_provider", 7)),
            *(("referring", 8), ("referring_provider", 8), ("referring_physician", 8)),
        ),
    ),
    ("AL1", (("allergies", 3),)),
)
"""Where the fields of patients and visits come from."""
NO_AUTHORITY: Final = "VISITS"
"""Of a visit number whose authority neither its message nor its source names."""


def check_one(context: InboundContext) -> None:
    """Raises `Er7Error` 100 where a message that is about one patient has several."""
    if len(context.message.named("PID")) > 1:
        raise Er7Error(100, "PID^2", "a message of this type is of one patient; part it")


def registration(context: InboundContext, segments: Segments) -> Registration:
    """The patient of `segments`' PID and the visit of its PV1."""
    pid = segments.first("PID")
    if pid is None:
        raise Er7Error(100, "PID", "the message has no PID segment")
    _note_places(context, pid, segments)
    return Registration(
        identifiers=identifiers(context, pid),
        demographics=_demographics(context, pid, segments),
        visit=_visit(context, pid, segments.first("PV1")),
    )


def _note_places(context: InboundContext, pid: Segment, segments: Segments) -> None:
    """Where a refusal of what is said of a patient or a visit will point."""
    for name, fields in _PLACES:
        if (segment := segments.first(name)) is not None:
            context.places.note_segment(segment, fields, group=pid.index)


def identifiers(context: InboundContext, pid: Segment) -> list[Identifier]:
    """The identifiers of PID-3.

    Raises `Er7Error` 204 where two of one authority would name two patients and the source's policy does not
    take them for one; 102 for too many.
    """
    if len(pid.field(3).repetitions) > MOST_IDENTIFIERS:
        raise Er7Error(102, pid.location(3), f"a patient has at most {MOST_IDENTIFIERS} identifiers")
    options = context.policy.options
    found = data_types.identifiers(pid.field(3), options.assigning_authority)
    if options.two_identifiers == "link":
        return found
    named: dict[Authority, str] = {}
    for one in found:
        if one.type in NAMING_TYPES and named.setdefault(one.authority, one.value) != one.value:
            text = "two patients of one assigning authority are named; a merge is said by A40"
            raise Er7Error(204, pid.location(3), text)
    return found


def _demographics(
    context: InboundContext, pid: Segment, segments: Segments
) -> dict[str, Said | float | None]:
    name = context.name(pid, 5, data_types.person_name)
    values: dict[str, Said | float | None] = {
        "name": name,
        "character_set": None if name is None else character_set(context),
        "birth_date": data_types.date(pid.field(7), pid.location(7)),
        "sex": context.side(lambda: _sex(pid)),
        "address": context.fitting(Patient, "address", _address(pid), pid.location(11)),
        "allergies": _allergies(segments),
    }
    return values | {"pregnancy": pregnancy.of_patient(context, segments)} | _measures(context, segments)


def character_set(context: InboundContext) -> str:
    """The DICOM term for the set that the message came in (PS3.3 C.12.1.1.2)."""
    names = (
        [context.policy.options.charset] if context.policy.options.charset else list(context.header.charsets)
    )
    for name in names:
        digits = "".join(letter for letter in name if letter.isdigit())
        if "IR" in name.upper() and digits in _KANJI:
            return _KANJI[digits]
    return CHARACTER_SETS.get(context.message.codec, "ISO_IR 192")


def _sex(pid: Segment) -> Said:
    field = pid.field(8)
    if field.is_null:
        return NONE
    code = field.component(1).strip().upper()
    if code and code not in SEX:
        raise Er7Error(103, pid.location(8), "is not in HL7 Table 0001")
    return SEX.get(code)


def _address(pid: Segment) -> Said:
    field = pid.field(11)
    if field.is_null:
        return NONE
    parts = (field.component(n).strip() for n in (1, 2, 3, 4, 5, 6))
    return ", ".join(part for part in parts if part and part != NULL) or None


def _allergies(segments: Segments) -> Said:
    named = (one for al1 in segments.all("AL1") for one in al1.field(3).repetitions[:1])
    texts = (one.whole(2) or one.whole(1) for one in named)
    return ", ".join(dict.fromkeys(text.strip() for text in texts if text.strip())) or None


def _measures(context: InboundContext, segments: Segments) -> dict[str, float | None]:
    """Weight in kilograms and height in metres, from OBX by LOINC code or name (IHE RAD TF-2 4.1)."""
    found: dict[str, float | None] = {}
    for obx in segments.all("OBX"):
        code, text = obx.field(3).component(1), obx.field(3).component(2).strip().upper()
        for name, codes, called, units, most in _MEASURES:
            if code in codes or text == called:
                found[name] = context.side(lambda: _measure(obx, units, most))  # noqa: B023
    return found


def _measure(obx: Segment, units: Mapping[str, float], most: float) -> float:
    """A positive number that a person can have, in our unit."""
    unit = obx.field(6).component(1).strip().upper()
    if unit not in units:
        raise Er7Error(103, obx.location(6), "is not a unit of this measure")
    text = obx.field(5).component(1).strip()
    value = float(text) * units[unit] if _NUMBER.fullmatch(text) else 0.0
    if not 0 < value <= most:
        raise Er7Error(102, obx.location(5), "is no such measure of a person")
    return round(value, 4)


def location_without_visit(context: InboundContext, pv1: Segment | None) -> Said:
    """Where the patient is (PV1-3), for who keeps it where no visit is named that would."""
    pid = context.message.first("PID")
    if pid is None or pv1 is None or pv1.field(3).is_empty or _visit_number(context, pid, pv1)[0]:
        return None
    return context.fitting(Order, "patient_location", data_types.said(pv1.field(3)), pv1.location(3))


def _visit_number(context: InboundContext, pid: Segment, pv1: Segment) -> tuple[Identifier | None, str]:
    """The number that PV1-19 names, or else PID-18 (IHE RAD TF-2 4.1), and its place."""
    default = context.policy.options.assigning_authority or NO_AUTHORITY
    for segment, n in ((pv1, 19), (pid, 18)):
        if numbers := data_types.identifiers(segment.field(n), default):
            return numbers[0], segment.location(n)
    return None, ""


def visit_name(context: InboundContext, segment: Segment, n: int) -> VisitName | None:
    """The visit, or account, that a field names."""
    default = context.policy.options.assigning_authority or NO_AUTHORITY
    found = data_types.identifiers(segment.field(n), default)
    return VisitName(found[0].authority, found[0].value) if found else None


def visit_number(
    context: InboundContext, segment: Segment, n: int, named: list[Identifier]
) -> VisitName | None:
    """The visit that a field names, of the patient who is `named` where each has visit numbers of its own."""
    found = visit_name(context, segment, n)
    return found._replace(holder=_holder(context, named)) if found is not None else None


def _holder(context: InboundContext, named: list[Identifier]) -> str:
    if context.policy.options.visit_numbers != "per_patient":
        return ""
    naming = [one for one in named if one.type in NAMING_TYPES] or named
    one = next(iter(naming), None)
    return f"{one.value}^^^{one.authority.namespace or one.authority.universal_id}" if one else ""


def _account(context: InboundContext, pid: Segment, visit: Identifier) -> VisitName | None:
    """The account of a visit that has a number of its own; one that can't be kept whole is left out."""
    found = visit_name(context, pid, 18)
    if found is None or found[:2] == (visit.authority, visit.value):
        return None
    return found if context.fitting(Visit, "number", found.number, pid.location(18)) else None


def _visit(context: InboundContext, pid: Segment, pv1: Segment | None) -> VisitUpdate | None:
    if pv1 is None:
        return None
    number, where = _visit_number(context, pid, pv1)
    if number is None:
        return None
    context.places.note("number", where, group=pid.index)
    default = context.policy.options.assigning_authority or NO_AUTHORITY
    return VisitUpdate(
        authority=number.authority if number.authority.namespace else Authority(default),
        number=number.value,
        values={
            **{
                name: context.fitting(Visit, name, data_types.said(pv1.field(n)), pv1.location(n))
                for name, n in (("patient_class", 2), ("location", 3))
            },
            "attending": context.provider(pv1, 7, data_types.provider_name),
            "referring": context.provider(pv1, 8, data_types.provider_name),
            "attending_provider": context.as_sent(pv1, 7),
            "referring_provider": context.as_sent(pv1, 8),
        },
        account=_account(context, pid, number),
        holder=_holder(context, identifiers(context, pid)),
    )
