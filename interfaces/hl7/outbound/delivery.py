"""Send what waits: one sender for each destination, in order, each message until the receiver answers it.

The claim of the job `hl7.deliver` is the right to send, so nothing is ever sent by two. A message is sent at
least once and always as the same bytes, so a receiver that knows MSH-10 again sees it once.

| answer with our MSH-10 in MSA-2 (2.9.2, HL70008)        | what becomes of the message                   |
|---------------------------------------------------------|-----------------------------------------------|
| AA                                                      | delivered                                     |
| CA                                                      | delivered; of a destination that is enhanced, |
|                                                         | accepted until it confirms (acknowledgments)  |
| AE, CE; AR with 204, 205 or 100 to 103 (HL70357)        | held for a person; those of its key wait      |
| AR with 200 to 203; CR                                  | stopped for a person; those of its key wait   |
| AR with 206, 207, another or no code                    | sent again; those of its key wait meanwhile   |
| none: nobody listens, the peer closes or stays silent   | sent again after a while; all of them wait    |

An acknowledgment of another message of ours counts for that one; one that names none is told and counts for
nothing.
"""

import contextlib
import logging
import random
import time
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, F, Max, Min, OuterRef, QuerySet

from interfaces.hl7 import destination_options, hl7_events
from interfaces.hl7.models import Destination, OutboundMessage, OutboundStatus
from interfaces.hl7.outbound import acknowledgments, message_status, mllp_client, outbox
from interfaces.hl7.outbound.acknowledgments import Answer
from interfaces.hl7.outbound.mllp_client import Line, NoAnswer
from ledger import clock, events, jobs
from ledger.crashpoint import crashpoint

logger = logging.getLogger(__name__)

DRAIN = 20.0
"""Seconds after which no further message is begun. With the two waits it stays below a task's 60 seconds."""
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
LISTEN = 0.25
"""Seconds for which what comes by itself is waited for, before the next message is looked for."""
UNASKED = 1.0
"""Seconds for which a connection stays open after CA from a destination that is not declared enhanced."""

MAX_REFUSALS: Final = 3
"""So many messages in a row put off by AR mean that the receiver itself has a trouble."""
ATTEMPTS_UNTIL_TOLD: Final = 5
"""So many answers of AR to one message are told to a person, once."""

_jitter: Final = random.SystemRandom()


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
    others = _Others(destination)
    with contextlib.closing(Line(destination, lease.keep, others.take)) as line:
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
    """Where to send; None where nothing is to be sent there now."""
    return Destination.objects.filter(name=claim.key, is_active=True, paused_since=None).first()


def _is_paused(destination: Destination) -> bool:
    return Destination.objects.filter(pk=destination.pk).exclude(paused_since=None).exists()


def _drain(destination: Destination, line: Line, lease: "_Lease") -> None:
    ends = time.monotonic() + DRAIN
    refusals, listen_until = 0, 0.0
    while time.monotonic() < ends and not _is_paused(destination):
        message = _unblocked(destination).filter(not_before__lte=clock.now()).order_by("id").first()
        if message is None:
            if not line.is_open or not (time.monotonic() < listen_until or _is_awaited(destination)):
                return
            line.listen(LISTEN)
            continue
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
        line.tell_others()
        if answer.code == "CA":
            listen_until = time.monotonic() + UNASKED
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
        ~Exists(earlier.filter(status=OutboundStatus.ACCEPTED)),
        destination=destination,
        status=OutboundStatus.WAITING,
    )


def _is_awaited(destination: Destination) -> bool:
    """Whether a message was accepted, and its application acknowledgment may come on this connection."""
    return OutboundMessage.objects.filter(
        destination=destination, status=OutboundStatus.ACCEPTED, not_before__gt=clock.now()
    ).exists()


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
            acknowledgments.change(message, "hold", error=error[:500])
    message.attempts += 1
    crashpoint("oru.before_send")
    return raw if hit and raw else None


def _answered(message: OutboundMessage, destination: Destination, answer: Answer) -> timedelta:
    """Record an answer and what follows from it, in one transaction; the pause where it is to wait."""
    status, now, pause, text = answer.status, clock.now(), _pause(message), str(answer)[:500]
    values: dict[str, Any] = {"ack": answer.raw, "ack_code": answer.code, "last_error": text}
    with transaction.atomic():
        if status == OutboundStatus.DELIVERED and _is_only_accepted(message, destination, answer):
            wait = timedelta(seconds=destination_options.of(destination).application_wait)
            acknowledgments.change(message, "accept", values | {"last_error": "", "not_before": now + wait})
            _moves(destination)
        elif status == OutboundStatus.DELIVERED:
            acknowledgments.deliver(message, values)
            _moves(destination)
        elif status == OutboundStatus.WAITING:
            OutboundMessage.objects.filter(pk=message.pk).update(**values, not_before=now + pause)
            if message.attempts == ATTEMPTS_UNTIL_TOLD:
                about = message_status.subjects(message)
                named = message_status.named(message)
                events.record(hl7_events.WAITS, about=about, source=destination.name, **named, error=text)
        else:
            name = "stop" if status == OutboundStatus.STOPPED else "hold"
            acknowledgments.change(message, name, values, error=text)
            _moves(destination)
    return pause


def _is_only_accepted(message: OutboundMessage, destination: Destination, answer: Answer) -> bool:
    """Whether what becomes of a message is still to be told (2.9.3); nothing becomes of an acknowledgment."""
    is_acknowledgment = message.message_type.startswith("ACK")
    is_enhanced = destination_options.of(destination).enhanced and not is_acknowledgment
    return is_enhanced and not answer.is_of_application


class _Others:
    """Takes acknowledgments of other messages than the one sent last; the first stray one is told."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._is_told = False

    def take(self, answer: Answer) -> None:
        if acknowledgments.take(self._destination, answer) or self._is_told:
            return
        self._is_told = True
        acknowledgments.note_stray(self._destination, answer)


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
        if time.monotonic() - self._renewed >= mllp_client.KEEP_EVERY:
            self.renew()

    def renew(self) -> None:
        """Raises `jobs.ClaimLost` if another has it."""
        if not jobs.renew(self._claim):
            raise jobs.ClaimLost
        self._renewed = time.monotonic()
