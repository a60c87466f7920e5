"""Accounts and visits: merged, moved, numbered anew (ADT^A35, A41, A42, A44, A45, A49, A50; 3.3)."""

from dataclasses import replace

from interfaces.hl7.inbound import adt, patients
from interfaces.hl7.inbound.context import InboundContext
from interfaces.hl7.syntax import data_types
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.message_parts import Segment, Segments
from worklist.change_set import ChangeSet, Group, VisitChange, VisitMerge, VisitMove, VisitName
from worklist.patients.identifiers import NAMING_TYPES, Identifier


def merge_accounts(context: InboundContext) -> ChangeSet:
    """The account of MRG-3 into that of PID-18; or it has another number from now on."""
    return ChangeSet(context.provenance, [_of_account(context, group) for group in _groups(context)])


def merge_patients_and_accounts(context: InboundContext) -> ChangeSet:
    """Both the patients (MRG-1 into PID-3) and, where they are named, their accounts (A36)."""
    groups = []
    for group, said in zip(_groups(context), adt.merge(context).groups, strict=True):
        pid, mrg = _segments(group)
        named = patients.visit_name(context, pid, 18), patients.visit_name(context, mrg, 3)
        changes = (
            [VisitMerge(named[0], named[1], _held(context, pid, group))] if named[0] and named[1] else []
        )
        groups.append(replace(said, visit_changes=[one for one in changes if one.survivor != one.retired]))
    return ChangeSet(context.provenance, groups)


def merge_visits(context: InboundContext) -> ChangeSet:
    """The visit of MRG-5 into that of PV1-19; or it has another number from now on."""
    return ChangeSet(
        context.provenance,
        [
            _with_visit(context, group, part, [_merged(context, group, part)])
            for group in _groups(context)
            for part in group.groups("MRG")
        ],
    )


def move_accounts(context: InboundContext) -> ChangeSet:
    """The account of MRG-3, with its visits and their orders, from the patient of MRG-1 to that of PID-3."""
    groups = []
    for group in _groups(context):
        pid, _ = _segments(group)
        old, new = _old(context, group, 3), patients.visit_name(context, pid, 18)
        changes: list[VisitChange] = [VisitMove(old, held=_former(context, pid, group))]
        if new is not None and new != old:
            changes.append(VisitMerge(new, old))
        groups.append(_changed(context, group, changes))
    return ChangeSet(context.provenance, groups)


def move_visits(context: InboundContext) -> ChangeSet:
    """Each visit of MRG-5, with its orders, to the account of PID-18 and the patient of PID-3."""
    groups = []
    for group in _groups(context):
        pid, _ = _segments(group)
        account = patients.visit_name(context, pid, 18)
        for part in group.groups("MRG"):
            old, new = _old(context, part, 5), _of_pv1(context, pid, part)
            changes: list[VisitChange] = [VisitMove(old, account, _former(context, pid, part))]
            if new != old:
                changes.append(VisitMerge(new, old))
            groups.append(_with_visit(context, group, part, changes))
    return ChangeSet(context.provenance, groups)


def _of_account(context: InboundContext, group: Segments) -> Group:
    pid, _ = _segments(group)
    survivor = patients.visit_name(context, pid, 18)
    context.places.note("number", pid.location(18), group=pid.index)
    if survivor is None:
        raise Er7Error(101, pid.location(18), "the account that stays is missing")
    merge = VisitMerge(survivor, _old(context, group, 3), _held(context, pid, group))
    return _changed(context, group, [merge])


def _merged(context: InboundContext, group: Segments, part: Segments) -> VisitMerge:
    pid, _ = _segments(group)
    return VisitMerge(_of_pv1(context, pid, part), _old(context, part, 5), _held(context, pid, part))


def _held(context: InboundContext, pid: Segment, part: Segments) -> list[Identifier]:
    """Whom MRG-1 names as the one whose the number has been."""
    mrg = part.first("MRG")
    assert mrg is not None
    context.places.note("held", mrg.location(1), group=pid.index)
    return _named(context, mrg)


def _named(context: InboundContext, mrg: Segment) -> list[Identifier]:
    found = data_types.identifiers(mrg.field(1), context.policy.options.assigning_authority)
    return [one for one in found if one.type in NAMING_TYPES][: patients.MOST_IDENTIFIERS]


def _former(context: InboundContext, pid: Segment, part: Segments) -> list[Identifier]:
    """The same of what is moved; where nobody is named there, it stays with its patient."""
    return _held(context, pid, part) or patients.identifiers(context, pid)


def _changed(context: InboundContext, group: Segments, changes: list[VisitChange]) -> Group:
    pid, _ = _segments(group)
    said = replace(patients.registration(context, group), visit=None)
    return Group(said, visit_changes=changes, index=pid.index)


def _with_visit(
    context: InboundContext, group: Segments, part: Segments, changes: list[VisitChange]
) -> Group:
    """The patient of a group, and the visit of one of its PV1."""
    pid, _ = _segments(group)
    said = patients.registration(context, Segments((pid, *part.segments)))
    return Group(said, visit_changes=changes, index=pid.index)


def _groups(context: InboundContext) -> list[Segments]:
    groups = [group for group in context.message.groups("PID") if group.first("MRG")]
    if not groups:
        raise Er7Error(100, "MRG", "the message has no MRG segment after a PID")
    return groups


def _segments(group: Segments) -> tuple[Segment, Segment]:
    pid, mrg = group.first("PID"), group.first("MRG")
    assert pid is not None and mrg is not None
    return pid, mrg


def _old(context: InboundContext, part: Segments, n: int) -> VisitName:
    """The number of an MRG that is merged, moved or replaced."""
    mrg = part.first("MRG")
    assert mrg is not None
    context.places.note("retired_visit", mrg.location(n))
    if n == 5:
        found = patients.visit_number(context, mrg, n, _named(context, mrg))
    else:
        found = patients.visit_name(context, mrg, n)
    if found is None:
        raise Er7Error(101, mrg.location(n), "the number that it is about is missing")
    return found


def _of_pv1(context: InboundContext, pid: Segment, part: Segments) -> VisitName:
    pv1 = part.first("PV1")
    if pv1 is None:
        raise Er7Error(100, "PV1", "the message has no PV1 segment after an MRG")
    if (found := patients.visit_number(context, pv1, 19, patients.identifiers(context, pid))) is None:
        raise Er7Error(101, pv1.location(19), "the visit number is missing")
    return found
