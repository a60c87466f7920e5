"""Admissions and patient data: ADT^A01, A04, A05, A08, A28, A31 and A40 (HL7 v2.5.1 3.3)."""

from interfaces.hl7.inbound import patients
from interfaces.hl7.inbound.context import InboundContext
from interfaces.hl7.syntax import data_types
from interfaces.hl7.syntax.er7 import Er7Error, Segments
from worklist.patients import identity
from worklist.patients.identity import Identifier


def register(context: InboundContext) -> None:
    """A01, A04, A05, A08, A28, A31: register or update the patient and the visit."""
    patients.register(context, context.message)


def merge(context: InboundContext) -> None:
    """A40: each MRG-1 into the identifier of its PID-3 of the same authority and type (3.3.40).

    What both have alike, such as a national number, and what names no record is passed over, as long as
    something remains to be merged.
    """
    groups = [group for group in context.message.groups("PID") if group.first("MRG")]
    if not groups:
        raise Er7Error(100, "MRG", "the message has no MRG segment after a PID")
    for group in groups:
        _merge_group(context, group)


def _merge_group(context: InboundContext, group: Segments) -> None:
    pid, mrg = group.first("PID"), group.first("MRG")
    assert pid is not None and mrg is not None
    retired = data_types.identifiers(mrg.field(1), context.policy.assigning_authority)
    if not retired:
        raise Er7Error(101, mrg.location(1), "the identifier to be retired is missing")
    surviving = patients.identifiers(context, pid)
    pairs = [(identifier, _counterpart(identifier, surviving)) for identifier in retired]
    found = [(gone, keep) for gone, keep in pairs if keep is not None]
    if not found:
        raise Er7Error(204, mrg.location(1), "PID-3 has no identifier of this authority and type")
    found = [(gone, keep) for gone, keep in found if gone.value != keep.value] or found[:1]
    patients.register(context, group)
    for gone, keep in found:
        identity.merge(origin=context.origin, survivor=keep, retired=gone)


def _counterpart(retired: Identifier, surviving: list[Identifier]) -> Identifier | None:
    if retired.type not in identity.NAMING_TYPES:
        return None
    same_authority = [
        found
        for found in surviving
        if found.authority == retired.authority and found.type in identity.NAMING_TYPES
    ]
    same_type = [found for found in same_authority if found.type == retired.type]
    return next(iter(same_type or same_authority), None)
