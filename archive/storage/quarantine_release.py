"""What people do with quarantined objects: release one into a study, discard it, or take that back.

What is released is a copy; the file in quarantine stays as it came. Where another object has its SOP Instance
UID, or one of its UIDs is none, it gets one that follows from its content, and Original Attributes Sequence
says what there was (PS3.3 C.12.1.1.9). Released twice it is one object.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import transaction

from accounts.actor import Actor
from archive import archive_events
from archive.coercion import coerced_bytes
from archive.coercion.attribute_coercion import CORRECT, Coercion
from archive.dataset.dataset_error import DatasetError
from archive.dataset.frames import walk_mapped
from archive.dataset.part10 import build_preamble_and_meta, map_dataset, open_part10
from archive.dataset.tags import SERIES_INSTANCE_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID
from archive.dataset.uid import valid_uid
from archive.dataset.walk import Walked
from archive.models import Instance, Quarantined, QuarantineState, StoredFile, Study
from archive.storage import generated_objects, quarantine
from archive.storage.intake import Announcement, NotKept
from ledger import audit, clock, events
from ledger.errors import Conflict, Invalid, Missing, Refused
from ledger.event_types import EventType
from worklist.orders import generated_ids

MOST: Final = 100
"""Objects on which one act decides."""
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one of several: why it was not done, if it was not."""

    row: Quarantined
    refused: str = ""


def release(rows: Iterable[Quarantined], *, reason: str, by: Actor, study: Study | None = None) -> list[Done]:
    """Store copies of objects in `study`, or in the study that each names itself.

    Each stands for itself: of one that can't be released the text says why. Raises `Missing` and `Invalid`
    for the reason, and `Forbidden`.
    """
    by.require("quarantine.decide")
    return [_tried(row, lambda row: _release(row, study, reason, by)) for row in _checked(rows, reason)]


def discard(rows: Iterable[Quarantined], *, reason: str, by: Actor) -> list[Done]:
    """Set objects aside; the files are removed 30 days later, by `fsck`. Raises as `release` does."""
    return _each(
        rows, reason, by, QuarantineState.KEPT, QuarantineState.DISCARDED, archive_events.OBJECT_DISCARDED
    )


def restore(rows: Iterable[Quarantined], *, reason: str, by: Actor) -> list[Done]:
    """Take back that objects were discarded. Raises as `release` does."""
    return _each(
        rows, reason, by, QuarantineState.DISCARDED, QuarantineState.KEPT, archive_events.OBJECT_RESTORED
    )


def _each(
    rows: Iterable[Quarantined],
    reason: str,
    by: Actor,
    before: QuarantineState,
    after: QuarantineState,
    event: EventType,
) -> list[Done]:
    by.require("quarantine.decide")

    def act(row: Quarantined) -> None:
        _end(row, before, after, reason, by, event)

    return [_tried(row, act) for row in _checked(rows, reason)]


def _checked(rows: Iterable[Quarantined], reason: str) -> Sequence[Quarantined]:
    if not reason.strip():
        raise Missing("it needs a reason", "reason")
    if len(reason) > 500:
        raise Invalid(f"the reason has {len(reason)} characters, 500 fit", "reason")
    rows = list(rows)
    if len(rows) > MOST:
        raise Invalid(f"{len(rows)} objects are named, {MOST} fit", "ids")
    return rows


def _tried(row: Quarantined, act: Callable[[Quarantined], None]) -> Done:
    try:
        act(row)
    except Refused as error:
        return Done(row, error.text)
    row.refresh_from_db()
    return Done(row)


def _end(
    row: Quarantined,
    before: QuarantineState,
    after: QuarantineState,
    reason: str,
    by: Actor,
    event: EventType,
    study_uid: str = "",
    **values: str,
) -> None:
    with transaction.atomic():
        locked = Quarantined.objects.select_for_update().get(pk=row.pk)
        if locked.state != before:
            raise Conflict(f"it is {locked.get_state_display()} already", "state")
        locked.state, locked.end_reason = after, reason
        locked.ended_at, locked.ended_by = clock.now(), str(by)[:200]
        for name, value in values.items():
            setattr(locked, name, value)
        locked.save()
        things = [("quarantined", row.public_id)]
        about = [*things, ("study_instance_uid", study_uid)] if study_uid else things
        events.record(event, about=about, actor=by, reason=reason)
        seen = [*things, ("study", study_uid)] if study_uid else things
        audit.note(by, audit.INSTANCES_ACCESSED, audit.UPDATE, *seen, act=event.words)


# Releasing


def _release(row: Quarantined, study: Study | None, reason: str, by: Actor) -> None:
    if row.state != QuarantineState.KEPT:
        raise Conflict(f"it is {row.get_state_display()} already", "state")
    path = quarantine.path_of(row)
    try:
        walked, transfer_syntax = _walk(path)
        uids = _uids(row, walked, study)
        dataset = _dataset(path, row, uids)
    except FileNotFoundError:
        raise Conflict("its file is not there", "file") from None
    except DatasetError as error:
        raise Conflict(f"it can't be read as DICOM: {error}", "file") from None
    sop = uids[SOP_INSTANCE_UID]
    head = build_preamble_and_meta(walked.sop_class_uid, sop, transfer_syntax, row.calling_ae_title)
    announced = Announcement(walked.sop_class_uid, sop, row.calling_ae_title, row.address)
    outcome = generated_objects.take_written(head, dataset, transfer_syntax, announced)
    if isinstance(outcome, NotKept):
        raise Conflict(outcome.comment, "file")
    _end(
        row,
        QuarantineState.KEPT,
        QuarantineState.RELEASED,
        reason,
        by,
        archive_events.OBJECT_RELEASED,
        uids[STUDY_INSTANCE_UID],
        released_as=sop,
    )


def _walk(path: Path) -> tuple[Walked, str]:
    part10 = open_part10(path)
    with map_dataset(part10) as (buffer, start):
        walked = walk_mapped(buffer, start, part10)
    if not valid_uid(walked.sop_class_uid):
        raise DatasetError("SOP Class UID missing or no UID")
    return walked, part10.transfer_syntax


def _uids(row: Quarantined, walked: Walked, study: Study | None) -> dict[int, str]:
    """Under which UIDs it is stored, by tag."""
    sop, series = walked.sop_instance_uid, walked.series_instance_uid
    named = study.study_instance_uid if study else walked.study_instance_uid
    if not valid_uid(named):
        raise Missing("it names no study: name the one that it belongs to", "study_instance_uid")
    is_taken = Instance.objects.filter(sop_instance_uid=sop).exists()
    is_same = StoredFile.objects.filter(sha256=row.sha256, instance__sop_instance_uid=sop).exists()
    if not valid_uid(sop) or (is_taken and not is_same):
        sop = generated_ids.study_instance_uid("quarantine", row.sha256)
    if not valid_uid(series):
        series = generated_ids.study_instance_uid("quarantine", "series", named)
    return {SOP_INSTANCE_UID: sop, STUDY_INSTANCE_UID: named, SERIES_INSTANCE_UID: series}


def _dataset(path: Path, row: Quarantined, uids: dict[int, str]) -> Iterator[bytes]:
    """The bytes of the dataset under these UIDs: as they came where they say the same."""
    moment = row.received_at.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f+0000")
    coercion = Coercion(tuple(uids.items()), CORRECT, moment, settings.AE_TITLE)
    coerced = coerced_bytes.coerced(path, coercion)
    if coerced is None:
        return _as_it_came(path)
    body = coerced.body()
    next(body)  # the head, which names the UIDs that it had
    return body


def _as_it_came(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(open_part10(path).dataset_offset)
        while piece := file.read(_CHUNK):
            yield piece
