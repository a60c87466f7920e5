"""Master files: MFN^M02, M04, M05, M08 to M12 (HL7 v2.5.1 8.4, 8.6, 8.8, 8.9), and their answer, MFK."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from interfaces.hl7.code_tables import MODALITIES, SECTIONS
from interfaces.hl7.inbound.ack import OrderResponse
from interfaces.hl7.inbound.context import InboundContext
from interfaces.hl7.inbound.further_effects import FurtherChanges, Told
from interfaces.hl7.syntax import data_types, er7
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.er7 import Header
from interfaces.hl7.syntax.message_parts import NULL, Field, Segment, Segments
from ledger.errors import Invalid
from worklist import master_files
from worklist.change_set import ChangeSet
from worklist.master_files import MasterEntry
from worklist.models import HospitalLocation, ProcedureCode, StaffMember
from worklist.provenance import check_lengths

_ACTIVE: Final[Mapping[str, bool | None]] = {
    "MAD": True,
    "MUP": None,
    "MAC": True,
    "MDC": False,
    "MDL": False,
}
"""MFE-1 (HL7 Table 0180): whether an entry may be used from now on. What is deleted is kept, unused."""
SINCE: Final = (2, 2)
_STRUCTURE: Final = "MFK_M01"

_Read = Callable[[InboundContext, Segments, bool | None], MasterEntry | None]


def read(context: InboundContext) -> ChangeSet:
    """Each MFE with its segments is an entry; all of them are taken, or none."""
    mfi = context.message.first("MFI")
    if mfi is None:
        raise Er7Error(100, "MFI", "the message has no MFI segment")
    if mfi.field(3).value.strip().upper() == "REP":
        raise Er7Error(103, mfi.location(3), "a whole file is not replaced here; send what changed (UPD)")
    groups = context.message.groups("MFE")
    if not groups:
        raise Er7Error(100, "MFE", "the message has no MFE segment")
    reader = _READERS[context.header.trigger]
    found = [_entry(context, group, reader) for group in groups]
    entries = [one for one in found if one is not None]
    told = [told for one in entries for told in _told_of(one)]
    return FurtherChanges(
        context.provenance, [], lambda patient: master_files.apply(entries, context.provenance), told
    )


def _told_of(one: MasterEntry) -> Iterator[Told]:
    kind = str(one.file._meta.verbose_name)
    if one.is_active is not None:
        yield Told(kind, one.key["code"], "in use", "yes" if one.is_active else "no")
    for name, value in one.values.items():
        if isinstance(value, str) and value:
            yield Told(kind, one.key["code"], name, value)


def _entry(context: InboundContext, group: Segments, reader: _Read) -> MasterEntry | None:
    mfe = group.segments[0]
    event = mfe.field(1).value.strip().upper()
    if event not in _ACTIVE:
        raise Er7Error(103, mfe.location(1), "is no event of a master file (MAD, MUP, MDL, MDC, MAC)")
    _note_future(context, mfe)
    entry = reader(context, group, _ACTIVE[event])
    if entry is not None:
        try:
            check_lengths(entry.file, {**entry.key, **entry.values})
        except Invalid as error:
            raise Er7Error(102, mfe.location(4), error.text) from error
    return entry


def _note_future(context: InboundContext, mfe: Segment) -> None:
    """What is to be in effect later is so at once, which is noted (MFE-3)."""
    location = mfe.location(3)
    at = context.side(lambda: data_types.time(mfe.field(3).component(1), context.zone, location))
    if at is not None and at > context.provenance.received_at:
        context.leave_out(location)


def _procedure(context: InboundContext, group: Segments, is_active: bool | None) -> MasterEntry | None:
    """A procedure code: OM1-2 (CDM-1, CDM-3 of charges), else MFE-4. Without a modality it isn't ours."""
    mfe, om1, cdm = group.segments[0], group.first("OM1"), group.first("CDM")
    code = _coded(om1.field(2) if om1 else cdm.field(1) if cdm else mfe.field(4))
    code = code if code[0] else _coded(mfe.field(4))
    if not code[0]:
        raise Er7Error(101, mfe.location(4), "the code is missing")
    description = code[1] or (cdm.field(3).value.strip() if cdm else "")
    modality = _modality(context, group)
    if modality is None and (is_active is not False and mfe.field(1).value.strip() == "MAD"):
        context.leave_out(mfe.location())
        return None
    values = {"description": description or None, "modality": modality}
    return MasterEntry(ProcedureCode, {"code": code[0], "scheme": code[2]}, is_active, values)


def _modality(context: InboundContext, group: Segments) -> str | None:
    """A modality, as the source's mapping finds it; a section that names none is none of imaging."""
    for path in context.policy.paths["catalogue_modality"]:
        segment = group.first(path.segment)
        text = segment.field(path.field).component(path.component).strip().upper() if segment else ""
        if found := SECTIONS.get(text) or (text if text in MODALITIES else None):
            return found
    return None


def _staff(context: InboundContext, group: Segments, is_active: bool | None) -> MasterEntry:
    """A person: STF-1, else MFE-4, with all of STF-2; STF-7 `I` is not active."""
    mfe, stf = group.segments[0], group.first("STF")
    code = (stf.field(1).component(1).strip() if stf else "") or mfe.field(4).component(1).strip()
    if not code:
        raise Er7Error(101, mfe.location(4), "the staff member's number is missing")
    if stf is None:
        return MasterEntry(StaffMember, {"code": code}, is_active)
    numbers = [one.component(1).strip() for one in stf.field(2).repetitions]
    if stf.field(7).value.strip().upper() == "I":
        is_active = False
    values = {
        "name": context.name(stf, 3, data_types.person_name),
        "role": (stf.field(4).component(2) or stf.field(4).component(1)).strip() or None,
        "identifiers": [number for number in numbers if number and number not in (code, NULL)] or None,
    }
    return MasterEntry(StaffMember, {"code": code}, is_active, values)


def _location(context: InboundContext, group: Segments, is_active: bool | None) -> MasterEntry:
    """A location (PL): LOC-1, else MFE-4, with its description (LOC-2)."""
    mfe, loc = group.segments[0], group.first("LOC")
    code = _place(loc.field(1)) if loc else ""
    code = code or _place(mfe.field(4))
    if not code:
        raise Er7Error(101, mfe.location(4), "the location is missing")
    values = {"description": loc.field(2).text.strip() or None} if loc else {}
    return MasterEntry(HospitalLocation, {"code": code}, is_active, values)


def _place(found: Field) -> str:
    parts = [found.component(n).strip() for n in range(1, 5)]
    return "^".join(parts).rstrip("^")


def _coded(found: Field) -> tuple[str, str, str]:
    code, text, scheme = (found.component(n).strip() for n in (1, 2, 3))
    return code, text, scheme


_READERS: Final[Mapping[str, _Read]] = {
    "M02": _staff,
    "M05": _location,
    **dict.fromkeys(("M04", "M08", "M09", "M10", "M11", "M12"), _procedure),
}
TRIGGERS: Final = tuple(_READERS)


def answer(raw: bytes, header: Header, charset: str, *, is_accepted: bool) -> OrderResponse:
    """MFK: what became of each entry (8.4.3); without entries where MFI-6 wants none."""
    told: list[str] = []
    try:
        message = er7.parse(er7.without_nul(raw), charset or None)
    except Er7Error:
        return OrderResponse("MFK", header.trigger, _STRUCTURE, told)
    mfi = message.first("MFI")
    level = mfi.field(6).value.strip() if mfi else "NE"
    if mfi is not None and header.delimiters.is_complete:
        told.append(mfi.raw)
        if level == "AL" or level == ("SU" if is_accepted else "ER"):
            told += [_told(mfe, header, is_accepted) for mfe in message.all("MFE")]
    return OrderResponse("MFK", header.trigger, _STRUCTURE, told)


def _told(mfe: Segment, header: Header, is_accepted: bool) -> str:
    fields = ["MFA", mfe.field(1).raw, mfe.field(2).raw, "", "S" if is_accepted else "U", mfe.field(4).raw]
    return header.delimiters.field.join(fields)
