"""What is still to be done, and by whom: for the people who keep the system going. Only reads."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, Min, QuerySet

from ledger import clock, heartbeat, jobs, recurring
from ledger.jobs import STUCK
from ledger.models import Job, JobState, Lease

RUNNING = (JobState.NEW, JobState.RETRY, JobState.CLAIMED)


@dataclass
class KindOfJob:
    """How many jobs of a kind are in each state, those that are done left out."""

    kind: str
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    oldest: datetime | None = None
    """When the one that is due longest became due; None where nothing is due."""

    @property
    def words(self) -> str:
        return jobs.words_of(self.kind)

    @property
    def waiting(self) -> int:
        return self.counts[JobState.NEW]

    @property
    def again(self) -> int:
        return self.counts[JobState.RETRY]

    @property
    def running(self) -> int:
        return self.counts[JobState.CLAIMED]

    @property
    def stuck(self) -> int:
        return sum(self.counts[state] for state in STUCK)


def kinds_of_jobs() -> list[KindOfJob]:
    """The kinds that have something to do or a person to wait for, by name."""
    found: dict[str, KindOfJob] = {}
    now = clock.now()
    for states in (RUNNING, STUCK):  # each has an index of its own
        rows = Job.objects.filter(state__in=states).values("kind", "state")
        for row in rows.annotate(number=Count("id"), oldest=Min("not_before")):
            kind = found.setdefault(row["kind"], KindOfJob(row["kind"]))
            kind.counts[row["state"]] += row["number"]
            if states is RUNNING and row["oldest"] <= now:
                kind.oldest = min(row["oldest"], kind.oldest or row["oldest"])
    return sorted(found.values(), key=lambda one: one.kind)


def stuck() -> QuerySet[Job]:
    """Jobs that wait for a person, the newest first."""
    return Job.objects.filter(state__in=STUCK).order_by("-id")


@dataclass(frozen=True)
class StandingWork:
    """A recurring work, or the sweeper: who does it now, until when, and whether there is something to do."""

    name: str
    holder: str
    until: datetime | None
    waits: bool


def standing_works() -> list[StandingWork]:
    """All recurring works of this installation, and who holds the lease of each."""
    now = clock.now()
    waiting = set(recurring.waiting())
    leases = {lease.name: lease for lease in Lease.objects.all()}
    works = []
    for name in sorted({*recurring.names(), *leases}):
        lease = leases.get(name)
        held = lease is not None and lease.until > now and bool(lease.holder)
        works.append(
            StandingWork(
                name,
                lease.holder if lease and held else "",
                lease.until if lease and held else None,
                name in waiting,
            )
        )
    return works


@dataclass(frozen=True)
class Sign:
    """The newest sign of life of a process."""

    process: str
    instance: str
    at: datetime
    age: timedelta
    is_stale: bool
    details: dict[str, object]


def signs_of_life() -> list[Sign]:
    """Each process that runs or should, by name; stale ones are dead or hang."""
    now = clock.now()
    return [
        Sign(
            row.process,
            row.instance,
            row.at,
            now - row.at,
            now - row.at >= heartbeat.STALE,
            dict(row.details),
        )
        for row in heartbeat.signs()
    ]
