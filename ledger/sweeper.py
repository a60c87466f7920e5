"""The sweeper: the guarantee that all work gets done, with or without a broker.

It notifies the workers of what has become due, and does itself what nobody took within five seconds.
"""

import logging
import time
from datetime import timedelta

from django.db import connection, reset_queries

from ledger import clock, jobs, notifier, recurring
from ledger.models import Job

logger = logging.getLogger(__name__)

EVERY = 0.5
"""Seconds between two sweeps."""
PATIENCE = timedelta(seconds=5)
BATCH = 100


class Sweeper:
    """Sweeps until told to stop; only the holder of the lease `sweeper` does anything."""

    def __init__(self) -> None:
        self._claim_no: int | None = None
        self._notified: dict[tuple[int, int], None] = {}
        self._waiting_since: dict[str, float] = {}
        self._stopped = False

    def stop(self) -> None:
        """End after the sweep that runs."""
        self._stopped = True

    def run(self) -> None:
        """Sweep every half second; a database that is away is waited for."""
        while not self._stopped:
            try:
                if self._leads():
                    self.sweep()
            except Exception:
                logger.exception("a sweep failed")
                connection.close()
                self._claim_no = None
            reset_queries()
            time.sleep(EVERY)
        if self._claim_no is not None:
            recurring.release("sweeper", self._claim_no)

    def sweep(self) -> None:
        """Ring for what has just become due; do what has waited longer than five seconds."""
        now = clock.now()
        jobs_due = list(jobs.due(now)[:BATCH])
        self._notified = {turn: None for turn in self._notified if turn in {_turn(job) for job in jobs_due}}
        for job in jobs_due:
            if self._stopped:
                return
            if (job.lease_until or job.not_before) < now - PATIENCE:
                jobs.run(job.id)
            elif _turn(job) not in self._notified:
                self._notified[_turn(job)] = None
                notifier.notify(job.id)
        self._sweep_standing(now.timestamp())

    def _sweep_standing(self, now: float) -> None:
        waiting = recurring.waiting()
        self._waiting_since = {name: self._waiting_since.get(name, now) for name in waiting}
        for name, since in self._waiting_since.items():
            if now - since >= PATIENCE.total_seconds():
                recurring.run(name)
            elif since == now:
                notifier.notify(name)

    def _leads(self) -> bool:
        if self._claim_no is not None:
            self._claim_no = recurring.take("sweeper", self._claim_no)
        if self._claim_no is None:
            self._claim_no = recurring.take("sweeper")
        return self._claim_no is not None


def _turn(job: Job) -> tuple[int, int]:
    """What tells one wish for a job from the next."""
    return job.id, job.wanted + job.attempts
