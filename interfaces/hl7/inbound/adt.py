"""Admissions and patient data: what registers or updates, and what merges (ADT, HL7 v2.5.1 3.3)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from interfaces.hl7.inbound import patients
from interfaces.hl7.inbound.context import InboundContext
from interfaces.hl7.syntax import data_types
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.message_parts import Segment, Segments
from worklist.change_set import ChangeSet, Group, Merge, Registration
from worklist.models import VisitStatus
from worklist.patients import temporary_records
from worklist.patients.allergies import AllergyChange
from worklist.patients.identifiers import NAMING_TYPES, Identifier
from worklist.schedule.appointment_update import ArrivalUpdate

_VISIT_STATUS: Final[Mapping[str, VisitStatus]] = {
    **dict.fromkeys(("A01", "A04", "A06", "A07", "A10", "A13"), VisitStatus.ACTIVE),
    **dict.fromkeys(("A05", "A14"), VisitStatus.PLANNED),
    "A03": VisitStatus.DISCHARGED,
    **dict.fromkeys(("A11", "A27", "A38"), VisitStatus.CANCELLED),
    "A23": VisitStatus.DELETED,
}
"""What an event says of the visit that it names; others leave it as it stands."""

_IS_THERE: Final = frozenset({"A01", "A04", "A05", "A08", "A28", "A31"})
"""Events by which a person is known at the sender, whatever it deleted before."""

_DELETES: Final = "D"
"""HL7 Table 0323: an allergy is added or updated by the other codes."""


def register(context: InboundContext) -> ChangeSet:
    """Register or update the patient and the visit; who arrives at an imaging location is here (A10)."""
    said = _the_patient(context)
    return ChangeSet(context.provenance, [Group(said, arrival=_arrival(context))])


def _arrival(context: InboundContext) -> ArrivalUpdate | None:
    """That the patient is at an imaging location of the source, by PV1-3 or PV1-11 (3.3.10)."""
    pv1 = context.message.first("PV1")
    if context.header.trigger != "A10" or pv1 is None:
        return None
    here = [
        "^".join(one.component(n).strip() for n in range(1, 5))
        for field in (3, 11)
        for one in pv1.field(field).repetitions[:1]
    ]
    imaging = context.policy.options.imaging_locations
    found = next((text for text in here if any(_is_within(text, one) for one in imaging)), None)
    return ArrivalUpdate(found.rstrip("^")) if found is not None else None


def _is_within(location: str, wanted: str) -> bool:
    """Whether a location (PL: point of care, room, bed, facility) is the one wanted or a part of it."""
    parts = wanted.split("^")
    return all(part in ("", own) for part, own in zip(parts, location.split("^"), strict=False))


def swap(context: InboundContext) -> ChangeSet:
    """Each of two patients with the location that is its own now (A17, 3.3.17)."""
    groups = context.message.groups("PID")
    if len(groups) < 2:
        raise Er7Error(100, "PID", "the message has no second PID segment")
    return ChangeSet(context.provenance, [_numbered(context, group) for group in groups])


def _numbered(context: InboundContext, group: Segments) -> Group:
    pid = group.first("PID")
    return Group(_registration(context, group), index=pid.index if pid else 1)


def delete(context: InboundContext) -> ChangeSet:
    """Mark a person as deleted at its sender (A29, 3.3.29); nothing of it is lost here."""
    said = _the_patient(context)
    said = replace(said, demographics={**said.demographics, "deleted_at_sender": True})
    return ChangeSet(context.provenance, [Group(said)])


def change_allergies(context: InboundContext) -> ChangeSet:
    """Add, update or delete single allergies (A60, 3.3.60; IAM, 3.4.7)."""
    changes = [_allergy(iam) for iam in context.message.all("IAM")]
    if first := context.message.first("IAM"):
        context.places.note("allergies", first.location(3))
    if not changes:
        raise Er7Error(100, "IAM", "the message has no IAM segment")
    said = replace(_the_patient(context), allergy_changes=changes)
    return ChangeSet(context.provenance, [Group(said)])


def _allergy(iam: Segment) -> AllergyChange:
    """An allergy is named by its unique identifier (IAM-7), else its code (IAM-3), else its text."""
    code = iam.field(3)
    text = next(((one.whole(2) or one.whole(1)).strip() for one in code.repetitions), "")
    if not text:
        raise Er7Error(101, iam.location(3), "the allergen is missing")
    key = iam.field(7).component(1).strip() or code.component(1).strip() or text
    return AllergyChange(key, text, iam.field(6).component(1).strip().upper() == _DELETES)


def _the_patient(context: InboundContext) -> Registration:
    """The one patient of the message, with the visit."""
    patients.check_one(context)
    return _registration(context, context.message)


def _registration(context: InboundContext, segments: Segments) -> Registration:
    """The patient and the visit of some segments, with what the event says of them."""
    said, event = patients.registration(context, segments), context.header.trigger
    if event in _IS_THERE:
        said = replace(said, demographics={**said.demographics, "deleted_at_sender": False})
    if said.visit and (status := _VISIT_STATUS.get(event)):
        visit = replace(said.visit, values={**said.visit.values, "status": status.value})
        said = replace(said, visit=visit)
    return said


def merge(context: InboundContext) -> ChangeSet:
    """Each MRG-1 into the identifier of its PID-3 of the same authority and type (3.3.40).

    A temporary identifier of ours, by what stands on the label, goes into the first of PID-3. What both have
    alike, such as a national number, and what names no record is passed over, as long as something remains to
    be merged.
    """
    groups = [group for group in context.message.groups("PID") if group.first("MRG")]
    if not groups:
        raise Er7Error(100, "MRG", "the message has no MRG segment after a PID")
    return ChangeSet(context.provenance, [_merge_group(context, group) for group in groups])


def _merge_group(context: InboundContext, group: Segments) -> Group:
    pid, mrg = group.first("PID"), group.first("MRG")
    assert pid is not None and mrg is not None
    n = 4 if mrg.field(1).is_empty and context.header.trigger in ("A39", "A46") else 1
    context.places.note("retired", mrg.location(n), group=pid.index)
    default = context.policy.options.assigning_authority
    retired = data_types.identifiers(mrg.field(n), default)
    if not retired:
        raise Er7Error(101, mrg.location(n), "the identifier to be retired is missing")
    surviving = patients.identifiers(context, pid)
    if n == 4:
        surviving = data_types.identifiers(pid.field(2), default) + surviving
    retired = [temporary_records.of_label(one) for one in retired]
    pairs = [(identifier, _counterpart(identifier, surviving)) for identifier in retired]
    found = [(gone, keep) for gone, keep in pairs if keep is not None]
    if not found:
        raise Er7Error(204, mrg.location(n), "PID-3 has no identifier of this authority and type")
    found = [(gone, keep) for gone, keep in found if gone.value != keep.value] or found[:1]
    may_contradict = context.policy.options.contradicting_merges == "latest"
    merges = [Merge(keep, gone, may_contradict=may_contradict) for gone, keep in found]
    return Group(patients.registration(context, group), merges, index=pid.index)


def _counterpart(retired: Identifier, surviving: list[Identifier]) -> Identifier | None:
    if retired.type not in NAMING_TYPES:
        return None
    same_authority = [
        found for found in surviving if found.authority == retired.authority and found.type in NAMING_TYPES
    ]
    same_type = [found for found in same_authority if found.type == retired.type]
    if not same_authority and temporary_records.is_ours(retired):
        same_type = [found for found in surviving if found.type in NAMING_TYPES]
    return next(iter(same_type or same_authority), None)
