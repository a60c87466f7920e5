"""Who is one person, or two after all, or has another's number (ADT^A24, A37, A43; HL7 v2.5.1 3.3)."""

from collections.abc import Iterator
from dataclasses import replace

from interfaces.hl7.inbound import patients
from interfaces.hl7.inbound.context import InboundContext
from interfaces.hl7.syntax import data_types
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.message_parts import Segment, Segments
from worklist.change_set import ChangeSet, Group, Link, Tie, Unlink
from worklist.patients.identifiers import NAMING_TYPES, Identifier


def link(context: InboundContext) -> ChangeSet:
    """The patient of the second PID shows under that of the first; neither identifier is retired."""
    survivor, retired = next(_pairs(context))
    return _changes(context, [Link(survivor, retired)])


def unlink(context: InboundContext) -> ChangeSet:
    """The two patients are two persons, whatever joined them: a link, a merge, or a message with both."""
    return _changes(context, [Unlink(*pair) for pair in _pairs(context)])


def move(context: InboundContext) -> ChangeSet:
    """A number that the wrong patient has, with all that hangs on it, to the right one (A43, 3.3.43).

    It is in PID-3 and MRG-1; the wrong patient is MRG-4 or another of MRG-1, the right one PID-2 or another
    of PID-3.
    """
    groups = [group for group in context.message.groups("PID") if group.first("MRG")]
    if not groups:
        raise Er7Error(100, "MRG", "the message has no MRG segment after a PID")
    return ChangeSet(context.provenance, [_moved(context, group) for group in groups])


def _moved(context: InboundContext, group: Segments) -> Group:
    pid, mrg = group.first("PID"), group.first("MRG")
    assert pid is not None and mrg is not None
    here, there = _naming(context, pid), _named_by(context, mrg, 1)
    moved = [one for one in here if one in there]
    if not moved:
        raise Er7Error(204, mrg.location(1), "PID-3 does not have the number that is moved")
    to = [one for one in [*_named_by(context, pid, 2), *here] if one not in moved]
    away_from = [one for one in [*_named_by(context, mrg, 4), *there] if one not in moved]
    if not to:
        raise Er7Error(101, pid.location(2), "the patient to whom it is moved is missing")
    if not away_from:
        raise Er7Error(101, mrg.location(4), "the patient from whom it is moved is missing")
    context.places.note("retired", mrg.location(1), group=pid.index)
    ties: list[Tie] = [Unlink(one, number) for number in moved for one in away_from]
    ties += [Link(to[0], number) for number in moved]
    return Group(patients.registration(context, group), ties, index=pid.index)


def _named_by(context: InboundContext, segment: Segment, n: int) -> list[Identifier]:
    found = data_types.identifiers(segment.field(n), context.policy.options.assigning_authority)
    return [one for one in found if one.type in NAMING_TYPES][: patients.MOST_IDENTIFIERS]


def _changes(context: InboundContext, ties: list[Tie]) -> ChangeSet:
    first, second = (
        Group(patients.registration(context, part), index=number)
        for number, part in enumerate(_people(context), start=1)
    )
    return ChangeSet(context.provenance, [first, replace(second, merges=ties)])


def _people(context: InboundContext) -> tuple[Segments, Segments]:
    groups = context.message.groups("PID")
    if len(groups) != 2:
        raise Er7Error(100, "PID^2", "the message has to name two patients, each by a PID segment")
    return groups[0], groups[1]


def _pairs(context: InboundContext) -> Iterator[tuple[Identifier, Identifier]]:
    """Of what names the two patients, what is of one authority and type; else the first of each."""
    pids = [group.first("PID") for group in _people(context)]
    named = [_naming(context, pid) for pid in pids if pid]
    ones, others = ([one for one in named[place] if one not in named[1 - place]] for place in (0, 1))
    if not ones or not others:
        place = pids[1].location(3) if pids[1] else "PID^2^3"
        raise Er7Error(205, place, "both PID segments name the same patient")
    alike = [(one, two) for one in ones for two in others if one[1:] == two[1:]]
    yield from alike or [(ones[0], others[0])]


def _naming(context: InboundContext, pid: Segment) -> list[Identifier]:
    found = [one for one in patients.identifiers(context, pid) if one.type in NAMING_TYPES]
    if not found:
        raise Er7Error(101, pid.location(3), "no identifier names the patient")
    return list(dict.fromkeys(found))
