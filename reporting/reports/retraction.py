"""What a retraction brings: another item takes the place of the one whose report was taken back."""

from collections.abc import Mapping
from typing import Any

from archive.models import ReadingStatus
from ledger import clock, events
from reporting import reporting_events
from reporting.errors import StateConflict
from reporting.models import ReadingItem
from reporting.reading_worklist import reading_items, reading_status
from worklist.models import Patient


def succeed(item: ReadingItem) -> None:
    """After a retraction the images wait for a report again, since when they first did."""
    key, number = item.key, ReadingItem.objects.filter(key__startswith=f"{item.key}#").count() + 1
    item.key, item.retracted, item.withdrawn_reason = f"{key}#{number}", True, "its report was retracted"
    item.save()
    times = ("ordered_at", "scheduled_at", "arrived_at", "started_at", "completed_at", "ready_at", "due_at")
    new = ReadingItem(
        key=key,
        facility=item.facility,
        patient=_patient_now(item),
        priority=item.priority,
        band=item.band,
        modality=item.modality,
        body_part=item.body_part,
        description=item.description,
        **{name: getattr(item, name) for name in times},
    )
    new.save()
    new.studies.set(item.studies.all())
    new.procedures.set(item.procedures.all())
    reading_status.note_owner(new, clock.now())
    events.record(reporting_events.READY, about=reading_status.things(new), reason="the report was retracted")
    reading_status.settle_studies(new)


def _patient_now(item: ReadingItem) -> Patient | None:
    study = item.studies.select_related("patient").order_by("pk").first()
    return study.patient if study else None


def undo_successor(item: ReadingItem, before: Mapping[str, Any]) -> None:
    """Take the item back that a retraction had made, unless somebody has begun on it."""
    if item.key == before["key"]:
        return
    successor = ReadingItem.objects.filter(key=before["key"]).first()
    if successor is not None:
        if reading_items.is_begun(successor):
            raise StateConflict("the item that took its place is begun already", "later_version")
        successor.key = f"{before['key']}#undone{successor.pk}"
        successor.withdrawn_reason, successor.retracted = "the retraction was undone", True
        successor.save()
        reading_status.change(
            successor,
            ReadingStatus.WITHDRAWN,
            event=reporting_events.WITHDRAWN,
            reason="the retraction was undone",
        )
    item.key, item.retracted, item.withdrawn_reason = before["key"], False, ""
    item.save()
