"""Apply stored messages together: effects, events, outcomes and answers in one transaction.

One that fails is applied alone, so that it harms nobody else; one with many groups is applied in portions, so
that others get their turn in between.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)

from interfaces.hl7.inbound import doubts_settled, error_codes, message_store, outcome_notes, translation
from interfaces.hl7.inbound.field_places import FieldPlaces
from interfaces.hl7.inbound.further_effects import FurtherChanges
from interfaces.hl7.inbound.message_store import MESSAGES, Arrival
from interfaces.hl7.inbound.translation import Problem, Translation
from interfaces.hl7.models import InboundMessage, InboundStatus, Settled
from interfaces.hl7.outbound import acknowledgments
from interfaces.hl7.outbound.messages import application_ack
from ledger import events
from ledger.crashpoint import crashpoint
from ledger.errors import Refused
from ledger.events import Entry
from ledger.row_sets import Condition
from worklist import catalogue
from worklist.batches import change_application
from worklist.batches.batch import Applied
from worklist.batches.changed_rows import Overtaken
from worklist.patients import identity_exceptions
from worklist.patients.identity_doubt import InDoubt, VisitOfAnother

logger = logging.getLogger(__name__)

MAX_ATTEMPTS: Final = 3
TRIES: Final = 3
"""How often a transaction is tried that the database broke off."""
PORTION: Final = 100
"""Groups of one transaction, for which others wait: a quarter of a second where a group names one thing."""
REST: Final = 0.005
"""Seconds between two portions, in which those who wait for the write lock take it."""
_NOT_APPLIED: Final = f"{MESSAGES.name}.status <> 'applied'"
_OUTCOME: Final = (
    "status",
    "applied_at",
    "clock_ahead",
    "groups_applied",
    "ack",
    "ack_code",
    "error_code",
    "error_location",
    "error_text",
    "error_reason",
)
_Result = TypeVar("_Result")


def process(messages: Sequence[tuple[InboundMessage, Arrival]]) -> list[bytes | None]:
    """Apply messages whose attempts are counted, record the outcomes, and return the acknowledgments.

    None where not even the outcome could be recorded.
    """
    for part in _parts([_translated(message, arrival) for message, arrival in messages]):
        if len(part) == 1 or not _applied_together(part):
            for one in part:
                _apply_alone(one)
    return [bytes(message.ack) or None for message, _ in messages]


def apply_together(messages: Sequence[tuple[InboundMessage, Arrival]]) -> bool:
    """Apply all of some messages in the caller's transaction, which is to be rolled back unless all were.

    False where one can't be read, or they are too many for one turn; raises what keeps one from that.
    """
    assert connection.in_atomic_block
    translations = [_translated(message, arrival) for message, arrival in messages]
    groups = sum(len(one.changes.groups) for one in translations if one.changes)
    if groups > PORTION or any(one.message.status != InboundStatus.APPLIED for one in translations):
        return False
    _apply(translations)
    return all(one.message.status == InboundStatus.APPLIED for one in translations)


def again(work: Callable[[], _Result]) -> _Result:
    """Do a transaction, again if the database broke it off (deadlock, serialization, lost connection)."""
    for attempt in range(1, TRIES + 1):
        try:
            return work()
        except Overtaken:
            if attempt == TRIES:
                raise
        except (OperationalError, InterfaceError):
            close_old_connections()
            if attempt == TRIES or connection.in_atomic_block:
                raise
            time.sleep(0.05 * attempt)
    raise AssertionError


def _parts(translations: Sequence[Translation]) -> Iterator[list[Translation]]:
    """What is applied together: as many messages, in their order, as have the groups of one portion."""
    part: list[Translation] = []
    groups = 0
    for one in translations:
        count = len(one.changes.groups) if one.changes else 0
        if part and groups + count > PORTION:
            yield part
            part, groups = [], 0
        part.append(one)
        groups += count
    if part:
        yield part


def _translated(message: InboundMessage, arrival: Arrival) -> Translation:
    if message.attempts > MAX_ATTEMPTS:
        text = f"the process died {MAX_ATTEMPTS} times while it applied this; the message is kept"
        problem = Problem(207, "", text)
        return translation.refused(message, arrival.header, problem, InboundStatus.FAILED)
    try:
        return again(lambda: translation.translate(message, arrival, catalogue.current()))
    except Exception as error:
        return translation.refused(message, arrival.header, _problem(message, error, FieldPlaces()))


def _problem(message: InboundMessage, error: Exception, places: FieldPlaces) -> Problem:
    """What is told of what is refused when it meets what is there, or of an error of ours.

    What that says itself may hold patients' data.
    """
    if isinstance(error, Refused):
        is_content = isinstance(error, VisitOfAnother)
        return Problem(*error_codes.explain(error, places), is_content=is_content)
    if isinstance(error, DatabaseError):
        logger.error("message %s could not be applied: %s", message.public_id, type(error).__name__)
        return Problem(207, "", "the database can't be reached or refused; the message is kept")
    without_values = RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
    logger.exception("message %s could not be applied", message.public_id, exc_info=without_values)
    return Problem(207, "", "an error here; the message is kept, and an administrator can see why")


def _applied_together(translations: Sequence[Translation]) -> bool:
    try:
        again(lambda: _apply(translations))
    except Exception as error:
        logger.warning("%d messages are applied one by one: %s", len(translations), type(error).__name__)
        return False
    return True


def _apply_alone(one: Translation) -> None:
    message = one.message
    try:
        if one.changes is not None and len(one.changes.groups) > PORTION:
            _apply_in_portions(one)
        else:
            again(lambda: _apply([one]))
    except Exception as error:
        refused = translation.refused(message, one.header, _problem(message, error, one.places))
        if isinstance(error, InDoubt) and error.doubt and one.changes:
            refused.doubt = error.doubt, one.changes.provenance
        try:
            again(lambda: _apply([refused]))
        except DatabaseError as error:
            name = type(error).__name__
            logger.error("the outcome of message %s is not recorded: %s", message.public_id, name)
            message.ack = b""


def _apply(translations: Sequence[Translation]) -> None:
    """Effects, events, outcomes and answers in one transaction."""
    crashpoint("hl7w.after_claim")
    with transaction.atomic():
        rows = [one.message for one in translations]
        condition, keys = _in_turn(rows)
        if connection.vendor == "sqlite" and any(message_store.is_long(row) for row in rows):
            ours = {row.pk for row in rows if _is_noted(row)}
        else:
            ours = MESSAGES.update_where(f"{condition} AND {_NOT_APPLIED}", keys, rows, _OUTCOME)
        taken = [one for one in translations if one.message.pk in ours]
        _take_effect(taken)
        _settle(taken)
        _leave_work_list(taken)
        crashpoint("hl7w.before_commit")
    crashpoint("hl7w.after_commit")
    for row in rows:
        if row.pk not in ours:  # another process was quicker
            row.refresh_from_db(fields=["ack"])


def _is_noted(row: InboundMessage) -> bool:
    """Note one outcome by a plain statement, which holds a long message less often than one for many rows."""
    waiting = InboundMessage.objects.filter(pk=row.pk).exclude(status=InboundStatus.APPLIED)
    return bool(waiting.update(**{name: getattr(row, name) for name in _OUTCOME}))


def _apply_in_portions(one: Translation) -> None:
    """Each portion in a transaction of its own; after a crash the rest is applied, nothing twice."""
    assert one.changes is not None
    message, groups = one.message, one.changes.groups
    while (start := message.groups_applied) < len(groups):
        message.groups_applied = min(start + PORTION, len(groups))
        try:
            is_ours = again(lambda start=start: _apply_portion(one, start))  # type: ignore[misc]
        except Exception:
            message.groups_applied = start
            raise
        if not is_ours:  # another process was quicker
            newest = InboundMessage.objects.get(pk=message.pk)
            message.groups_applied = newest.groups_applied
            if newest.status == InboundStatus.APPLIED:
                message.ack = newest.ack
                return
        time.sleep(REST)


def _apply_portion(one: Translation, start: int) -> bool:
    """Apply groups from `start` on; False, and nothing is done, where another process did so."""
    assert one.changes is not None
    message, groups = one.message, one.changes.groups
    is_last = message.groups_applied == len(groups)
    crashpoint("hl7w.after_claim")
    with transaction.atomic():
        condition, keys = _in_turn([message])
        condition += f" AND {_NOT_APPLIED} AND {MESSAGES.name}.groups_applied = %s"
        names = _OUTCOME if is_last else ["groups_applied"]
        if not MESSAGES.update_where(condition, [*keys, start], [message], names):
            return False
        part = replace(one.changes, groups=groups[start : message.groups_applied])
        _take_effect([replace(one, changes=part, flags=one.flags if is_last else ())])
        _settle([one] if is_last else [])
        _leave_work_list([one] if is_last else [])
        crashpoint("hl7w.before_commit")
    crashpoint("hl7w.after_commit")
    return True


def _take_effect(translations: Sequence[Translation]) -> None:
    said = [(one, one.changes) for one in translations if one.changes is not None]

    def told(applied: Sequence[Sequence[Applied]]) -> Iterator[Entry]:
        for (one, changes), groups in zip(said, applied, strict=True):
            yield from one.flags
            yield from outcome_notes.of(one.message, changes, groups)

    if said:
        sets = [changes for _, changes in said]
        patients = change_application.apply(sets, catalogue.current(), told)
        for changes, patient in zip(sets, patients, strict=True):
            if isinstance(changes, FurtherChanges):
                changes.then(patient)
    crashpoint("hl7w.mid_effects")
    events.record_all([flag for one in translations if one.changes is None for flag in one.flags])
    for one in translations:
        if one.doubt is not None:
            doubt, provenance = one.doubt
            is_again = one.message.replay_of_id is not None
            identity_exceptions.open_all([doubt], provenance, is_again=is_again)


def _leave_work_list(translations: Sequence[Translation]) -> None:
    """What was replayed with success needs nobody any more."""
    messages = [one.message for one in translations]
    replayed = [
        row.replay_of_id for row in messages if row.replay_of_id and row.status == InboundStatus.APPLIED
    ]
    if replayed:
        originals = InboundMessage.objects.filter(pk__in=replayed, settled="")
        originals.exclude(status=InboundStatus.APPLIED).update(settled=Settled.REPLAYED)
        doubts_settled.end_of_replayed(replayed, [row.public_id for row in messages])


def _settle(translations: Sequence[Translation]) -> None:
    """What follows for messages that went out: those that are acknowledged, and acknowledgments of these."""
    for one in translations:
        if one.acknowledges is not None:
            acknowledgments.settle_received(one.acknowledges)
        is_application = one.message.ack_code in ("AA", "AE", "AR") and one.message.replay_of_id is None
        if is_application and (destination := translation.answered_at(one.header)):
            application_ack.tell(one.message, one.header, destination)


def _in_turn(messages: Iterable[InboundMessage]) -> Condition:
    """True; before it looks at a row, it waits until nobody else applies messages of these sources.

    On PostgreSQL, where several listeners may run. In the order of the keys, so that two listeners never wait
    for each other in a ring.
    """
    if connection.vendor != "postgresql":
        return "TRUE", []
    keys = sorted(_key(source) for source in {message.source for message in messages})
    return "(SELECT count(pg_advisory_xact_lock(key)) FROM unnest(%s::bigint[]) AS key) > 0", [keys]


def _key(source: str) -> int:
    return int.from_bytes(hashlib.sha256(f"hl7:{source}".encode()).digest()[:8], signed=True)
