"""The inbox: messages are stored as they came, then applied, then acknowledged.

Storing and applying are two transactions, so a message that kills the process is kept and its attempts are
counted. Effects, events and the message's new state commit together, and only then is there an answer
(HL7 v2.5.1 2.9.2). The same message again gets the same answer and has no second effect. Messages that wait
at the same moment are stored in one commit and applied in one transaction.
"""

import itertools
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from django.db import DatabaseError, transaction
from django.db.models import F, Max, QuerySet
from django.utils import timezone

from interfaces.hl7.inbound import (
    enhanced_mode,
    message_application,
    message_index,
    message_store,
    translation,
)
from interfaces.hl7.inbound.enhanced_mode import Exchange
from interfaces.hl7.inbound.message_store import Arrival, Peer
from interfaces.hl7.models import InboundMessage, InboundStatus
from interfaces.hl7.outbound import acknowledgments
from interfaces.hl7.syntax.character_sets import Er7Error
from ledger import notifier, recurring
from ledger.crashpoint import crashpoint

logger = logging.getLogger(__name__)

WORK: Final = "hl7.inbox"
"""The recurring work that applies what nobody waits for."""
TOGETHER: Final = 64
"""Messages that it applies in one go."""
ALONE: Final = 20
LEFT_BEHIND: Final = timedelta(seconds=10)
"""A message that is not applied after this time was left behind by a process that died."""


Accept = Callable[[int, bytes], None]
"""Sends the accept acknowledgment of the message at a place (2.9.3), before its answer."""


def _unsent(place: int, answer: bytes) -> None:
    pass


class _Stored(NamedTuple):
    row: InboundMessage
    is_new: bool
    arrival: Arrival

    @property
    def is_due(self) -> bool:
        """Whether it is applied before it is answered."""
        return self.is_new and not self.row.is_answered_on_storing


def receive(raw: bytes, *, peer: str, accept: Accept = _unsent) -> bytes | None:
    """Store and apply one message and return its acknowledgment.

    It is empty where none is to be sent. None means that nothing can be answered, since there is no MSH or
    the message could not be stored: the connection is to be closed, and the sender sends again.
    """
    return receive_all([(raw, peer)], accept)[0]


def receive_all(messages: Sequence[tuple[bytes, str]], accept: Accept = _unsent) -> list[bytes | None]:
    """Store and apply messages, each with the address of its sender; the acknowledgment of each, or None.

    In enhanced mode the accept acknowledgment is passed to `accept` as soon as it is due.
    """
    arrivals = [_arrival(raw, peer) for raw, peer in messages]
    stored = iter(_stored([arrival for arrival in arrivals if arrival is not None]))
    found = [next(stored) if arrival is not None else None for arrival in arrivals]
    crashpoint("mllp.after_commit")
    exchanges = [enhanced_mode.of(one.row, one.arrival) if one else None for one in found]
    _accept_on_storing(exchanges, accept)
    answers: list[bytes | None] = []
    for is_due, group in itertools.groupby(found, key=lambda one: one is not None and one.is_due):
        if is_due:
            answers += message_application.process([(one.row, one.arrival) for one in group if one])
        else:
            answers += [_answer_again(one.row) if one else None for one in group]
    if any(one.row.is_answered_on_storing for one in found if one and one.is_new):
        notifier.notify(WORK)
    for place, exchange in enumerate(exchanges):
        if exchange and answers[place] and not exchange.is_accepted_on_storing:
            _pass(place, exchange, accept)
    wanted = zip(found, exchanges, answers, strict=True)
    return [_wanted(one, exchange, answer) if one else None for one, exchange, answer in wanted]


def _accept_on_storing(exchanges: Sequence[Exchange | None], accept: Accept) -> None:
    """Accept what is only accepted: its sender may forget it, so it is on the disk before."""
    due = [(at, one) for at, one in enumerate(exchanges) if one and one.is_accepted_on_storing]
    if due:
        message_store.make_durable([one.message for _, one in due])
    for place, exchange in due:
        _pass(place, exchange, accept)


def _pass(place: int, exchange: Exchange, accept: Accept) -> None:
    if answer := exchange.accept():
        accept(place, answer)


def _wanted(one: _Stored, exchange: Exchange | None, answer: bytes | None) -> bytes | None:
    """An answer; empty where none may be sent: to an acknowledgment (2.9.2), or by MSH-15 and 16 (2.9.3)."""
    if answer is None:
        return None
    if exchange is not None:
        return exchange.application()
    return b"" if acknowledgments.is_one(one.arrival.header) else answer


def replay(message: InboundMessage, raw: bytes | None = None) -> InboundMessage:
    """Apply a message again, as it came or repaired: as a new row that names the old one."""
    with transaction.atomic():
        again = store_replay(message, raw)
    message_application.process([(again, Arrival.of(bytes(again.raw), again.peer))])
    again.refresh_from_db()
    return again


def store_replay(message: InboundMessage, raw: bytes | None = None) -> InboundMessage:
    """The new row of a message that is to be applied again, in the caller's transaction; not applied yet."""
    content = bytes(message.raw) if raw is None else raw
    arrival = Arrival.of(content, message.peer)
    again = message_store.row_of(
        content, arrival.header, message.source, Peer(message.peer, message.certificate)
    )
    again.replay_of = message.replay_of or message
    rows = InboundMessage.objects.filter(source=message.source, control_id=again.control_id)
    again.replay_number = (rows.aggregate(newest=Max("replay_number"))["newest"] or 0) + 1
    again.save()
    message_index.keep_all([(again, arrival.parsed)])
    return again


def apply_new(messages: Sequence[InboundMessage]) -> bool:
    """Apply messages in the transaction that stores them; False where one can't be: roll it back then."""
    arrivals = [(one, Arrival.of(bytes(one.raw), one.peer)) for one in messages]
    return message_application.apply_together(arrivals)


def apply_stored(message: InboundMessage) -> None:
    """Apply a stored message unless that has happened, each attempt counted before; it is read anew then."""
    _attempt(message)
    message.refresh_from_db()


def _arrival(raw: bytes, peer: str) -> Arrival | None:
    try:
        return Arrival.of(raw, peer)
    except Er7Error:
        return None


def _stored(arrivals: Sequence[Arrival]) -> list[_Stored | None]:
    """The rows of messages; None for what could not be stored, which keeps no other from being stored."""
    if not arrivals:
        return []
    try:
        rows = message_application.again(lambda: message_store.store(arrivals, _told_on_storing))
        return [_Stored(row, is_new, one) for (row, is_new), one in zip(rows, arrivals, strict=True)]
    except (DatabaseError, ValueError) as error:  # ValueError: of the driver, for what no column takes
        if len(arrivals) > 1:
            return [one for arrival in arrivals for one in _stored([arrival])]
        logger.error("a message could not be stored: %s", type(error).__name__)
        return [None]


def _told_on_storing(row: InboundMessage, arrival: Arrival) -> bytes:
    return translation.answer_on_storing(row, arrival.header)


def _answer_again(message: InboundMessage) -> bytes | None:
    """The answer to a repeat; what has no outcome yet is applied now, alone: it may have killed a process."""
    return bytes(message.ack) or _attempt(message)


def _attempt(message: InboundMessage) -> bytes | None:
    """Count an attempt in a commit of its own, then apply the message; its answer if it is applied by now."""
    with transaction.atomic():
        rows = InboundMessage.objects.filter(pk=message.pk, status=InboundStatus.RECEIVED)
        hit = rows.update(attempts=F("attempts") + 1)
    message.refresh_from_db()
    if not hit:
        return bytes(message.ack) or None
    return message_application.process([(message, Arrival.of(bytes(message.raw), message.peer))])[0]


def waits() -> bool:
    """Whether a process that died left messages behind, or some were answered and are to be applied."""
    return (_left_behind(LEFT_BEHIND) | _answered()).exists()


def batch() -> int:
    """Apply the oldest messages that were answered on storing together, and what was left behind alone.

    Each attempt is counted before; after three deaths a message goes to a person.
    """
    oldest = (_left_behind(LEFT_BEHIND) | _answered()).order_by("id")[:TOGETHER]
    messages = list(oldest)
    first = list(itertools.takewhile(lambda one: one.is_answered_on_storing and not one.attempts, messages))
    if not first:
        return sum(_attempt(message) is not None for message in messages[:ALONE])
    with transaction.atomic():
        rows = InboundMessage.objects.filter(pk__in=[one.pk for one in first], status=InboundStatus.RECEIVED)
        rows.update(attempts=F("attempts") + 1)
    for one in first:
        one.attempts += 1
    message_application.process([(one, Arrival.of(bytes(one.raw), one.peer)) for one in first])
    return len(first)


def catch_up() -> None:
    """At the start of the only listener: apply all that its predecessor left behind without an answer."""
    try:
        while messages := list(_left_behind(timedelta(0)).order_by("id")[:ALONE]):
            if not any(_attempt(message) is not None for message in messages):
                return
    except DatabaseError as error:
        logger.error("what was left behind could not be applied: %s", type(error).__name__)


def _left_behind(older_than: timedelta) -> QuerySet[InboundMessage]:
    rows = InboundMessage.objects.filter(status=InboundStatus.RECEIVED, is_answered_on_storing=False)
    return rows.filter(received_at__lt=timezone.now() - older_than)


def _answered() -> QuerySet[InboundMessage]:
    return InboundMessage.objects.filter(status=InboundStatus.RECEIVED, is_answered_on_storing=True)


def register() -> None:
    """Make what was left behind recurring work."""
    recurring.register(WORK, recurring.Work(batch=batch, waits=waits))
