"""What becomes of a message, decided before anything is written: what it says, or why not; and the answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db import DatabaseError
from django.utils import timezone

from interfaces.hl7 import hl7_events
from interfaces.hl7.inbound import ack, context, error_codes, sources, triggers
from interfaces.hl7.inbound.message_store import Arrival
from interfaces.hl7.models import InboundMessage, InboundStatus
from interfaces.hl7.syntax import er7
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.er7 import Header
from interfaces.hl7.syntax.message_parts import Segments
from ledger.events import Entry
from worklist import change_check
from worklist.catalogue import Catalogue
from worklist.change_set import ChangeSet
from worklist.orders.generated_ids import NAMESPACE
from worklist.patients.identity_doubt import IdentityDoubt
from worklist.provenance import Provenance

MOST_GROUPS: Final = 1000
"""Orders, procedures or merges of one message. Senders have no reason for more; and it would keep all that
come after it from the same sender waiting."""
_GROUPS: Final = ("ORC", "OBR", "MRG")


@dataclass(frozen=True)
class Problem:
    """Why a message has no effect: HL7 Table 0357, where, and what."""

    code: int
    location: str
    text: str


@dataclass
class Translation:
    """A message with its answer, and what it says in the worklist's terms; None where it is refused."""

    message: InboundMessage
    header: Header
    changes: ChangeSet | None = None
    problem: Problem | None = None
    flags: Sequence[Entry] = field(default_factory=list)
    doubt: tuple[IdentityDoubt, Provenance] | None = None
    """Why it was refused that a person should look at."""


def translate(message: InboundMessage, arrival: Arrival, catalogue: Catalogue) -> Translation:
    """Read a message, and set on its row what will have become of it once that is committed.

    Raises `DatabaseError` where its source's policy can't be read.
    """
    try:
        return _translate(message, arrival, catalogue)
    except Er7Error as error:
        return refused(message, arrival.header, Problem(error.code, error.location, error.text))


def refused(
    message: InboundMessage, header: Header, problem: Problem, status: InboundStatus | None = None
) -> Translation:
    """A message that has no effect, with the outcome on its row."""
    code = ack.status_code_for(problem.code, problem.location) if header.control_id else "AR"
    if status is None:
        status = InboundStatus.FAILED if code == "AE" else InboundStatus.REFUSED
    code_sent = _mode_code(mode_of(header), code)
    message.status, message.applied_at = status, None
    message.ack, message.ack_code = _answer(message, header, code_sent, problem), code_sent
    message.error_code = problem.code
    message.error_location, message.error_text = problem.location[:80], problem.text[:500]
    return Translation(message, header, problem=problem)


def _translate(message: InboundMessage, arrival: Arrival, catalogue: Catalogue) -> Translation:
    header = arrival.header
    policy = sources.policy_of(header)
    handler = triggers.handler_of(header, policy)
    if not header.control_id:
        raise Er7Error(101, "MSH^1^10", "the message control ID is missing")
    parsed = None if policy.options.charset else arrival.parsed
    if parsed is None:
        parsed = er7.parse(er7.without_nul(arrival.raw), policy.options.charset or None)
    _check_size(parsed)
    read = context.read(message, parsed, header, policy)
    changes = handler(read)
    if found := change_check.refusal(changes, catalogue):
        raise Er7Error(*error_codes.explain(found.error, found.group.index, read.located)) from found.error
    code = _mode_code(mode_of(header), "AA")
    message.status, message.applied_at = InboundStatus.APPLIED, timezone.now()
    message.clock_ahead = read.clock_was_ahead
    message.ack, message.ack_code = _answer(message, header, code), code
    message.error_code, message.error_location, message.error_text = None, "", ""
    return Translation(message, header, changes, flags=list(_flags(message, read)))


def _check_size(message: Segments) -> None:
    for name in _GROUPS:
        if len(list(message.all(name))) > MOST_GROUPS:
            text = f"a message may have {MOST_GROUPS} segments {name}; part it"
            raise Er7Error(100, f"{name}^{MOST_GROUPS + 1}", text)


def _flags(message: InboundMessage, read: context.InboundContext) -> Sequence[Entry]:
    """What a person should know of a message that was applied all the same."""
    about = [("message", message.public_id)]
    source, flags = read.provenance.source, []
    if read.clock_was_ahead:
        flags.append(Entry(hl7_events.CLOCK_AHEAD, about, source=source))
    if read.left_out:
        details = {"locations": read.left_out}
        flags.append(Entry(hl7_events.LEFT_OUT, about, source=source, details=details))
    if read.replaced:
        details = {"locations": read.replaced}
        flags.append(Entry(hl7_events.CHARACTERS_REPLACED, about, source=source, details=details))
    return flags


def mode_of(header: Header) -> ack.Mode:
    """How a message's sender wants to be answered; in original mode where nobody knows the sender."""
    try:
        is_enhanced = sources.policy_of(header).options.enhanced
    except (Er7Error, DatabaseError):
        is_enhanced = False
    return ack.acknowledgment(header, enhanced=is_enhanced)


def _mode_code(mode: ack.Mode, code: ack.Code) -> ack.Code:
    """The code in the mode that the sender asks for (2.9.2, 2.9.3).

    We answer when all is done, so in enhanced mode the accept acknowledgment tells both; the application
    acknowledgment alone is sent where only that is wanted.
    """
    success = code == "AA"
    only_application = mode.application_wanted(success=success) and not mode.accept_wanted(success=success)
    return code if not mode.enhanced or only_application else ack.commit_code(code)


def _answer(message: InboundMessage, header: Header, code: ack.Code, problem: Problem | None = None) -> bytes:
    return ack.build(
        header,
        code=code,
        control_id=message.public_id[:20].upper(),
        now=timezone.now(),
        error=ack.AckError(problem.code, problem.location, problem.text) if problem else None,
        application=NAMESPACE,
        facility="",
    )
