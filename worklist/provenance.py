"""Who says so, and since when: what every write of the worklist is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from django.db import models
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import Facility
from ledger.errors import Invalid
from ledger.event_types import EventType
from ledger.events import Entry, Thing
from ledger.stamps import Stamp
from worklist.worklist_policy import WorklistPolicy


@dataclass(frozen=True)
class Provenance:
    """A message's or a person's act: its stamp, where it is kept, and the policies that apply."""

    facility: Facility
    stamp: Stamp
    received_at: datetime
    source: str = ""
    actor: Actor = field(default_factory=Actor.system)
    policy: WorklistPolicy = field(default_factory=WorklistPolicy)

    @classmethod
    def of_person(cls, by: Actor, facility: Facility, at: datetime | None = None) -> "Provenance":
        """The provenance of what a person does here, stamped by our clock; all of one act have one moment."""
        now = at or timezone.now()
        return cls(
            facility=facility,
            stamp=Stamp(made_at=now),
            received_at=now,
            source=f"user:{by.person.public_id}",
            actor=by,
            policy=WorklistPolicy.current(),
        )

    def entry(self, event_type: EventType, about: Sequence[Thing], **details: Any) -> Entry:
        """An event of the timeline that this causes."""
        return Entry(event_type, about, self.stamp.made_at, self.actor, self.source, details)


def check_lengths(model: type[models.Model], values: Mapping[str, Any], said_of: str = "") -> None:
    """Raise `Invalid` for a text that its column would cut or can't take: nothing is ever cut silently.

    `said_of` is the field that all the values are said of, where they are parts of one.
    """
    longest = lengths(model)
    for name, value in values.items():
        if _has_nul(value):
            raise Invalid(f"{name} has a NUL character", said_of or name)
        if isinstance(value, str) and len(value) > longest.get(name, len(value)):
            text = f"{name} has {len(value)} characters, {longest[name]} fit"
            raise Invalid(text, said_of or name)


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, list):
        return any(_has_nul(one) for one in value)
    if isinstance(value, dict):
        return any(_has_nul(one) for one in value.values())
    return False


@cache
def lengths(model: type[models.Model]) -> Mapping[str, int]:
    """How long a text each column of a table takes."""
    found = {one.name: getattr(one, "max_length", None) for one in model._meta.concrete_fields}
    return {name: longest for name, longest in found.items() if longest}
