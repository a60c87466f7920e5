"""Imports, from the first file to the end: who may bring what, and what becomes of it.

`begin`, `receive` for each file, `start`; then the job `archive.import` takes the files in, in portions, and
finishes. What came in goes the way of all images: nothing is attached to anybody without a verdict.
"""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from django.db import transaction
from django.db.models import F

from accounts.actor import Actor, Interface
from accounts.models import Facility
from archive.imports import import_files
from archive.imports.film_scan import Claims
from archive.imports.import_tally import Tally
from archive.imports.uploaded_file import UploadedFile
from archive.imports.zipped_disc import LARGEST, MOST_FILES
from archive.models import Import, ImportedStudy, ImportKind, ImportRefusal, ImportState, Study
from archive.signals import study_settled
from ledger import audit, clock, jobs
from ledger.errors import Conflict, Invalid

JOB: Final = "archive.import"
MOST_OPEN: Final = 20
"""Uploads of a person at the same time."""
MOST_REFUSALS: Final = 500
"""Refused files of an import whose reasons are kept; all are counted."""
MOST_NAMED: Final = 500
"""Studies that one row of the audit trail names."""
_BEGUN: Final = {False: "Import begun", True: "Import begun, for comparison only"}
OPEN: Final = (ImportState.RECEIVING, ImportState.RUNNING)


def begin(
    *,
    by: Actor,
    facility: Facility,
    origin: str = "",
    source: str = "",
    claims: Claims | None = None,
    public_id: str = "",
    comparison_only: bool = False,
) -> Import:
    """Say that something is brought: with `claims` scans, else images; `public_id` where a folder has it.

    What is brought as `comparison_only` is not to be read, but where it is linked to an order.
    """
    by.require("study.store", facility)
    if len(origin) > 200 or not origin.isprintable():
        raise Invalid("it is longer than 200 characters, or holds signs that can't be shown", "origin")
    mine = Import.objects.filter(user=by.user, state=ImportState.RECEIVING) if by.user else None
    if mine is not None and mine.count() >= MOST_OPEN:
        raise Conflict(f"you have {MOST_OPEN} uploads that are not finished; finish or cancel one first")
    row = Import.objects.create(
        facility=facility,
        kind=ImportKind.SCANS if claims else ImportKind.IMAGES,
        origin=origin,
        source=source[:500],
        claims=asdict(claims) if claims else {},
        comparison_only=comparison_only,
        user=by.user,
        by=str(by)[:200],
        actor=by.name[:200],
        address=by.address[:64],
        interface=by.interface,
        **({"public_id": public_id} if public_id else {}),
    )
    audit.note(by, audit.IMPORT, audit.CREATE, ("import", row.public_id), act=_BEGUN[comparison_only])
    return row


def claims_of(row: Import) -> Claims | None:
    """What was typed of scans."""
    return Claims(**row.claims) if row.kind == ImportKind.SCANS else None


# Uploading


def receive(*, by: Actor, row: Import, name: str, chunks: Iterable[bytes]) -> None:
    """Keep an uploaded file until the import is started; one of the same name takes its place."""
    by.require("study.store", row.facility)
    _check_receiving(row)
    file = UploadedFile(import_files.uploads_of(row), name, LARGEST - row.uploaded_bytes)
    try:
        for chunk in chunks:
            file.add(chunk)
        size = file.keep()
    finally:
        file.discard()
    rows = Import.objects.filter(pk=row.pk, state=ImportState.RECEIVING, uploaded_files__lt=MOST_FILES)
    with transaction.atomic():
        is_counted = rows.update(
            uploaded_files=F("uploaded_files") + 1,
            uploaded_bytes=F("uploaded_bytes") + size,
            changed_at=clock.now(),
        )
    if not is_counted:
        row.refresh_from_db()
        _check_receiving(row)
        raise Invalid(f"an import has {MOST_FILES:,} files at most; bring them in parts", "file")


def start(*, by: Actor, row: Import) -> Import:
    """All files have come: have them taken in."""
    by.require("study.store", row.facility)
    row = Import.objects.select_for_update().get(pk=row.pk)
    _check_receiving(row)
    if not row.uploaded_files:
        raise Invalid("there is no file to import", "file")
    row.source = row.source or _names(import_files.uploads_of(row))
    row.state, row.changed_at = ImportState.RUNNING, clock.now()
    row.save()
    jobs.enqueue(JOB, row.public_id)
    return row


def stop(*, by: Actor, row: Import) -> Import:
    """Take in no more of it; what came in until now stays, and is judged as usual."""
    by.require("study.store", row.facility)
    row = Import.objects.select_for_update().get(pk=row.pk)
    if row.state not in OPEN:
        raise Conflict(f"the import is {row.get_state_display()} by now")
    end(row, ImportState.STOPPED, f"stopped by {by}")
    _note(row, by, audit.UPDATE)
    return row


def is_for_comparison(study: Study) -> bool:
    """Whether a study was brought for comparison only, by each import that brought it."""
    rows = ImportedStudy.objects.filter(study_instance_uid=study.study_instance_uid)
    return set(rows.values_list("of__comparison_only", flat=True)) == {True}


def read_after_all(*, by: Actor, row: Import) -> Import:
    """What was brought for comparison only is to be read: its studies get their reading items."""
    by.require("study.store", row.facility)
    row = Import.objects.select_for_update().get(pk=row.pk)
    if not row.comparison_only:
        raise Conflict("it is to be read already")
    row.comparison_only = False
    row.save(update_fields=["comparison_only"])
    uids = row.studies.values("study_instance_uid")
    studies = Study.objects.select_for_update(of=("self",)).select_related("facility", "patient")
    for study in studies.filter(study_instance_uid__in=uids).order_by("pk"):
        study_settled.send(sender=None, study=study)
    audit.note(by, audit.IMPORT, audit.UPDATE, ("import", row.public_id), act="Import to be read after all")
    return row


def _check_receiving(row: Import) -> None:
    if row.state != ImportState.RECEIVING:
        raise Conflict(f"the import is {row.get_state_display()} by now, and takes no more files")


def _names(folder: Path) -> str:
    """The names of what lies in a folder, as many as one reads."""
    names = sorted(path.name for path in folder.iterdir())
    shown = ", ".join(names[:5])
    return f"{shown}, and {len(names) - 5} more"[:500] if len(names) > 5 else shown[:500]


# What the job and the command write down


def run_here(row: Import) -> None:
    """Mark an import as taken in by whoever began it, who keeps its files himself."""
    row.state = ImportState.RUNNING
    row.save(update_fields=["state"])


def add(row: Import, tally: Tally) -> None:
    """Add to a locked import what became of some of its files; the caller saves it."""
    row.files_done += tally.files
    row.taken += tally.taken
    row.repeated += tally.repeated
    row.passed_over += tally.passed_over
    kept = min(row.refused, MOST_REFUSALS)
    refusals = tally.refusals[: MOST_REFUSALS - kept]
    row.refused += tally.refused
    ImportRefusal.objects.bulk_create(
        ImportRefusal(of=row, number=number, name=_shown(name)[-300:], reason=_shown(reason)[:500])
        for number, (name, reason) in enumerate(refusals, kept + 1)
    )
    ImportedStudy.objects.bulk_create(
        (ImportedStudy(of=row, study_instance_uid=uid) for uid in tally.studies if uid),
        ignore_conflicts=True,
    )
    row.changed_at = clock.now()


def finish(row: Import) -> None:
    """A locked import is done: say so, and write down what came in."""
    end(row, ImportState.DONE)
    interface = Interface(row.interface)
    _note(row, Actor(row.actor, interface, shown=row.by, address=row.address), audit.CREATE)


def end(row: Import, state: ImportState, reason: str = "") -> None:
    """Mark a locked import as ended; its files go once that is committed."""
    row.state, row.end_reason = state, reason[:500]
    row.finished_at = row.changed_at = clock.now()
    row.save()
    transaction.on_commit(lambda: import_files.remove(row))


def _note(row: Import, actor: Actor, action: str) -> None:
    """What came in, in the audit trail (PS3.15 A.5.3.9)."""
    uids = list(row.studies.order_by("pk").values_list("study_instance_uid", flat=True))
    failed = row.refused and not (row.taken or row.repeated)
    for start in range(0, max(len(uids), 1), MOST_NAMED):
        things = [("study", uid) for uid in uids[start : start + MOST_NAMED]]
        outcome = audit.MINOR_FAILURE if failed else audit.SUCCESS
        audit.note(
            actor,
            audit.IMPORT,
            action,
            ("import", row.public_id),
            *things,
            outcome=outcome,
            act=f"Import {row.get_state_display()}",
        )


def _shown(text: str) -> str:
    """Names of strangers' files may hold anything."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
