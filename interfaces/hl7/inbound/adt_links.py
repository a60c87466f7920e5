"""Two patients who are one person, or two after all (ADT^A24, A37; HL7 v2.5.1 3.3.24, 3.3.37)."""

from collections.abc import Iterator
from dataclasses import replace

from interfaces.hl7.inbound import patients
from interfaces.hl7.inbound.context import InboundContext
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
