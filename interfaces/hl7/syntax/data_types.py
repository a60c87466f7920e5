"""HL7's data types in the worklist's terms (HL7 v2.5.1 2.A): times, names, identifiers, numbers."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.message_parts import NULL, Field, Repetition, Segment
from ledger.stamps import NONE
from worklist.models.sent_field import AsSent
from worklist.orders.order_update import Number
from worklist.patients.identifiers import Authority, Identifier

Said = str | None | object
"""A text, None for "says nothing", or `NONE` for HL7's `""`."""

MOST_SENT_BACK: Final = 4000
"""Characters of a field that is kept only to be sent back."""
REPLACEMENT: Final = "_"
"""Stands in a name for what a DICOM name can't hold: backslash, `=`, `^` and control characters."""

DATE_ALONE: Final = len("YYYYMMDD")
_TIME = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?"
)
_OFFSET = re.compile(r"[+-]\d{4}$")
_NOT_IN_NAMES = re.compile(r"[\\=^\x00-\x1f\x7f-\x9f]")


def said(field: Field) -> Said:
    """A field's text: None where it is empty, `NONE` where it is `""`."""
    if field.is_null:
        return NONE
    return field.text.strip() or None


def time(text: str, zone: tzinfo, location: str) -> datetime | None:
    """A time stamp (2.A.22 DTM, 2.A.77 TS) with its own offset, else in `zone`; None for an empty one.

    Raises `Er7Error` 102 for what is none. A date alone is its midnight.
    """
    text = text.strip()
    if not text or text == NULL:
        return None
    found = _TIME.fullmatch(text)
    if found is None:
        raise Er7Error(102, location, "is not a time stamp (YYYYMMDDHHMMSS with an offset)")
    year, month, day, hour, minute, second, fraction = (part or "" for part in found.groups()[:7])
    try:
        return datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int(fraction.ljust(6, "0") or 0),
            tzinfo=_offset(found[8]) or zone,
        )
    except ValueError as error:
        raise Er7Error(102, location, "is not a valid date or time") from error


def start(text: str, zone: tzinfo, zone_of_dates: tzinfo, location: str) -> datetime | None:
    """When something is to begin; a date alone is a day in a zone of its own, wherever its sender's clock is.

    Raises `Er7Error` 102 for what is less than a day: nobody is due on the first of a month by its name.
    """
    text = text.strip()
    moment = time(text, zone_of_dates if len(text) == DATE_ALONE else zone, location)
    if moment and len(_OFFSET.sub("", text)) < DATE_ALONE:
        raise Er7Error(102, location, "is less than a day (YYYYMMDD)")
    return moment


def offset_of(text: str) -> tzinfo | None:
    """The offset that a time stamp names itself."""
    found = _TIME.fullmatch(text.strip())
    return _offset(found[8]) if found else None


def _offset(text: str | None) -> tzinfo | None:
    if not text:
        return None
    hours, minutes = int(text[1:3]), int(text[3:5])
    distance = timedelta(hours=hours, minutes=minutes)
    if distance >= timedelta(hours=24):
        return None
    return timezone(-distance if text[0] == "-" else distance)


def date(field: Field, location: str) -> Said:
    """A birth date (PID-7) as DICOM keeps it, with the precision that it came with."""
    if field.is_null:
        return NONE
    text = field.component(1).strip()
    if not text:
        return None
    if not re.fullmatch(r"\d{4}(\d{2}(\d{2}(\d{2,6}(\.\d+)?([+-]\d{4})?)?)?)?", text):
        raise Er7Error(102, location, "is not a date (YYYYMMDD)")
    time(text[:8], UTC, location)
    return text[:8]


def person_name(field: Field) -> Said:
    """A patient's name (2.A.89 XPN) as DICOM PN: the legal one, with its other writings.

    HL7 has suffix before prefix, DICOM prefix before suffix. XPN-8 tells ideographic and phonetic writings.
    """
    if field.is_null:
        return NONE
    groups: dict[str, str] = {}
    for repetition in field.repetitions:
        if repetition.component(7) not in ("", "L", "D", "C"):
            continue
        writing = repetition.component(8) or "A"
        groups.setdefault(writing, _components(repetition, (1, 2, 3, 5, 4)))
    if not groups and field.repetitions:
        groups["A"] = _components(field.repetitions[0], (1, 2, 3, 5, 4))
    name = "=".join(groups.get(writing, "") for writing in "AIP").rstrip("=")
    return name or None


def provider_name(field: Field) -> Said:
    """A provider's name (2.A.88 XCN) as DICOM PN; None where only an ID is given."""
    if field.is_null:
        return NONE
    return _components(field.repetitions[0], (2, 3, 4, 6, 5)) or None if field.repetitions else None


def as_sent(segment: Segment | None, n: int) -> AsSent | object | None:
    """All of a field, so that it can be sent back.

    Raises `Er7Error` 102 for what is too long to be kept.
    """
    if segment is None or (field := segment.field(n)).is_empty:
        return None
    if field.is_null:
        return NONE
    if len(field.raw) > MOST_SENT_BACK:
        raise Er7Error(102, segment.location(n), f"is longer than {MOST_SENT_BACK} characters")
    return [_parts(one) for one in field.repetitions if one.raw]


def _parts(one: Repetition) -> list[list[str]]:
    return [
        [one.component(n, sub) for sub in range(1, len(one.subcomponents(n)) + 1)]
        for n in range(1, len(one.components) + 1)
    ]


def named_location_person(field: Field) -> Said:
    """A person with location (2.A.47 NDL), whose first component is an ID and name (CNN)."""
    if field.is_null:
        return NONE
    parts = [field.component(1, sub) for sub in (2, 3, 4, 6, 5)]
    return _join(parts) or None


def is_unfit_for_names(field: Field) -> bool:
    """Whether a DICOM name can't hold all of the field's characters (PS3.5 6.2.1)."""
    if field.raw.isalnum() or field.is_null:
        return False
    parts = (r.component(n) for r in field.repetitions for n in range(1, len(r.components) + 1))
    return any(_NOT_IN_NAMES.search(part) for part in parts)


def _components(repetition: Repetition, order: tuple[int, ...]) -> str:
    return _join([repetition.component(n) for n in order])


def _join(parts: list[str]) -> str:
    return "^".join(_clean(part) for part in parts).rstrip("^")


def _clean(part: str) -> str:
    return "" if part == NULL else _NOT_IN_NAMES.sub(REPLACEMENT, part.strip())


def identifiers(field: Field, default_authority: str) -> list[Identifier]:
    """Patient identifiers (2.A.14 CX), those that are empty or null left out."""
    found = []
    for repetition in field.repetitions:
        value = repetition.component(1).strip()
        if value and value != NULL:
            authority = _authority(repetition, default_authority)
            found.append(Identifier(value, authority, repetition.component(5).strip()))
    return found


def _authority(repetition: Repetition, default: str) -> Authority:
    namespace, uid, uid_type = (repetition.component(4, sub).strip() for sub in (1, 2, 3))
    return Authority(namespace, uid, uid_type) if namespace or uid else Authority(default)


def number(segment: Segment | None, n: int) -> Number | None:
    """An order number (2.A.28 EI) with its namespace, or None."""
    if segment is None:
        return None
    field = segment.field(n)
    value = field.component(1).strip()
    if not value or value == NULL:
        return None
    namespace, uid, uid_type = (field.component(n).strip() for n in (2, 3, 4))
    return Number(value, namespace or uid, uid, uid_type)
