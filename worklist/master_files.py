"""Master files: the procedure catalogue, staff and locations, entry by entry and field by field by stamp.

An entry that is deactivated or deleted is kept: orders that name it stay what they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import models

from accounts import site_version
from ledger import events, stamps
from ledger.stamps import NONE
from worklist import worklist_events
from worklist.models import HospitalLocation, ProcedureCode, StaffMember
from worklist.provenance import Provenance

MasterFile = type[ProcedureCode] | type[StaffMember] | type[HospitalLocation]
_WORDS: Final[Mapping[MasterFile, str]] = {
    ProcedureCode: "procedure",
    StaffMember: "staff",
    HospitalLocation: "location",
}


@dataclass(frozen=True)
class MasterEntry:
    """What is said of an entry, which `key` names; None in `values` says nothing.

    `is_active` is None where the message leaves that as it is.
    """

    file: MasterFile
    key: Mapping[str, str]
    is_active: bool | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


def apply(entries: Sequence[MasterEntry], provenance: Provenance) -> None:
    """Apply what is said of entries, in the caller's transaction."""
    changed = [one for one in entries if _apply(one, provenance)]
    for file, word in _WORDS.items():
        if codes := [one.key["code"] for one in changed if one.file is file]:
            entry = provenance.entry(
                worklist_events.MASTER_FILE_CHANGED,
                [("master_file", word)],
                file=word,
                codes=codes[:_MOST_TOLD],
            )
            events.record_all([entry])


_MOST_TOLD: Final = 20


def _apply(entry: MasterEntry, provenance: Provenance) -> bool:
    model: type[models.Model] = entry.file
    model._default_manager.bulk_create([model(**entry.key)], ignore_conflicts=True)
    row: Any = model._default_manager.select_for_update(of=("self",)).get(**entry.key)
    said = {name: "" if value is NONE else value for name, value in entry.values.items()}
    said["is_active"] = entry.is_active
    changed = stamps.write(row, said, provenance.stamp, provenance.source)
    if isinstance(row, ProcedureCode) and changed:
        row.edited_at = provenance.received_at
    row.save()
    return bool(changed)


def staff_name(code: str) -> str | None:
    """The name of whom a number means, as DICOM writes it."""
    return _staff.current().get(code)


def location_name(location: str) -> str:
    """What people call a location, else the ward that it is in; empty where nobody has said it."""
    parts = location.split("^")
    for count in range(len(parts), 0, -1):
        if name := _locations.current().get("^".join(parts[:count]).rstrip("^")):
            return name
    return ""


def _read_staff() -> Mapping[str, str]:
    rows = StaffMember.objects.exclude(name="").order_by("pk")
    return {number: row.name for row in rows for number in _numbers(row)}


def _numbers(row: StaffMember) -> Iterable[str]:
    return (row.code, *row.identifiers)


def _read_locations() -> Mapping[str, str]:
    return dict(HospitalLocation.objects.exclude(description="").values_list("code", "description"))


_staff: Final = site_version.Kept(_read_staff)
_locations: Final = site_version.Kept(_read_locations)
WATCHED: Final = (StaffMember, HospitalLocation)
