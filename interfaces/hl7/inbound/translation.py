"""What becomes of a message, decided before anything is written: what it says, or why not; and the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from django.db import DatabaseError
from django.utils import timezone

from interfaces.hl7 import hl7_events
from interfaces.hl7.inbound import (
    ack,
    context,
    error_codes,
    master_files,
    order_responses,
    source_values,
    sources,
    triggers,
)
from interfaces.hl7.inbound.field_places import FieldPlaces
from interfaces.hl7.inbound.message_store import Arrival
from interfaces.hl7.inbound.order_responses import RESPONSES
from interfaces.hl7.inbound.sources import SourcePolicy
from interfaces.hl7.models import InboundMessage, InboundStatus
from interfaces.hl7.outbound import acknowledgments
from interfaces.hl7.outbound.acknowledgments import Answer
from interfaces.hl7.syntax import character_sets, er7
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.er7 import Header
from interfaces.hl7.syntax.message_parts import Message, Segments
from ledger.event_types import EventType
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
_GROUPS: Final = ("ORC", "OBR", "IPC", "MRG", "IAM", "AIS", "MFE")


@dataclass(frozen=True)
class Problem:
    """Why a message has no effect: HL7 Table 0357, where, and what.

    `is_content` of what is wrong with what it says, wherever that stands.
    """

    code: int
    location: str
    text: str
    is_content: bool = False


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
    acknowledges: Answer | None = None
    """What it says of a message of ours, where it is an acknowledgment."""
    places: FieldPlaces = field(default_factory=FieldPlaces)


def translate(
    message: InboundMessage, arrival: Arrival, catalogue: Catalogue, *, is_live: bool = False
) -> Translation:
    """Read a message, and set on its row what will have become of it once that is committed.

    That of a shadow source is accepted and not applied, unless it is read as if the source were live.
    Raises `DatabaseError` where its source's policy can't be read.
    """
    try:
        if acknowledgments.is_one(arrival.header):
            return _acknowledged(message, arrival)
        one = _translate(message, arrival, catalogue)
    except Er7Error as error:
        one = refused(message, arrival.header, Problem(error.code, error.location, error.text))
    return one if is_live or not _is_shadow(arrival.header) else _shadowed(one)


def _is_shadow(header: Header) -> bool:
    try:
        return bool(header.control_id) and sources.policy_of(header).options.shadow
    except Er7Error:
        return False


def _shadowed(one: Translation) -> Translation:
    """Accepted and not applied; why it would be refused stays on its row."""
    one.message.status, one.message.applied_at = InboundStatus.SHADOW, None
    _set_answer(one.message, one.header, "AA", None)
    return Translation(one.message, one.header, flags=one.flags)


def refused(
    message: InboundMessage, header: Header, problem: Problem, status: InboundStatus | None = None
) -> Translation:
    """A message that has no effect, with the outcome on its row."""
    code = code_of(header, problem)
    if status is None:
        status = InboundStatus.FAILED if code == "AE" else InboundStatus.REFUSED
    message.status, message.applied_at = status, None
    _set_answer(message, header, code, problem)
    message.error_code = problem.code
    message.error_location, message.error_text = problem.location[:80], problem.text[:500]
    message.error_reason = problem.text[:120] if problem.code in error_codes.ABOUT_WHO else ""
    return Translation(message, header, problem=problem)


def header_problem(header: Header, message: InboundMessage) -> Problem | None:
    """Why a message is refused by its header and its sender alone, whatever it says; None where it is not."""
    try:
        if not acknowledgments.is_one(header):
            _check_header(header, message)
    except Er7Error as error:
        return Problem(error.code, error.location, error.text)
    return None


def problem_of(message: InboundMessage) -> Problem | None:
    """Why a message had no effect, as its row keeps it."""
    if message.error_code is None:
        return None
    is_content = message.status == InboundStatus.FAILED
    return Problem(message.error_code, message.error_location, message.error_text, is_content)


def code_of(header: Header, problem: Problem | None) -> ack.Code:
    """MSA-1 of the application acknowledgment."""
    if problem is None:
        return "AA"
    if not header.control_id:
        return "AR"
    return ack.status_code_for(problem.code, problem.location, is_content=problem.is_content)


def _check_header(header: Header, message: InboundMessage) -> tuple[SourcePolicy, triggers.Translate]:
    policy = sources.policy_of(header)
    sources.check_peer(policy, message.peer, message.certificate)
    handler = triggers.handler_of(header, policy)
    if not header.control_id:
        raise Er7Error(101, "MSH^1^10", "the message control ID is missing")
    return policy, handler


def _translate(message: InboundMessage, arrival: Arrival, catalogue: Catalogue) -> Translation:
    header = arrival.header
    policy, handler = _check_header(header, message)
    parsed = _parsed(arrival, policy)
    er7.check_nul(parsed)
    _check_size(parsed)
    parsed = source_values.translated(parsed, policy.rules)
    read = context.read(message, parsed, header, policy)
    changes = handler(read)
    if found := change_check.refusal(changes, catalogue):
        problem = error_codes.explain(found.error, read.places, found.group.index, found.procedure)
        raise Er7Error(*problem) from found.error
    message.clock_ahead = read.clock_was_ahead
    _applied(message, header)
    return Translation(message, header, changes, flags=list(_flags(message, read)), places=read.places)


def _applied(message: InboundMessage, header: Header) -> None:
    message.status, message.applied_at = InboundStatus.APPLIED, timezone.now()
    message.error_code, message.error_location = None, ""
    message.error_text, message.error_reason = "", ""
    _set_answer(message, header, "AA", None)


def _acknowledged(message: InboundMessage, arrival: Arrival) -> Translation:
    """What an acknowledgment says; where that is of nothing that was sent, an event tells of it."""
    header = arrival.header
    policy = sources.policy_of(header)
    sources.check_peer(policy, message.peer, message.certificate)
    try:
        parsed = arrival.parsed or er7.parse(er7.without_nul(arrival.raw))
        er7.check_nul(parsed)
        found = acknowledgments.received(parsed, arrival.raw)
    except Er7Error as error:
        one = refused(message, header, Problem(error.code, error.location, error.text))
        about = [("message", message.public_id)]
        one.flags = [Entry(hl7_events.STRAY_RECEIVED, about, source=f"hl7:{message.public_id}")]
        return one
    _applied(message, header)
    return Translation(message, header, acknowledges=found)


def _parsed(arrival: Arrival, policy: SourcePolicy) -> Message:
    """The message in the set of its source, else in the one that it says or that its bytes are in."""
    options, parsed = policy.options, arrival.parsed
    if options.charset or parsed is None:
        return er7.parse(er7.without_nul(arrival.raw), options.charset or None)
    if parsed.declared and options.charset_detection == "off":
        return er7.parse(er7.without_nul(arrival.raw), detect=False)
    if parsed.declared and options.charset_detection == "refuse":
        raise character_sets.mistaken(arrival.raw, "~".join(arrival.header.charsets))
    return parsed


def _check_size(message: Segments) -> None:
    for name in _GROUPS:
        if len(list(message.all(name))) > MOST_GROUPS:
            text = f"a message may have {MOST_GROUPS} segments {name}; part it"
            raise Er7Error(100, f"{name}^{MOST_GROUPS + 1}", text)


_OF_PLACES: Final[Mapping[str, EventType]] = {
    "left_out": hl7_events.LEFT_OUT,
    "contradicted": hl7_events.NUMBER_CONTRADICTED,
    "replaced": hl7_events.CHARACTERS_REPLACED,
    "shortened": hl7_events.SHORTENED,
}
"""What is told of places in a message, by where the context notes them."""


def _flags(message: InboundMessage, read: context.InboundContext) -> Sequence[Entry]:
    """What a person should know of a message that was applied all the same."""
    about = [("message", message.public_id)]
    source, flags = read.provenance.source, []
    if read.clock_was_ahead:
        flags.append(Entry(hl7_events.CLOCK_AHEAD, about, source=source))
    if read.message.declared:
        details = {"charset": character_sets.shown(read.message.codec), "declared": read.header.charsets[0]}
        flags.append(Entry(hl7_events.OTHER_CHARACTER_SET, about, source=source, details=details))
    for name in _OF_PLACES:
        if locations := getattr(read, name):
            flags.append(Entry(_OF_PLACES[name], about, source=source, details={"locations": locations}))
    return flags


def mode_of(header: Header) -> ack.Mode:
    """How a message's sender wants to be answered; in original mode where nobody knows the sender."""
    try:
        is_enhanced = sources.policy_of(header).options.enhanced
    except (Er7Error, DatabaseError):
        is_enhanced = False
    mode = ack.acknowledgment(header, enhanced=is_enhanced)
    return replace(mode, application="NE") if acknowledgments.is_one(header) and mode.enhanced else mode


def answered_at(header: Header) -> str:
    """The destination that gets the application acknowledgments of an enhanced source; empty for none."""
    return sources.policy_of(header).options.application_acks if mode_of(header).enhanced else ""


def _set_answer(message: InboundMessage, header: Header, code: ack.Code, problem: Problem | None) -> None:
    """Keep the last that its sender is told, whether or not that is sent; nothing more where it was told."""
    if message.is_answered_on_storing:
        return
    message.ack_code = code
    mode = mode_of(header)
    if mode.enhanced:
        condition = problem.code if problem else 0
        at_once = header_problem(header, message) is not None
        codes = ack.codes(mode, code, condition=condition, is_refused_at_once=at_once)
        message.ack_code = codes.application or codes.accept or code
    message.ack = answer(message, header, message.ack_code, problem)


def answer_on_storing(message: InboundMessage, header: Header) -> bytes:
    """What a sender is told as soon as its message is stored; empty where it waits for what becomes of it.

    What its header alone refuses is refused at once.
    """
    try:
        options = sources.policy_of(header).options
    except (Er7Error, DatabaseError):
        return b""
    if options.acknowledge != "after_storing" or options.enhanced or acknowledgments.is_one(header):
        return b""
    return b"" if header_problem(header, message) else answer(message, header, "AA")


def answer(message: InboundMessage, header: Header, code: ack.Code, problem: Problem | None = None) -> bytes:
    """An acknowledgment of a message. The two of one message have different control IDs."""
    is_commit = code in ("CA", "CE", "CR")
    own = message.public_id[12:] if is_commit else message.public_id[:20]
    response = None if is_commit else _response(message, header, problem)
    return ack.build(
        header,
        code=code,
        control_id=own.upper(),
        now=timezone.now(),
        error=ack.AckError(problem.code, problem.location, problem.text) if problem else None,
        application=NAMESPACE,
        facility="",
        response=response,
    )


def _response(message: InboundMessage, header: Header, problem: Problem | None) -> ack.OrderResponse | None:
    """What is said of each order, where the source wants that, or of each entry of a master file."""
    if header.message_code == "MFN" and ack.version_of(header)[:2] >= master_files.SINCE:
        return _of_master_file(message, header, problem)
    kind = RESPONSES.get(header.message_code)
    if kind is None or ack.version_of(header)[:2] < kind.since:
        return None
    try:
        options = sources.policy_of(header).options
    except (Er7Error, DatabaseError):
        return None
    if not options.order_responses:
        return None
    raw = bytes(message.raw)
    orders = order_responses.orders_of(raw, header, options.charset, is_accepted=problem is None)
    return ack.OrderResponse(kind.code, kind.trigger, kind.structure, orders)


def _of_master_file(message: InboundMessage, header: Header, problem: Problem | None) -> ack.OrderResponse:
    try:
        charset = sources.policy_of(header).options.charset
    except (Er7Error, DatabaseError):
        charset = ""
    return master_files.answer(bytes(message.raw), header, charset, is_accepted=problem is None)
