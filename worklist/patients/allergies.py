"""A patient's allergies: a list that is said as a whole, and single ones that are added or deleted.

Which of them hold follows from the stamps alone: a list tells of all, a change that is newer than the list of
one. So any order of arrival ends in the same text.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from ledger.errors import Invalid
from worklist.patients.patient_records import PatientRecord

_LIST: Final = ""
"""Under which the list is kept beside the changes."""
_ADDED: Final = "added"
_DELETED: Final = "deleted"
LONGEST: Final = 1000


class AllergyChange(NamedTuple):
    """One allergy: what names it, its text, and whether it is deleted."""

    key: str
    text: str
    is_deleted: bool = False


def change(record: PatientRecord, changes: Iterable[AllergyChange], stamp: str) -> None:
    """Note single allergies as of a stamp; older ones change nothing."""
    known = dict(record.allergy_changes)
    known.setdefault(_LIST, _list_of(record))
    for one in changes:
        if stamp > known.get(one.key, ["", "", ""])[2]:
            known[one.key] = [one.text, _DELETED if one.is_deleted else _ADDED, stamp]
    record.allergy_changes = known
    _derive(record)


def take_list(record: PatientRecord) -> None:
    """Derive anew after the whole list was said: what changed since holds on."""
    if record.allergy_changes:
        record.allergy_changes = {**record.allergy_changes, _LIST: _list_of(record)}
        _derive(record)


def _list_of(record: PatientRecord) -> list[str]:
    return [record.allergies, "", record.stamps.get("allergies", [""])[0]]


def _derive(record: PatientRecord) -> None:
    listed, _, since = record.allergy_changes[_LIST]
    text = ", ".join(_in_effect(listed, since, record.allergy_changes))
    if len(text) > LONGEST:
        raise Invalid(f"the allergies have {len(text)} characters, {LONGEST} fit", "allergies")
    record.allergies = text


def _in_effect(listed: str, since: str, changes: Mapping[str, list[str]]) -> list[str]:
    found = [text for text in listed.split(", ") if text]
    newer = sorted((when, text, kind) for key, (text, kind, when) in changes.items() if key and when > since)
    for _, text, kind in newer:
        found = [one for one in found if one.casefold() != text.casefold()]
        if kind == _ADDED:
            found.append(text)
    return found
