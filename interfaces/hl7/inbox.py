"""The inbox: a message is stored as it came, then applied, then acknowledged.

Storing and applying are two transactions, so a message that kills the process is kept and its attempts are
counted. Effects, events and the message's new state commit together, and only then is there an answer
(HL7 v2.5.1 2.9.2). The same message again gets the same answer and has no second effect.
"""

import hashlib
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, TypeVar

from django.db import (
    DatabaseError,
    IntegrityError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.models import F, Max, QuerySet
from django.utils import timezone

from interfaces.hl7 import ack, dispatch, er7, reading, sources
from interfaces.hl7.er7 import Er7Error, Header
from interfaces.hl7.models import InboundMessage, InboundStatus
from ledger import events, standing
from ledger.crashpoint import crashpoint
from worklist.errors import WorklistError

logger = logging.getLogger(__name__)

APPLICATION: Final = "RISPACS"
MAX_ATTEMPTS: Final = 3
TRIES: Final = 3
"""How often a transaction is tried that the database broke off."""
LEFT_BEHIND: Final = timedelta(seconds=10)
"""A message that is not applied after this time was left behind by a process that died."""

_lanes: dict[str, threading.Lock] = defaultdict(threading.Lock)
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
        header = er7.read_header(raw)
    except Er7Error:
        return None
    source = f"{header.sending_application}|{header.sending_facility}"
    with _lanes[source]:  # one source's messages take effect in the order in which they came
        try:
            message = _again(lambda: _store(raw, header, source, peer))
        except DatabaseError as error:
            logger.error("a message could not be stored: %s", type(error).__name__)
            return None
        crashpoint("mllp.after_commit")
        return bytes(message.ack) or process(message)


def process(message: InboundMessage) -> bytes | None:
    """Apply a stored message, record the outcome, and return the acknowledgment."""
    raw = bytes(message.raw)
    header = er7.read_header(raw)
    try:
        return _again(lambda: _apply(message, header, raw))
    except Er7Error as error:
        problem = Problem(error.code, error.location, error.text)
    except WorklistError as error:
        problem = Problem(*dispatch.explain(error))
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
    header = er7.read_header(content)
    with transaction.atomic():
        again = _row(content, header, message.source, message.peer)
        again.replay_of = message.replay_of or message
        rows = InboundMessage.objects.filter(source=message.source, control_id=again.control_id)
        again.replay_number = (rows.aggregate(newest=Max("replay_number"))["newest"] or 0) + 1
        again.save()
    process(again)
    again.refresh_from_db()
    return again


def _store(raw: bytes, header: Header, source: str, peer: str) -> InboundMessage:
    """The durable row of a message, its first attempt counted; the old row if it came before."""
    row = _row(raw, header, source, peer)
    known = InboundMessage.objects.filter(
        source=row.source, control_id=row.control_id, sha256=row.sha256, replay_number=0
    )
    with transaction.atomic():
        if not known.update(times_received=F("times_received") + 1):
            if row.control_id:
                same_id = InboundMessage.objects.filter(source=row.source, control_id=row.control_id)
                row.control_id_reused = same_id.exists()
            try:
                with transaction.atomic():
                    row.save()
            except IntegrityError:
                known.update(times_received=F("times_received") + 1)
            else:
                crashpoint("mllp.before_commit")
                return row
        return known.get()


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
    handler = dispatch.handler_of(header, policy)
    if not header.control_id:
        raise Er7Error(101, "MSH^1^10", "the message control ID is missing")
    parsed = er7.parse(raw, policy.charset or None)
    read = reading.read(message, parsed, header, policy)
    answer = _answer(message, header, None, enhanced=policy.enhanced)
    crashpoint("hl7w.after_claim")
    with transaction.atomic():
        _take_turn(message.source)
        row = InboundMessage.objects.select_for_update(of=("self",)).get(pk=message.pk)
        if row.ack:
            return bytes(row.ack)
        handler(read)
        crashpoint("hl7w.mid_effects")
        if read.clock_was_ahead:
            events.record(
                "hl7.clock_ahead", about=[("message", message.public_id)], source=read.origin.source
            )
        InboundMessage.objects.filter(pk=message.pk).update(
            status=InboundStatus.APPLIED,
            applied_at=timezone.now(),
            clock_ahead=read.clock_was_ahead,
            ack=answer,
            ack_code="CA" if policy.enhanced else "AA",
            error_code=None,
            error_location="",
            error_text="",
        )
        crashpoint("hl7w.before_commit")
    crashpoint("hl7w.after_commit")
    return answer


def _refuse(message: InboundMessage, header: Header, problem: Problem) -> bytes | None:
    """Record why a message has no effect; the answer, or None if not even that could be recorded."""
    code: Literal["AE", "AR"] = ack.status_code_for(problem.code)
    if not header.control_id:
        code = "AR"
    answer = _answer(message, header, problem)
    status = InboundStatus.FAILED if code == "AE" else InboundStatus.REFUSED

    def record() -> None:
        with transaction.atomic():
            InboundMessage.objects.filter(pk=message.pk, ack=b"").update(
                status=status,
                ack=answer,
                ack_code=code,
                error_code=problem.code,
                error_location=problem.location[:80],
                error_text=problem.text[:500],
            )

    try:
        _again(record)
    except DatabaseError as error:
        logger.error("the outcome of message %s is not recorded: %s", message.public_id, type(error).__name__)
        return None
    return answer


def _answer(
    message: InboundMessage, header: Header, problem: Problem | None, *, enhanced: bool = False
) -> bytes:
    code: ack.Code = "AA"
    error = None
    if problem is not None:
        code = ack.status_code_for(problem.code) if header.control_id else "AR"
        error = ack.AckError(problem.code, problem.location, problem.text)
    return ack.build(
        header,
        code=ack.commit_code(code) if enhanced else code,
        control_id=message.public_id[:20].upper(),
        now=timezone.now(),
        error=error,
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
        except OperationalError:
            close_old_connections()
            if attempt == TRIES or connection.in_atomic_block:
                raise
            time.sleep(0.05 * attempt)
    raise AssertionError


def _without_values(error: BaseException) -> BaseException:
    """The error with its type and its place only: what it says may hold patients' data."""
    return RuntimeError(type(error).__name__).with_traceback(error.__traceback__)


def waits() -> bool:
    """Whether a process that died left messages behind."""
    return _left_behind().exists()


def batch() -> int:
    """Apply messages that were left behind, each attempt counted before; after three it goes to a person."""
    count = 0
    for message in _left_behind().order_by("id")[:20]:
        count += 1
        if message.attempts >= MAX_ATTEMPTS:
            problem = Problem(207, "", f"the process died {message.attempts} times while it applied this")
            _refuse(message, er7.read_header(bytes(message.raw)), problem)
            continue
        with transaction.atomic():
            InboundMessage.objects.filter(pk=message.pk).update(attempts=F("attempts") + 1)
        message.attempts += 1
        process(message)
    return count


def _left_behind() -> QuerySet[InboundMessage]:
    return InboundMessage.objects.filter(
        status=InboundStatus.RECEIVED, received_at__lt=timezone.now() - LEFT_BEHIND
    )


def register() -> None:
    """Make what was left behind standing work."""
    standing.register("hl7.inbox", standing.Work(batch=batch, waits=waits))
