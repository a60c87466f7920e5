"""Recurring work: what is due is seen from the rows themselves, not from a job for each.

Each piece has a name, a question ("is there work?") and a function that does a batch. One process at a
time does it, by lease.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Q

from ledger import clock
from ledger.jobs import whoami
from ledger.models import Lease

LEASE = timedelta(seconds=15)


@dataclass(frozen=True)
class Work:
    """A piece of recurring work: `batch` does some of it and returns how much; 0 means that none is left."""

    batch: Callable[[], int]
    waits: Callable[[], bool]


_works: dict[str, Work] = {}


def register(name: str, work: Work) -> None:
    """Say how the recurring work `name` is done; called from `AppConfig.ready()`."""
    _works[name] = work


def names() -> list[str]:
    """The names of all recurring works."""
    return list(_works)


def waiting() -> list[str]:
    """The names of the recurring works that have something to do."""
    return [name for name, work in _works.items() if work.waits()]


def run(name: str) -> int:
    """Do all there is of a recurring work, unless another process does it; return how much was done."""
    done = 0
    if (claim_no := take(name)) is None:
        return done
    try:
        while (count := _works[name].batch()) and take(name, claim_no) is not None:
            done += count
    finally:
        release(name, claim_no)
    return done


def take(name: str, claim_no: int | None = None) -> int | None:
    """Take the lease `name`, or extend it under `claim_no`; None if another holds it."""
    with transaction.atomic():
        now = clock.now()
        Lease.objects.bulk_create([Lease(name=name, until=now)], ignore_conflicts=True)
        mine = Q(claim_no=claim_no) if claim_no is not None else Q(until__lte=now)
        lease = Lease.objects.select_for_update().filter(mine, name=name).first()
        if lease is None:
            return None
        lease.holder, lease.until = whoami(), now + LEASE
        lease.claim_no += claim_no is None
        lease.save()
        return lease.claim_no


def release(name: str, claim_no: int) -> None:
    """Give the lease back, if it is still ours."""
    with transaction.atomic():
        Lease.objects.filter(name=name, claim_no=claim_no).update(until=clock.now(), holder="")
