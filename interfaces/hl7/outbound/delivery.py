"""Send what waits: one sender for each destination, in order, each message until the receiver answers it.

The claim of the job `hl7.deliver` is the right to send, so nothing is ever sent by two. A message is sent at
least once and always as the same bytes, so a receiver that knows MSH-10 again sees it once.

| answer with our MSH-10 in MSA-2 (2.9.2, HL70008)        | what becomes of the message                   |
|---------------------------------------------------------|-----------------------------------------------|
| AA, CA                                                  | delivered                                     |
| AE, CE; AR with 204, 205 or 100 to 103 (HL70357)        | held for a person; those of its key wait      |
| AR with 200 to 203; CR                                  | stopped for a person; those of its key wait   |
| AR with 206, 207, another or no code                    | sent again; those of its key wait meanwhile   |
| none: nobody listens, the peer closes or stays silent   | sent again after a while; all of them wait    |

What else comes is logged and counts for nothing.
"""

import contextlib
import logging
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, F, Max, Min, OuterRef, QuerySet

from interfaces.hl7 import hl7_events
from interfaces.hl7.models import Destination, OutboundMessage, OutboundStatus
from interfaces.hl7.outbound import message_status, message_types, outbox
from interfaces.hl7.syntax import er7
from interfaces.hl7.wire import framing
from ledger import clock, events, jobs
from ledger.crashpoint import crashpoint

logger = logging.getLogger(__name__)

CONNECT_WAIT = 5.0
ANSWER_WAIT = 30.0
DRAIN = 20.0
"""Seconds after which no further message is begun. With the two waits it stays below a task's 60 seconds."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
SILENCE_FOR_CR = 0.3
"""Seconds after which a frame that lacks its last CR is complete."""

RENEW_EVERY: Final = 5.0
MAX_ANSWER: Final = 1024 * 1024
MAX_JUNK: Final = 64 * 1024
MAX_REFUSALS: Final = 3
"""So many messages in a row put off by AR mean that the receiver itself has a trouble."""
ATTEMPTS_UNTIL_TOLD: Final = 5
"""So many answers of AR to one message are told to a person, once."""

_STATUS: Final = {
    "AA": OutboundStatus.DELIVERED,
    "CA": OutboundStatus.DELIVERED,
    "AE": OutboundStatus.HELD,
    "CE": OutboundStatus.HELD,
    "AR": OutboundStatus.WAITING,
    "CR": OutboundStatus.STOPPED,
}
_STATUS_OF_REFUSAL: Final = {
    **dict.fromkeys(range(200, 204), OutboundStatus.STOPPED),
    **dict.fromkeys((204, 205, *range(100, 104)), OutboundStatus.HELD),
}
_jitter: Final = random.SystemRandom()


class NoAnswer(Exception):
    """The destination can't be reached, or gave no answer that counts."""


class _Closed(NoAnswer):
    """The receiver closed the connection before it answered."""


@dataclass(frozen=True)
class Answer:
    """An acknowledgment of our message: MSA-1, the codes of HL70357 in it, its text, its bytes."""

    code: str
    errors: frozenset[int]
    text: str
    raw: bytes

    @property
    def status(self) -> OutboundStatus:
        """Where the message stands after this; WAITING means to send it again later."""
        if self.code == "AR":
            found = {_STATUS_OF_REFUSAL[error] for error in self.errors if error in _STATUS_OF_REFUSAL}
            return max(found, key=lambda status: status == OutboundStatus.STOPPED, default=_STATUS["AR"])
        return _STATUS[self.code]

    def __str__(self) -> str:
        return " ".join([self.code, *map(str, sorted(self.errors)), self.text]).strip()


def register() -> None:
    """Say how messages are delivered; called from `AppConfig.ready()`."""
    jobs.register(outbox.JOB, jobs.Handler(prepare=prepare, apply=apply, words="Send HL7 messages"))


def prepare(claim: jobs.Claim) -> None:
    """Send what is due, for about 20 seconds, over one connection.

    Raises `jobs.Retry` when the destination doesn't answer, `jobs.ClaimLost` when another sends by now.
    """
    destination = _destination(claim)
    if destination is None or _away_until(destination) is not None:
        return
    lease = _Lease(claim)
    with contextlib.closing(Line(destination, lease.keep)) as line:
        _drain(destination, line, lease)


def apply(claim: jobs.Claim, prepared: Any) -> None:
    """Ask to go on with what is still to be sent, now or when its pause is over."""
    destination = _destination(claim)
    if destination is None:
        return
    if not jobs.renew(claim):  # and nobody can ask for this job until we commit
        raise jobs.ClaimLost
    due = _unblocked(destination).aggregate(at=Min("not_before"))["at"]
    if due is None:
        _moves(destination)
        return
    at = max(due, _away_until(destination) or due)
    jobs.enqueue(outbox.JOB, destination.name, not_before=at if at > clock.now() else None)


def _destination(claim: jobs.Claim) -> Destination | None:
    return Destination.objects.filter(name=claim.key, is_active=True).first()


def _drain(destination: Destination, line: "Line", lease: "_Lease") -> None:
    ends = time.monotonic() + DRAIN
    refusals = 0
    while time.monotonic() < ends:
        message = _unblocked(destination).filter(not_before__lte=clock.now()).order_by("id").first()
        if message is None:
            return
        message.destination = destination
        raw = _begin(message, destination, lease)
        if raw is None:
            continue
        try:
            answer = line.ask(raw, message.control_id)
        except NoAnswer as reason:
            pause = _no_answer(message, destination, str(reason))
            raise jobs.Retry(str(reason), pause) from reason
        crashpoint("oru.after_ack")
        pause = _answered(message, destination, answer)
        crashpoint("oru.after_commit")
        refusals = refusals + 1 if answer.status == OutboundStatus.WAITING else 0
        if refusals >= MAX_REFUSALS:
            with transaction.atomic():
                _stands(destination, f"{refusals} messages in a row were answered by {answer}")
            raise jobs.Retry(f"the receiver answers {answer.code} to everything", pause)


def _unblocked(destination: Destination) -> QuerySet[OutboundMessage]:
    """Messages that wait, and wait for no earlier one of their ordering_key."""
    earlier = OutboundMessage.objects.filter(
        destination=destination, ordering_key=OuterRef("ordering_key"), id__lt=OuterRef("id")
    ).exclude(ordering_key="")
    return OutboundMessage.objects.filter(
        ~Exists(earlier.filter(status=OutboundStatus.WAITING)),
        ~Exists(earlier.filter(status__in=message_status.STUCK)),
        destination=destination,
        status=OutboundStatus.WAITING,
    )


def _away_until(destination: Destination) -> datetime | None:
    """When to try again a destination that didn't answer: a message that was tried has no answer."""
    pausing = OutboundMessage.objects.filter(
        destination=destination,
        status=OutboundStatus.WAITING,
        attempts__gt=0,
        ack_code="",
        not_before__gt=clock.now(),
    )
    until: datetime | None = pausing.aggregate(at=Max("not_before"))["at"]
    return until


def _begin(message: OutboundMessage, destination: Destination, lease: "_Lease") -> bytes | None:
    """Freeze the bytes and count the attempt in a commit of its own, while the claim is ours.

    None where there is nothing to send: a person was quicker, or the message can't be written.
    """
    error = message.last_error
    try:
        raw = bytes(message.raw) if message.raw is not None else outbox.write(message, destination)
    except Exception as broken:
        logger.exception("message %s can't be written", message.control_id)
        raw, error = b"", f"can't be written: {broken}"
    with transaction.atomic():
        lease.renew()
        rows = OutboundMessage.objects.filter(pk=message.pk, status=OutboundStatus.WAITING)
        hit = rows.update(raw=raw or None, attempts=F("attempts") + 1, last_error=error[:500])
        if hit and not raw:
            _change(message, "hold", error=error[:500])
    message.attempts += 1
    crashpoint("oru.before_send")
    return raw if hit and raw else None


def _answered(message: OutboundMessage, destination: Destination, answer: Answer) -> timedelta:
    """Record an answer and what follows from it, in one transaction; the pause where it is to wait."""
    status, now, pause, text = answer.status, clock.now(), _pause(message), str(answer)[:500]
    values: dict[str, Any] = {"ack": answer.raw, "ack_code": answer.code, "last_error": text}
    with transaction.atomic():
        if status == OutboundStatus.DELIVERED:
            _change(message, "deliver", values | {"last_error": "", "delivered_at": now})
            _note_delivered(message)
            _moves(destination)
        elif status == OutboundStatus.WAITING:
            OutboundMessage.objects.filter(pk=message.pk).update(**values, not_before=now + pause)
            if message.attempts == ATTEMPTS_UNTIL_TOLD:
                about = message_status.subjects(message)
                named = message_status.named(message)
                events.record(hl7_events.WAITS, about=about, source=destination.name, **named, error=text)
        else:
            _change(message, "stop" if status == OutboundStatus.STOPPED else "hold", values, error=text)
            _moves(destination)
    return pause


def _change(
    message: OutboundMessage, transition: str, values: Mapping[str, Any] | None = None, **details: Any
) -> None:
    """Take a message through a transition, unless a person was quicker."""
    source = message.destination.name
    message_status.change(message, transition, values=values, source=source, **details)


def _note_delivered(message: OutboundMessage) -> None:
    """Let the message's type do what follows from its delivery."""
    if message_type := message_types.of(message):
        message_type.on_delivered(message)


def _no_answer(message: OutboundMessage, destination: Destination, reason: str) -> timedelta:
    """Record that nothing came that counts; how long to pause."""
    pause = _pause(message)
    with transaction.atomic():
        OutboundMessage.objects.filter(pk=message.pk).update(
            ack=b"", ack_code="", last_error=reason[:500], not_before=clock.now() + pause
        )
        _stands(destination, reason)
    logger.warning("%s: %s", destination.name, reason)
    return pause


def _pause(message: OutboundMessage) -> timedelta:
    """One second, doubling to five minutes, up to a quarter less so that peers don't retry in step."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(message.attempts - 1, 20))
    return timedelta(seconds=longest * _jitter.uniform(0.75, 1.0))


def _stands(destination: Destination, reason: str) -> None:
    """Tell once that the queue stands."""
    rows = Destination.objects.filter(pk=destination.pk, stalled_since=None)
    if rows.update(stalled_since=clock.now()):
        about = [("destination", destination.name)]
        events.record(hl7_events.QUEUE_STOPPED, about=about, source=destination.name, reason=reason[:500])


def _moves(destination: Destination) -> None:
    """Tell once that the queue that stood moves again."""
    rows = Destination.objects.filter(pk=destination.pk).exclude(stalled_since=None)
    if rows.update(stalled_since=None):
        events.record(
            hl7_events.QUEUE_RESUMED, about=[("destination", destination.name)], source=destination.name
        )


class _Lease:
    """The job's claim, renewed while it is used."""

    def __init__(self, claim: jobs.Claim) -> None:
        self._claim = claim
        self._renewed = time.monotonic()

    def keep(self) -> None:
        """Renew the claim where that is due; the longest wait for an answer is as long as a lease."""
        if time.monotonic() - self._renewed >= RENEW_EVERY:
            self.renew()

    def renew(self) -> None:
        """Raises `jobs.ClaimLost` if another has it."""
        if not jobs.renew(self._claim):
            raise jobs.ClaimLost
        self._renewed = time.monotonic()


class Line:
    """A connection to a destination (MLLP), opened when it is needed and used for message after message."""

    def __init__(self, destination: Destination, keep: Callable[[], None]) -> None:
        self._destination = destination
        self._keep = keep
        self._socket: socket.socket | None = None
        self._deframer = framing.Deframer(MAX_ANSWER)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ask(self, raw: bytes, control_id: str) -> Answer:
        """Send a message and wait for its answer. Raises `NoAnswer`; the connection is closed then.

        Some receivers close after each message; if one does while we write the next, it is sent anew.
        """
        ends = time.monotonic() + ANSWER_WAIT
        try:
            is_new = self._open()
            try:
                return self._exchange(raw, control_id, ends)
            except _Closed:
                if is_new:
                    raise
                self.close()
                self._open()
                return self._exchange(raw, control_id, ends)
        except NoAnswer:
            self.close()
            raise

    def _open(self) -> bool:
        if self._socket is not None and not _is_closed(self._socket):
            return False
        self.close()
        self._deframer = framing.Deframer(MAX_ANSWER)
        address = self._destination.host, self._destination.port
        try:
            self._socket = socket.create_connection(address, timeout=CONNECT_WAIT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            self.close()
            raise NoAnswer(f"no connection to {address[0]}:{address[1]}: {error}") from error
        return True

    def _exchange(self, raw: bytes, control_id: str, ends: float) -> Answer:
        assert self._socket is not None
        try:
            self._send(self._socket, framing.frame(raw), ends)
            crashpoint("oru.after_send")
            while True:
                for payload in self._receive(self._socket, ends):
                    answer = read_answer(payload, control_id)
                    if answer is not None:
                        return answer
                    logger.warning("%s answers something else to %s", self._destination.name, control_id)
        except OSError as error:
            raise _Closed(f"the connection broke: {error}") from error

    def _send(self, peer: socket.socket, data: bytes, ends: float) -> None:
        view = memoryview(data)
        while view:
            peer.settimeout(self._time_left(ends))
            with contextlib.suppress(TimeoutError):
                view = view[peer.send(view) :]

    def _receive(self, peer: socket.socket, ends: float) -> list[bytes]:
        left = self._time_left(ends)
        peer.settimeout(min(left, SILENCE_FOR_CR) if self._deframer.awaiting_cr else left)
        try:
            data = peer.recv(65536)
        except TimeoutError:
            return self._deframer.end_of_data()
        if not data:
            if frames := self._deframer.end_of_data():
                return frames
            raise _Closed("the receiver closed the connection before it answered")
        try:
            frames = self._deframer.feed(data)
        except framing.FrameTooLong as error:
            if not error.complete:
                raise NoAnswer(f"the receiver sends garbage: {error}") from error
            frames = error.complete
        if self._deframer.junk_bytes > MAX_JUNK:
            raise NoAnswer("the receiver sends garbage, not MLLP")
        return frames

    def _time_left(self, ends: float) -> float:
        """Seconds to wait in one go."""
        self._keep()
        left = ends - time.monotonic()
        if left <= 0:
            junk = ", only garbage" if self._deframer.junk_bytes else ""
            raise NoAnswer(f"no answer within {ANSWER_WAIT:g} s{junk}")
        return min(left, RENEW_EVERY)


def _is_closed(peer: socket.socket) -> bool:
    """Whether the peer has closed an idle connection."""
    peer.setblocking(False)
    try:
        return not peer.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def read_answer(payload: bytes, control_id: str) -> Answer | None:
    """The acknowledgment of the message with this MSH-10 (2.9.2); None if the payload is something else."""
    try:
        message = er7.parse(payload)
    except er7.Er7Error:
        return None
    code = message.get("MSA-1")
    if message.get("MSA-2") != control_id or code not in _STATUS:
        return None
    errors = {message.get("MSA-6")}
    texts = [message.get("MSA-3"), message.get("ERR-8"), message.get("ERR-3.2"), message.get("ERR-1.4.2")]
    for segment in message.all("ERR"):
        errors.add(segment.field(3).value)
        errors |= {repetition.component(4) for repetition in segment.field(1).repetitions}
    numbers = frozenset(
        int(error) for error in errors if error.isascii() and error.isdigit() and len(error) < 6
    )
    return Answer(code, numbers, next(filter(None, texts), ""), payload)
