"""The job `archive.import`: takes what was uploaded in, a portion at a time, and is done once.

Objects are safe as soon as they are taken; the counts are added with the place of the next portion in one
transaction. Whoever is killed between loses nothing: the portion is gone through again, and what it had
brought is counted as its own.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread
from typing import Final

from django.db import DatabaseError, connections, transaction
from django.utils import timezone

from archive.imports import import_acts, import_files
from archive.imports.import_tally import NoRoom, Taking, Tally
from archive.models import Import, ImportState
from archive.storage.spool import Spool, spool_folder
from ledger import clock, jobs
from ledger.crashpoint import crashpoint

logger = logging.getLogger(__name__)

PORTION: Final = 200
"""Files of a portion, at most."""
PORTION_SECONDS: Final = 3.0
RENEW_EVERY: Final = 8.0
"""Seconds between two renewals of the lease, which is longer."""
NO_ROOM: Final = timedelta(seconds=30)


@dataclass(frozen=True)
class Portion:
    """What was done, from one place in the list to another. The first portion only makes the list."""

    start: int
    end: int
    tally: Tally
    files: int
    """How many files there are in all."""
    is_last: bool = False
    is_held_up: bool = False


def prepare(claim: jobs.Claim) -> Portion | None:
    """List the files, or take the next ones in; nothing where somebody has stopped the import."""
    row = Import.objects.filter(public_id=claim.key).first()
    if row is None or row.state != ImportState.RUNNING:
        return None
    with _held(claim) as keep_on:
        return _prepare(row, keep_on)


def _prepare(row: Import, keep_on: Callable[[], None]) -> Portion:
    if not import_files.is_listed(row):
        files = import_files.write_list(row, import_files.of_uploads(row, keep_on))
        crashpoint("import.after_list")
        return Portion(row.position, row.position, Tally(), files)
    since, at = row.portion_at, timezone.now()
    if since is None:
        with transaction.atomic():
            Import.objects.filter(pk=row.pk).update(portion_at=at)
    with closing(Spool(spool_folder())) as spool:
        return _take(row, Taking(spool, import_acts.claims_of(row), since, keep_on), keep_on)


def _take(row: Import, taking: Taking, keep_on: Callable[[], None]) -> Portion:
    end, until, seen = row.position, time.monotonic() + PORTION_SECONDS, 0
    files = row.files or import_files.count_of(row)
    try:
        for entry, position in import_files.listed(row, row.position, PORTION):
            taking.take(entry)
            end, seen = position, seen + 1
            keep_on()
            if time.monotonic() > until:
                break
    except NoRoom as reason:
        if not seen:
            raise jobs.Retry(str(reason), NO_ROOM) from None
        return Portion(row.position, end, taking.tally, files, is_held_up=True)
    return Portion(row.position, end, taking.tally, files, is_last=row.files_done + seen >= files)


def apply(claim: jobs.Claim, portion: Portion | None) -> None:
    """Write down what was done; ask for the next portion, or finish."""
    row = Import.objects.select_for_update().filter(public_id=claim.key).first()
    if row is None or portion is None or row.state != ImportState.RUNNING or row.position != portion.start:
        return
    import_acts.add(row, portion.tally)
    row.files, row.position, row.portion_at = portion.files, portion.end, None
    if portion.is_last:
        import_acts.finish(row)
    else:
        row.save()
        at = clock.now() + NO_ROOM if portion.is_held_up else None
        jobs.enqueue(import_acts.JOB, claim.key, not_before=at)
    crashpoint("import.before_commit")


@contextmanager
def _held(claim: jobs.Claim) -> Iterator[Callable[[], None]]:
    """Renew the lease meanwhile, whatever takes long: a large DICOMDIR, a file of gigabytes, a slow disk.

    What it gives raises `ClaimLost` where another has the job by now.
    """
    is_over, is_lost = Event(), Event()

    def renew() -> None:
        try:
            while not is_over.wait(RENEW_EVERY):
                if not jobs.renew(claim):
                    is_lost.set()
                    return
        except DatabaseError:
            logger.warning("the lease of an import could not be renewed")
        finally:
            connections.close_all()

    def keep_on() -> None:
        if is_lost.is_set():
            raise jobs.ClaimLost

    thread = Thread(target=renew, name="import lease", daemon=True)
    thread.start()
    try:
        yield keep_on
    finally:
        is_over.set()
        thread.join()
