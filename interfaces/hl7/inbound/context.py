"""A message that is being applied: what it says, how its sender is read, and its provenance."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import cached_property
from typing import TypeVar

from django.db.models import Model

from accounts.actor import Actor
from interfaces.hl7.inbound.field_places import FieldPlaces
from interfaces.hl7.inbound.sources import SourcePolicy
from interfaces.hl7.models import InboundMessage
from interfaces.hl7.syntax import data_types
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.data_types import Said
from interfaces.hl7.syntax.er7 import Header
from interfaces.hl7.syntax.message_parts import Field, Message, Segment, Segments
from ledger import stamps
from worklist import master_files, value_limits
from worklist.models.sent_field import AsSent
from worklist.provenance import Provenance, lengths

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class InboundContext:
    """A parsed message with its sender's policy, its provenance, and the zone of its time stamps."""

    message: Message
    header: Header
    policy: SourcePolicy
    provenance: Provenance
    zone: tzinfo
    clock_was_ahead: bool
    replaced: list[str] = field(default_factory=list)
    """Locations of names that held what a DICOM name can't hold."""
    shortened: list[str] = field(default_factory=list)
    """Locations of descriptions that are longer than modalities can show."""
    left_out: list[str] = field(default_factory=list)
    """Locations of side values that could not be understood: the message is applied without them."""
    contradicted: list[str] = field(default_factory=list)
    """Locations of order numbers of OBR that are others than those of their ORC, which count."""
    places: FieldPlaces = field(default_factory=FieldPlaces)
    _sent_back: dict[tuple[str, int, int], AsSent | object | None] = field(default_factory=dict)

    @cached_property
    def before_orders(self) -> Segments:
        """What the message says before its first order: it is about all of them."""
        before = itertools.takewhile(lambda one: one.name not in ("ORC", "OBR"), self.message.segments)
        return Segments(tuple(before))

    def name(self, segment: Segment, n: int, convert: Callable[[Field], Said]) -> Said:
        """The person's name in a field; noted where `convert` had to replace characters."""
        found = segment.field(n)
        if data_types.is_unfit_for_names(found) and segment.location(n) not in self.replaced:
            self.replaced.append(segment.location(n))
        name = convert(found)
        if name is None and convert is data_types.provider_name:
            return master_files.staff_name(found.component(1).strip())
        return name

    def as_sent(self, segment: Segment | None, n: int) -> AsSent | object | None:
        """All of a field, to be sent back; None, and noted, where it is too long."""
        if segment is None or segment.field(n).is_empty:
            return None
        key = (segment.name, segment.index, n)
        if key not in self._sent_back:
            self._sent_back[key] = self.side(lambda: data_types.as_sent(segment.sent, n))
        return self._sent_back[key]

    def provider(self, segment: Segment, n: int, convert: Callable[[Field], Said]) -> Said:
        """The name of who cares for the patient; None, and noted, where it is longer than a name can be."""
        if segment.field(n).is_empty:
            return None
        name = self.name(segment, n, convert)
        if value_limits.is_too_long_a_name(name):
            self.leave_out(segment.location(n))
            return None
        return name

    def fitting(self, model: type[Model], name: str, value: _Value, location: str) -> _Value | None:
        """A side value as it is where its column can hold it; None, and noted, where it can't."""
        if isinstance(value, str) and len(value) > lengths(model)[name]:
            self.leave_out(location)
            return None
        return value

    def leave_out(self, location: str) -> None:
        """Note that the message is applied without a value."""
        if location not in self.left_out:
            self.left_out.append(location)

    def side(self, read: Callable[[], _Value]) -> _Value | None:
        """A value beside identity, numbers and procedure; None, and noted, where it can't be understood."""
        try:
            return read()
        except Er7Error as error:
            self.leave_out(error.location)
            return None


def read(row: InboundMessage, message: Message, header: Header, policy: SourcePolicy) -> InboundContext:
    """Work out the stamp of a message: MSH-7, or what its source prefers, as its sender's clock shows it."""
    zone = data_types.offset_of(header.time) or policy.time_zone
    received_at = (row.replay_of or row).received_at
    left_out: list[str] = []
    stamp, ahead = stamps.stamp(
        made_at=_made_at(message, policy, zone, left_out) or received_at,
        received_at=received_at,
        sequence=header.sequence_number,
        control_id=header.control_id,
        digest=row.sha256,
        control_ids_rise=policy.options.control_ids == "rising",
    )
    provenance = Provenance(
        facility=policy.facility,
        stamp=stamp,
        received_at=received_at,
        source=f"hl7:{row.public_id}",
        actor=Actor.of_source(policy.name, row.peer),
        policy=policy.worklist,
    )
    return InboundContext(message, header, policy, provenance, zone, ahead, left_out=left_out)


def _made_at(message: Message, policy: SourcePolicy, zone: tzinfo, left_out: list[str]) -> datetime | None:
    """What the message is stamped by; None where nothing of it can be understood, which is noted."""
    for path in dict.fromkeys([policy.options.stamp_from, "MSH-7"]):
        location = path.replace("-", "^1^")
        try:
            moment = data_types.time(message.get(path), zone, location)
        except Er7Error:
            left_out.append(location)
            continue
        if moment:
            return moment
    return None
