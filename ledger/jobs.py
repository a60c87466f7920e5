"""Work to be done: asked for in the transaction that causes it, done exactly once, whoever crashes.

`run` commits the claim and the attempt first, prepares outside any transaction (files, parsing, network),
then applies and finishes in one transaction that holds only while the claim is still the newest.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Case, Q, QuerySet, Value, When
from django.utils import timezone

from ledger import audit, clock, events, notifier, write_lock
from ledger.errors import Conflict
from ledger.event_types import declare
from ledger.models import Job, JobState
from ledger.row_sets import Table

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
MAX_CRASHES = 3
MAX_ERRORS = 5
OPEN = (JobState.NEW, JobState.RETRY)
STUCK = (JobState.ERROR, JobState.HELD)
"""What stays so until a person decides."""


class Retry(Exception):
    """The work can't be done now for a reason that is nobody's fault; it is tried again later."""

    def __init__(self, reason: str, after: timedelta) -> None:
        super().__init__(reason)
        self.after = after


class ClaimLost(Exception):
    """Another worker has claimed the job in the meantime; what was done is rolled back."""


@dataclass(frozen=True)
class Claim:
    """A job, as taken by this worker."""

    id: int
    kind: str
    key: str
    payload: dict[str, Any]
    claim_no: int
    wanted: int
    attempts: int
    errors: int


@dataclass(frozen=True)
class Handler:
    """How a kind of job is done: `prepare` outside any transaction, `apply` inside the finishing one."""

    apply: Callable[[Claim, Any], None]
    prepare: Callable[[Claim], Any] = lambda claim: None
    words: str = ""
    """What it does, for those who look after the queues."""


TRIED_AGAIN: Final = declare("job.tried_again", "Job {kind_of_job} started again", short="job started again")

_handlers: dict[str, Handler] = {}
_JOBS: Final = Table(Job, Job)


def register(kind: str, handler: Handler) -> None:
    """Say how jobs of `kind` are done; called from `AppConfig.ready()`."""
    _handlers[kind] = handler


def kinds() -> list[str]:
    """The kinds of jobs that are done here."""
    return list(_handlers)


def words_of(kind: str) -> str:
    """What jobs of a kind do; the kind itself where nobody here does them."""
    handler = _handlers.get(kind)
    return (handler.words if handler else "") or kind


def enqueue(kind: str, key: str, *, not_before: datetime | None = None, **payload: Any) -> None:
    """Ask for a job, in the caller's transaction.

    A job that waits is re-timed; one that runs is run again afterwards; one that ended starts anew.
    """
    _enqueue(kind, {key: payload}, not_before)


def enqueue_all(kind: str, due: Mapping[str, datetime | None]) -> None:
    """Ask for many jobs of a kind, by key: at a time, or at once."""
    by_time: dict[datetime | None, dict[str, dict[str, Any]]] = {}
    for key in sorted(due):
        by_time.setdefault(due[key], {})[key] = {}
    for not_before, keys in by_time.items():
        _enqueue(kind, keys, not_before)


_WANTED_AGAIN: Final = """ON CONFLICT (kind, key) DO UPDATE SET
    state = CASE WHEN ledger_job.state = 'claimed' THEN 'claimed' ELSE 'new' END,
    wanted = ledger_job.wanted + 1,
    not_before = CASE
        WHEN {due_now} AND ledger_job.state IN ('new', 'retry')
            AND ledger_job.not_before < excluded.not_before
        THEN ledger_job.not_before ELSE excluded.not_before END,
    attempts = 0, crashes = 0, errors = 0, payload = excluded.payload
    RETURNING id"""
"""Work that is due already keeps its place in the queue, however often it is asked for meanwhile."""


def _enqueue(kind: str, jobs: Mapping[str, dict[str, Any]], not_before: datetime | None) -> None:
    assert connection.in_atomic_block, "a job is asked for in the transaction that causes it"
    at = not_before or clock.now()
    made = timezone.now()
    rows = [
        Job(kind=kind, key=key, not_before=at, payload=payload, created_at=made)
        for key, payload in jobs.items()
    ]
    conflict = _WANTED_AGAIN.format(due_now="FALSE" if not_before else "TRUE")
    ids = _JOBS.insert_returning(conflict, rows)
    if not_before is None:
        transaction.on_commit(lambda: _notify(ids))


def _notify(ids: Iterable[tuple[int]]) -> None:
    for (key,) in ids:
        notifier.notify(key)


def try_again(job: Job, *, by: audit.AuditedActor) -> None:
    """Have a job done anew that ended in an error, in the caller's transaction.

    Raises `Conflict` for one that needs no person: it waits, runs, or is done.
    """
    assert connection.in_atomic_block
    by.require("job.retry")
    row = Job.objects.select_for_update().get(pk=job.pk)
    if row.state not in STUCK:
        raise Conflict(f"it is {row.get_state_display().lower()} by now")
    enqueue(row.kind, row.key, **row.payload)
    events.record(
        TRIED_AGAIN,
        about=[("job", row.public_id)],
        actor=by,
        kind_of_job=row.kind,
        error=row.last_error,
    )
    audit.note(by, audit.APPLICATION_ACTIVITY, audit.EXECUTE, ("job", row.public_id))


def due(at: datetime) -> QuerySet[Job]:
    """Jobs that could be claimed at `at`, those waiting longest first."""
    waiting = Q(state__in=OPEN, not_before__lte=at)
    abandoned = Q(state=JobState.CLAIMED, lease_until__lt=at)
    return Job.objects.filter(waiting | abandoned).order_by("not_before")


def run(job_id: int) -> bool:
    """Do one job, if it is due and nobody else has it; return whether it was done."""
    claim = _claim(job_id)
    if claim is None:
        return False
    try:
        handler = _handlers[claim.kind]
        prepared = handler.prepare(claim)
        with write_lock.doing(f"job {claim.kind}"), transaction.atomic():
            handler.apply(claim, prepared)
            _finish(claim)
    except ClaimLost:
        logger.info("job %s %s was taken over", claim.id, claim.kind)
        return False
    except Retry as reason:
        _put_back(claim, str(reason), reason.after, counts=False)
        return False
    except Exception as error:
        logger.exception("job %s %s failed", claim.id, claim.kind)
        _put_back(claim, f"{type(error).__name__}: {error}", _back_off(claim.errors), counts=True)
        return False
    return True


def renew(claim: Claim) -> bool:
    """Extend the lease of a long job; False means that it is no longer ours."""
    with transaction.atomic():
        hit = _held(claim).update(lease_until=clock.now() + LEASE)
    return bool(hit)


def _claim(job_id: int) -> Claim | None:
    with transaction.atomic():
        job = due(clock.now()).filter(id=job_id).select_for_update(skip_locked=_can_skip()).first()
        if job is None:
            return None
        if job.state == JobState.CLAIMED:
            job.crashes += 1
            if job.crashes >= MAX_CRASHES:
                job.state = JobState.ERROR
                job.last_error = f"The process died {job.crashes} times while it did this."
                job.save()
                return None
        job.state = JobState.CLAIMED
        job.attempts += 1
        job.claim_no += 1
        job.claimed_by = whoami()
        job.lease_until = clock.now() + LEASE
        job.save()
    return Claim(job.id, job.kind, job.key, job.payload, job.claim_no, job.wanted, job.attempts, job.errors)


def _finish(claim: Claim) -> None:
    done = Q(wanted=claim.wanted)
    hit = _held(claim).update(
        state=Case(When(done, then=Value(JobState.DONE)), default=Value(JobState.NEW)),
        finished_at=clock.now(),
        lease_until=None,
        last_error="",
    )
    if not hit:
        raise ClaimLost


def _put_back(claim: Claim, reason: str, after: timedelta, *, counts: bool) -> None:
    errors = claim.errors + counts
    state = JobState.ERROR if errors >= MAX_ERRORS else JobState.RETRY
    with transaction.atomic():
        _held(claim).update(
            state=state,
            errors=errors,
            last_error=reason[:2000],
            lease_until=None,
            not_before=clock.now() + after,
        )


def _held(claim: Claim) -> QuerySet[Job]:
    return Job.objects.filter(id=claim.id, claim_no=claim.claim_no, state=JobState.CLAIMED)


def _back_off(errors: int) -> timedelta:
    return timedelta(seconds=min(300, 2**errors))


def _can_skip() -> bool:
    return connection.features.has_select_for_update_skip_locked


def whoami() -> str:
    """The name by which this thread claims work."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
