"""What whoever handles a patient must know, of all records that show as one person.

A merge or a link hides a record, not what was said of its patient: allergies are those of all records, and of
pregnancy, weight and height what was said last, on whichever record.
"""

from dataclasses import dataclass
from typing import Any, Final

from worklist.models import Patient

OF_STEPS: Final = (
    "procedure__order__patient__absorbed",
    "procedure__order__patient__survivor__absorbed",
)
"""What a list of steps fetches beforehand, so that a row asks nothing more."""


@dataclass(frozen=True)
class CareNotes:
    """Allergies as a text, Pregnancy Status (PS3.3 C.2.3), weight in kg, height in m; empty if not said."""

    allergies: str = ""
    pregnancy: str = ""
    weight_kg: float | None = None
    height_m: float | None = None


def of(patient: Patient) -> CareNotes:
    """The notes of the person whose record this is."""
    current = patient.current
    records = [current, *current.absorbed.all()]
    if len(records) == 1:
        return of_record(current)
    return CareNotes(
        allergies=_all_allergies(records),
        pregnancy=_newest(records, "pregnancy") or "",
        weight_kg=_newest(records, "weight_kg"),
        height_m=_newest(records, "height_m"),
    )


def of_record(record: Patient) -> CareNotes:
    """What was said of one record alone."""
    return CareNotes(record.allergies, record.pregnancy, record.weight_kg, record.height_m)


def _all_allergies(records: list[Patient]) -> str:
    said = (text.strip() for record in records for text in record.allergies.split(", "))
    return ", ".join({text.casefold(): text for text in said if text}.values())


def _newest(records: list[Patient], name: str) -> Any:
    """What was said last; a record of which nothing was said has no stamp."""
    stamped = [(record.stamps[name][0], record) for record in records if name in record.stamps]
    if not stamped:
        return next((value for record in records if (value := getattr(record, name))), None)
    return getattr(max(stamped, key=lambda pair: pair[0])[1], name)
