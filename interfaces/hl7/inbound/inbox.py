"""The inbox: a message is stored as it came, then applied, then acknowledged.

Storing and applying are two transactions, so a message that kills the process is kept and its attempts are
counted. Effects, events and the message's new state commit together, and only then is there an answer
(HL7 v2.5.1 2.9.2). The same message again gets the same answer and has no second effect.
"""

import hashlib
import logging
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from django.db import (
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.models import F, Max, QuerySet
from django.utils import timezone

from interfaces.hl7 import hl7_events
from interfaces.hl7.inbound import ack, context, error_codes, message_index, sources, triggers
from interfaces.hl7.models import InboundMessage, InboundStatus
from interfaces.hl7.syntax import character_sets, er7
from interfaces.hl7.syntax.er7 import Er7Error, Header
from ledger import events, recurring
from ledger.crashpoint import crashpoint
from ledger.errors import Refused

logger = logging.getLogger(__name__)

APPLICATION: Final = "RISPACS"
MAX_ATTEMPTS: Final = 3
TRIES: Final = 3
"""How often a transaction is tried that the database broke off."""
LEFT_BEHIND: Final = timedelta(seconds=10)
"""A message that is not applied after this time was left behind by a process that died."""

_NOT_OUR_DAY: Final = (206, 207)
"""HL7 Table 0357 for what is not the message's fault: the same bytes again are applied anew."""

_lanes: Final = tuple(threading.Lock() for _ in range(64))
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Problem:
    """Why a message has no effect: HL7 Table 0357, where, and what."""

    code: int
    location: str
    text: str


def receive(raw: bytes, *, peer: str) -> bytes | None:
    """Store and apply one message and return its acknowledgment.

    None means that nothing can be answered, since there is no MSH or the message could not be stored: the
    connection is to be closed, and the sender sends again.
    """
    try:
        header = er7.read_header(_text(raw))
    except Er7Error:
        return None
    source = f"{header.sending_application}|{header.sending_facility}"
    with _lanes[zlib.crc32(source.encode()) % len(_lanes)]:  # of one source, in the order in which they came
        try:
            message = _again(lambda: _store(raw, header, source, peer))
        except DatabaseError as error:
            logger.error("a message could not be stored: %s", type(error).__name__)
            return None
        crashpoint("mllp.after_commit")
        return bytes(message.ack) or process(message)


def process(message: InboundMessage) -> bytes | None:
    """Apply a stored message whose attempt is counted, record the outcome, and return the acknowledgment."""
    raw = _text(bytes(message.raw))
    header = er7.read_header(raw)
    if message.attempts > MAX_ATTEMPTS:
        text = f"the process died {MAX_ATTEMPTS} times while it applied this; the message is kept"
        return _refuse(message, header, Problem(207, "", text), status=InboundStatus.FAILED)
    try:
        return _again(lambda: _apply(message, header, raw))
    except Er7Error as error:
        problem = Problem(error.code, error.location, error.text)
    except Refused as error:
        problem = Problem(*error_codes.explain(error))
    except DatabaseError as error:
        logger.error("message %s could not be applied: %s", message.public_id, type(error).__name__)
        problem = Problem(207, "", "the database can't be reached or refused; the message is kept")
    except Exception as error:
        logger.exception(
            "message %s could not be applied", message.public_id, exc_info=_without_values(error)
        )
        problem = Problem(207, "", "an error here; the message is kept, and an administrator can see why")
    return _refuse(message, header, problem)


def replay(message: InboundMessage, raw: bytes | None = None) -> InboundMessage:
    """Apply a message again, as it came or repaired: as a new row that names the old one."""
    content = bytes(message.raw) if raw is None else raw
    header = er7.read_header(_text(content))
    with transaction.atomic():
        again = _row(content, header, message.source, message.peer)
        again.replay_of = message.replay_of or message
        rows = InboundMessage.objects.filter(source=message.source, control_id=again.control_id)
        again.replay_number = (rows.aggregate(newest=Max("replay_number"))["newest"] or 0) + 1
        again.save()
        message_index.keep(again)
    process(again)
    again.refresh_from_db()
    return again


def _store(raw: bytes, header: Header, source: str, peer: str) -> InboundMessage:
    """The durable row of a message, its attempt counted; the old row if the same bytes came before."""
    row = _row(raw, header, source, peer)
    same_id = InboundMessage.objects.filter(source=row.source, control_id=row.control_id)
    if not row.control_id:
        same_id = same_id.filter(sha256=row.sha256)
    with transaction.atomic():
        if same_id.exists():
            if known := _received_again(row):
                return known
            row.control_id_reused = bool(row.control_id)
        try:
            with transaction.atomic():
                row.save(force_insert=True)
                message_index.keep(row)
        except IntegrityError:
            known = _received_again(row)
            assert known is not None
            return known
        crashpoint("mllp.before_commit")
    return row


def _received_again(row: InboundMessage) -> InboundMessage | None:
    """Count a repeat. What has no outcome yet, or failed for no fault of its own, is to be applied now."""
    known = (
        InboundMessage.objects.select_for_update(of=("self",))
        .filter(source=row.source, control_id=row.control_id, sha256=row.sha256, replay_number=0)
        .first()
    )
    if known is None:
        return None
    known.times_received += 1
    if known.status == InboundStatus.RECEIVED:
        known.attempts += 1
    elif known.status == InboundStatus.REFUSED and known.error_code in _NOT_OUR_DAY:
        known.status, known.attempts, known.ack = InboundStatus.RECEIVED, 1, b""
    known.save(update_fields=["times_received", "status", "attempts", "ack"])
    return known


def _row(raw: bytes, header: Header, source: str, peer: str) -> InboundMessage:
    message_type = "^".join(part for part in (header.message_code, header.trigger) if part)
    return InboundMessage(
        source=source[:500],
        control_id=header.control_id[:199],
        sha256=hashlib.sha256(raw).hexdigest(),
        raw=raw,
        peer=peer,
        message_type=message_type[:40],
        received_at=timezone.now(),
        attempts=1,
    )


def _apply(message: InboundMessage, header: Header, raw: bytes) -> bytes:
    """Effects, events, state and answer in one transaction."""
    policy = sources.policy_of(header)
    handler = triggers.handler_of(header, policy)
    if not header.control_id:
        raise Er7Error(101, "MSH^1^10", "the message control ID is missing")
    parsed = er7.parse(raw, policy.charset or None)
    read = context.read(message, parsed, header, policy)
    code = _mode_code(header, policy, "AA")
    answer = _answer(message, header, code)
    crashpoint("hl7w.after_claim")
    try:
        with transaction.atomic():
            _take_turn(message.source)
            handler(read)
            crashpoint("hl7w.mid_effects")
            _note_flags(message, read)
            outcome = {
                "status": InboundStatus.APPLIED,
                "applied_at": timezone.now(),
                "clock_ahead": read.clock_was_ahead,
                "ack": answer,
                "ack_code": code,
                "error_code": None,
                "error_location": "",
                "error_text": "",
            }
            if not _not_applied(message).update(**outcome):
                raise _AppliedAlready
            crashpoint("hl7w.before_commit")
    except _AppliedAlready:
        message.refresh_from_db(fields=["ack"])
        return bytes(message.ack)
    crashpoint("hl7w.after_commit")
    return answer


class _AppliedAlready(Exception):
    """Another process was quicker; what was done here is rolled back."""


def _not_applied(message: InboundMessage) -> QuerySet[InboundMessage]:
    return InboundMessage.objects.filter(pk=message.pk).exclude(status=InboundStatus.APPLIED)


def _note_flags(message: InboundMessage, read: context.InboundContext) -> None:
    """What a person should know of a message that was applied all the same."""
    about = [("message", message.public_id)]
    if read.clock_was_ahead:
        events.record(hl7_events.CLOCK_AHEAD, about=about, source=read.origin.source)
    if read.replaced:
        events.record(
            hl7_events.CHARACTERS_REPLACED, about=about, source=read.origin.source, locations=read.replaced
        )


def _refuse(
    message: InboundMessage, header: Header, problem: Problem, status: InboundStatus | None = None
) -> bytes | None:
    """Record why a message has no effect; the answer, or None if not even that could be recorded."""
    code = ack.status_code_for(problem.code) if header.control_id else "AR"
    if status is None:
        status = InboundStatus.FAILED if code == "AE" else InboundStatus.REFUSED
    try:
        code_sent = _mode_code(header, sources.policy_of(header), code)
    except (Er7Error, DatabaseError):
        code_sent = code
    answer = _answer(message, header, code_sent, problem)
    outcome = {
        "status": status,
        "ack": answer,
        "ack_code": code_sent,
        "error_code": problem.code,
        "error_location": problem.location[:80],
        "error_text": problem.text[:500],
    }

    def record() -> bytes:
        with transaction.atomic():
            if _not_applied(message).update(**outcome):
                return answer
            return bytes(InboundMessage.objects.only("ack").get(pk=message.pk).ack)

    try:
        return _again(record)
    except DatabaseError as error:
        logger.error("the outcome of message %s is not recorded: %s", message.public_id, type(error).__name__)
        return None


def _mode_code(header: Header, policy: sources.SourcePolicy, code: ack.Code) -> ack.Code:
    """The code in the mode that the sender asks for (2.9.2, 2.9.3).

    We answer when all is done, so in enhanced mode the accept acknowledgment tells both; the application
    acknowledgment alone is sent where only that is wanted.
    """
    mode = ack.acknowledgment(header, enhanced=policy.enhanced)
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
        application=APPLICATION,
        facility="",
    )


def _take_turn(source: str) -> None:
    """On PostgreSQL, where several listeners may run, one source's messages are applied one at a time."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"hl7:{source}"])


def _again(work: Callable[[], _Result]) -> _Result:
    """Do a transaction, again if the database broke it off (deadlock, serialization, lost connection)."""
    for attempt in range(1, TRIES + 1):
        try:
            return work()
        except (OperationalError, InterfaceError):
            close_old_connections()
            if attempt == TRIES or connection.in_atomic_block:
                raise
            time.sleep(0.05 * attempt)
    raise AssertionError


def _without_values(error: BaseException) -> BaseException:
    """The error with its type and its place only: what it says may hold patients' data."""
    return RuntimeError(type(error).__name__).with_traceback(error.__traceback__)


def _text(raw: bytes) -> bytes:
    """The message without NUL, which some senders pad with and no text column takes."""
    return raw if character_sets.sniff_utf16(raw) else raw.replace(b"\0", b"")


def waits() -> bool:
    """Whether a process that died left messages behind."""
    return _left_behind(LEFT_BEHIND).exists()


def batch(older_than: timedelta = LEFT_BEHIND) -> int:
    """Apply messages that were left behind, each attempt counted before; after three it goes to a person."""
    count = 0
    for message in _left_behind(older_than).order_by("id")[:20]:
        with transaction.atomic():
            hit = _left_behind(older_than).filter(pk=message.pk).update(attempts=F("attempts") + 1)
        if hit:
            message.attempts += 1
            process(message)
        count += hit
    return count


def catch_up() -> None:
    """At the start of the only listener: apply all that its predecessor left behind."""
    try:
        while batch(timedelta(0)):
            pass
    except DatabaseError as error:
        logger.error("what was left behind could not be applied: %s", type(error).__name__)


def _left_behind(older_than: timedelta) -> QuerySet[InboundMessage]:
    return InboundMessage.objects.filter(
        status=InboundStatus.RECEIVED, received_at__lt=timezone.now() - older_than
    )


def register() -> None:
    """Make what was left behind standing work."""
    recurring.register("hl7.inbox", recurring.Work(batch=batch, waits=waits))
