"""What a message would do, tried out in a transaction that is taken back."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from interfaces.hl7.inbound import error_codes, translation
from interfaces.hl7.inbound.further_effects import FurtherChanges
from interfaces.hl7.inbound.message_store import Arrival
from interfaces.hl7.inbound.translation import Problem, Translation
from interfaces.hl7.models import InboundMessage
from interfaces.hl7.syntax.character_sets import Er7Error
from ledger.errors import Refused
from ledger.events import Entry
from worklist import catalogue
from worklist.batches import trial
from worklist.batches.trial import FieldChange, Trial
from worklist.change_set import ChangeSet

LONGEST: Final = 1_000_000
"""Bytes of a message that is tried out."""
MOST_GROUPS: Final = 100
"""Orders or merges of one message that is tried out: for so long others wait."""


class _TakenBack(Exception):
    """Ends a transaction of which nothing may stay."""


@dataclass
class DryRun:
    """What would be answered and done; nothing was. `seen` is what the caller looked at before that."""

    code: str
    ack: bytes = b""
    problem: Problem | None = None
    flags: Sequence[Entry] = ()
    trial: Trial = field(default_factory=Trial)
    seen: Any = None

    @property
    def is_applied(self) -> bool:
        """Whether it would have an effect, or say what is known."""
        return self.problem is None


def dry_run(raw: bytes, look: Callable[[Trial], Any] = lambda trial: None) -> DryRun:
    """Read and apply a message as if it came now, look at what is there then, and take it all back.

    It waits for others that write, and they for it, as for any message.
    """
    try:
        if len(raw) > LONGEST:
            raise Er7Error(207, "", f"messages of up to {LONGEST:,} bytes can be tried out")
        one = translated(raw)
    except Er7Error as error:
        return DryRun("none", problem=Problem(error.code, error.location, error.text))
    found = DryRun(one.message.ack_code, bytes(one.message.ack), one.problem, one.flags)
    if one.changes is None:
        return found
    if len(one.changes.groups) > MOST_GROUPS:
        text = f"messages of up to {MOST_GROUPS} orders or merges can be tried out"
        return DryRun("none", problem=Problem(207, "", text))
    try:
        with transaction.atomic():
            found.trial = _tried(one.changes)
            found.seen = look(found.trial)
            raise _TakenBack
    except _TakenBack:
        return found
    except Refused as error:
        problem = Problem(*error_codes.explain(error, one.places))
        refused = translation.refused(one.message, one.header, problem)
        return DryRun(refused.message.ack_code, bytes(refused.message.ack), problem, one.flags)


def _tried(changes: ChangeSet) -> Trial:
    """What a change set would do, with what follows in other packages."""
    tried = trial.try_out(changes, catalogue.current())
    if not isinstance(changes, FurtherChanges):
        return tried
    patient = tried.applied[0].patient if tried.applied else None
    changes.then(patient.id if patient else None)
    further = [FieldChange(one.kind, one.name, one.field, "", one.value) for one in changes.told]
    return replace(tried, changes=[*tried.changes, *further])


def translated(raw: bytes) -> Translation:
    """What a message says, or why it is refused, as if it came now. Raises `Er7Error` without MSH."""
    arrival = Arrival.of(raw, "")
    message = InboundMessage(
        source=arrival.source,
        control_id=arrival.header.control_id[:199],
        sha256=hashlib.sha256(raw).hexdigest(),
        raw=raw,
        received_at=timezone.now(),
    )
    return translation.translate(message, arrival, catalogue.current(), is_live=True)
