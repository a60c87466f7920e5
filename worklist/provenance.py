"""Who says so, and since when: what every write of the worklist is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import Facility, SiteSection
from ledger.errors import Invalid
from ledger.stamps import Stamp


@dataclass(frozen=True)
class Provenance:
    """A message's or a person's act: its stamp, where it is kept, and the policies that apply."""

    facility: Facility
    stamp: Stamp
    received_at: datetime
    source: str = ""
    actor: Actor = field(default_factory=Actor.system)
    policy: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_person(cls, by: Actor, facility: Facility) -> "Provenance":
        """The origin of what a person does here, stamped by our clock."""
        now = timezone.now()
        return cls(
            facility=facility,
            stamp=Stamp(made_at=now),
            received_at=now,
            source=f"user:{by.person.public_id}",
            actor=by,
            policy=SiteSection.read("worklist"),
        )


def check_lengths(model: type[models.Model], values: Mapping[str, Any]) -> None:
    """Raise `Invalid` for a text that its column would cut: nothing is ever cut silently."""
    for name, value in values.items():
        if not isinstance(value, str):
            continue
        longest = getattr(model._meta.get_field(name), "max_length", None)
        if longest and len(value) > longest:
            raise Invalid(f"{name} has {len(value)} characters, {longest} fit", name)
