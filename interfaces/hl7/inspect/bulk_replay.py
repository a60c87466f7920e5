"""Apply many messages again, in the order in which they were received, as work in the background.

Messages that all can be applied are applied together: their new rows, their effects and how far the run is
commit at once. Where one can't, they are applied one by one, so that the run can stop at it: the new row and
the note that it is this run's commit together, then effects with the outcome of the row. Whoever dies, each
message is applied once, and the next worker goes on behind it.
"""

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import F

from accounts.actor import Actor
from interfaces.hl7 import hl7_events
from interfaces.hl7.inbound import inbox
from interfaces.hl7.literal_conditions import WAITS_IN_REPLAY
from interfaces.hl7.models import (
    BulkReplay,
    InboundMessage,
    InboundStatus,
    ReplayedMessage,
    ReplayedState,
    ReplayState,
)
from ledger import audit, clock, events, jobs, write_lock
from ledger.crashpoint import crashpoint
from ledger.errors import Conflict, Invalid
from ledger.events import Entry

logger = logging.getLogger(__name__)

JOB: Final = "hl7.bulk_replay"
MOST: Final = 100_000
TURN: Final = 10.0
"""Seconds after which a worker gives others their turn."""
TOGETHER: Final = 25
"""Messages that are applied in one transaction, for which others wait."""
AGAIN: Final = timedelta(seconds=5)


def register() -> None:
    """Say how runs are done; called from `AppConfig.ready()`."""
    jobs.register(JOB, jobs.Handler(prepare=_go_on, apply=_end_turn, words="Replay HL7 messages"))


def begin(
    messages: Sequence[InboundMessage], *, by: Actor, reason: str, stop_at_error: bool = True
) -> BulkReplay:
    """Have messages applied again as they came, in the order in which they were received.

    What waits in another run is left to that.
    """
    by.require("message.replay")
    if not reason:
        raise Invalid("A replay needs a reason.")
    if len(messages) > MOST:
        raise Invalid(f"At most {MOST} messages at a time.")
    with transaction.atomic():
        rows = InboundMessage.objects.filter(pk__in=[one.pk for one in messages])
        ordered = rows.order_by("received_at", "id").values_list("pk", flat=True)
        waiting = ReplayedMessage.objects.filter(state=ReplayedState.WAITING, run__state=ReplayState.RUNNING)
        taken = set(waiting.values_list("original", flat=True))
        keys = [key for key in ordered if key not in taken]
        if not keys:
            raise Conflict("There is nothing to replay: the messages wait in another replay already.")
        run = BulkReplay.objects.create(
            stop_at_error=stop_at_error, reason=reason[:500], by=by.user, total=len(keys)
        )
        ReplayedMessage.objects.bulk_create(
            (ReplayedMessage(run=run, position=n, original_id=key) for n, key in enumerate(keys, start=1)),
            batch_size=500,
        )
        audit.note(
            by, audit.IMPORT, audit.EXECUTE, ("replay", run.public_id), act=f"Replay of {len(keys)} messages"
        )
        jobs.enqueue(JOB, run.public_id)
    return run


def stop(run: BulkReplay, *, by: Actor, reason: str = "") -> None:
    """End a run; the message that is being applied is finished. What was applied stays."""
    by.require("message.replay")
    _to(run, (ReplayState.RUNNING, ReplayState.STOPPED), ReplayState.ENDED, by, "Replay ended")


def go_on(run: BulkReplay, *, by: Actor, reason: str = "") -> None:
    """Go on behind the message at which a run stopped."""
    by.require("message.replay")
    with transaction.atomic():
        _to(run, (ReplayState.STOPPED, ReplayState.ENDED), ReplayState.RUNNING, by, "Replay continued")
        jobs.enqueue(JOB, run.public_id)


def _to(run: BulkReplay, before: Sequence[ReplayState], after: ReplayState, by: Actor, act: str) -> None:
    ended = None if after == ReplayState.RUNNING else clock.now()
    with transaction.atomic():
        rows = BulkReplay.objects.filter(pk=run.pk, state__in=before)
        if not rows.update(state=after, ended_at=ended):
            run.refresh_from_db()
            raise Conflict(f"The replay is {run.get_state_display().lower()} by now.")
        audit.note(by, audit.IMPORT, audit.EXECUTE, ("replay", run.public_id), act=act)
    run.refresh_from_db()


def _go_on(claim: jobs.Claim) -> None:
    ends = time.monotonic() + TURN
    one_by_one = 0
    while time.monotonic() < ends:
        run = BulkReplay.objects.filter(public_id=claim.key, state=ReplayState.RUNNING).first()
        part = _next(run, 1 if one_by_one else TOGETHER) if run else []
        if run is None or not part:
            return
        if one_by_one:
            _apply_one(part[0], run, claim)
            one_by_one -= 1
        elif not _applied_together(part, run, claim):
            one_by_one = len(part)


def _applied_together(part: Sequence[ReplayedMessage], run: BulkReplay, claim: jobs.Claim) -> bool:
    """Whether all of some messages could be applied in one transaction; else nothing is done."""
    if any(one.replay_id is not None or one.original.settled for one in part):
        return False  # by a worker that died, or by a person
    try:
        with write_lock.doing("replay of HL7 messages"), transaction.atomic():
            if not jobs.renew(claim):
                raise jobs.ClaimLost
            again = [inbox.store_replay(one.original) for one in part]
            if not inbox.apply_new(again):
                raise _Faulty
            for one, row in zip(part, again, strict=True):
                one.replay, one.state = row, ReplayedState.APPLIED
            ReplayedMessage.objects.bulk_update(part, ["replay", "state"])
            events.record_all([_told(one, run) for one in part])
            BulkReplay.objects.filter(pk=run.pk).update(applied=F("applied") + len(part))
            crashpoint("replay.together")
    except jobs.ClaimLost:
        raise
    except Exception as error:
        logger.info("%d messages are replayed one by one: %s", len(part), type(error).__name__)
        return False
    return True


class _Faulty(Exception):
    """One of the messages can't be applied."""


def _apply_one(one: ReplayedMessage, run: BulkReplay, claim: jobs.Claim) -> None:
    again = _stored(one, run, claim)
    if again is None:
        return
    crashpoint("replay.stored")
    if again.status == InboundStatus.RECEIVED:
        inbox.apply_stored(again)
    crashpoint("replay.applied")
    if again.status == InboundStatus.RECEIVED:
        raise jobs.Retry("the outcome could not be recorded", AGAIN)
    _note(one, run, again)


def _end_turn(claim: jobs.Claim, prepared: Any) -> None:
    run = BulkReplay.objects.filter(public_id=claim.key, state=ReplayState.RUNNING).first()
    if run is None:
        return
    if not _next(run, 1):
        BulkReplay.objects.filter(pk=run.pk).update(state=ReplayState.DONE, ended_at=clock.now())
    else:
        jobs.enqueue(JOB, run.public_id)


def _next(run: BulkReplay, number: int) -> list[ReplayedMessage]:
    waiting = run.messages.filter(WAITS_IN_REPLAY).order_by("position")
    return list(waiting.select_related("original", "replay")[:number])


def _stored(one: ReplayedMessage, run: BulkReplay, claim: jobs.Claim) -> InboundMessage | None:
    """The row that a message is applied again as: the one that is there, else a new one, while we lead.

    None for a message that has left the list meanwhile; it is skipped.
    """
    with transaction.atomic():
        if not jobs.renew(claim):
            raise jobs.ClaimLost
        if one.replay is not None:
            return one.replay
        if one.original.settled:
            ReplayedMessage.objects.filter(pk=one.pk).update(state=ReplayedState.SKIPPED)
            return None
        again = inbox.store_replay(one.original)
        ReplayedMessage.objects.filter(pk=one.pk).update(replay=again)
        events.record_all([_told(one, run)])
    return again


def _told(one: ReplayedMessage, run: BulkReplay) -> Entry:
    about = [("message", one.original.public_id), ("replay", run.public_id)]
    details = {"reason": run.reason, "total": str(run.total)}
    return Entry(hl7_events.BULK_REPLAYED, about, actor=run.by or "", details=details)


def _note(one: ReplayedMessage, run: BulkReplay, again: InboundMessage) -> None:
    is_applied = again.status == InboundStatus.APPLIED
    after = ReplayedState.APPLIED if is_applied else ReplayedState.FAILED
    rows = BulkReplay.objects.filter(pk=run.pk)
    with transaction.atomic():
        hit = ReplayedMessage.objects.filter(pk=one.pk, state=ReplayedState.WAITING).update(state=after)
        if hit and is_applied:
            rows.update(applied=F("applied") + 1)
        elif hit:
            rows.update(failed=F("failed") + 1)
            if run.stop_at_error:
                running = rows.filter(state=ReplayState.RUNNING)
                running.update(state=ReplayState.STOPPED, ended_at=clock.now())
