"""Admissions and patient data: what registers or updates, and what merges (ADT, HL7 v2.5.1 3.3)."""

from interfaces.hl7.inbound import patients
from interfaces.hl7.inbound.context import InboundContext
from interfaces.hl7.syntax import data_types
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.message_parts import Segments
from worklist.change_set import ChangeSet, Group, Merge
from worklist.patients import temporary_records
from worklist.patients.identifiers import NAMING_TYPES, Identifier


def register(context: InboundContext) -> ChangeSet:
    """Register or update the patient and the visit."""
    return ChangeSet(context.provenance, [Group(patients.registration(context, context.message))])


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
    retired = data_types.identifiers(mrg.field(1), context.policy.options.assigning_authority)
    if not retired:
        raise Er7Error(101, mrg.location(1), "the identifier to be retired is missing")
    surviving = patients.identifiers(context, pid)
    retired = [temporary_records.of_label(one) for one in retired]
    pairs = [(identifier, _counterpart(identifier, surviving)) for identifier in retired]
    found = [(gone, keep) for gone, keep in pairs if keep is not None]
    if not found:
        raise Er7Error(204, mrg.location(1), "PID-3 has no identifier of this authority and type")
    found = [(gone, keep) for gone, keep in found if gone.value != keep.value] or found[:1]
    merges = [Merge(survivor=keep, retired=gone) for gone, keep in found]
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
