"""The one table of an item's transitions, and what a change of status brings with it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.db import connection

from archive.models import ReadingStatus, Study
from ledger import clock, events
from ledger.event_types import EventType
from reporting.errors import StateConflict
from reporting.models import Owner, OwnerSpan, ReadingItem, Report

MAY: Final[Mapping[str, frozenset[str]]] = {
    ReadingStatus.NOT_READY: frozenset({ReadingStatus.READY, ReadingStatus.WITHDRAWN}),
    ReadingStatus.READY: frozenset({ReadingStatus.READING, ReadingStatus.WITHDRAWN}),
    ReadingStatus.READING: frozenset(
        {
            ReadingStatus.READY,
            ReadingStatus.DICTATED,
            ReadingStatus.TRANSCRIBED,
            ReadingStatus.PRELIMINARY,
            ReadingStatus.FINAL,
            ReadingStatus.WITHDRAWN,
        }
    ),
    ReadingStatus.DICTATED: frozenset(
        {
            ReadingStatus.READING,
            ReadingStatus.TRANSCRIBED,
            ReadingStatus.PRELIMINARY,
            ReadingStatus.FINAL,
            ReadingStatus.WITHDRAWN,
        }
    ),
    ReadingStatus.TRANSCRIBED: frozenset(
        {
            ReadingStatus.READING,
            ReadingStatus.DICTATED,
            ReadingStatus.PRELIMINARY,
            ReadingStatus.FINAL,
            ReadingStatus.WITHDRAWN,
        }
    ),
    ReadingStatus.PRELIMINARY: frozenset(
        {ReadingStatus.DICTATED, ReadingStatus.TRANSCRIBED, ReadingStatus.FINAL}
    ),
    ReadingStatus.FINAL: frozenset({ReadingStatus.AMENDED, ReadingStatus.WITHDRAWN}),
    ReadingStatus.AMENDED: frozenset({ReadingStatus.WITHDRAWN}),
    ReadingStatus.WITHDRAWN: frozenset({ReadingStatus.READY, ReadingStatus.READING}),
}
"""From which status to which. An undo within its window goes back by `restore`, past this table."""

_OWNERS: Final[Mapping[str, Owner]] = {
    ReadingStatus.READY: Owner.QUEUE,
    ReadingStatus.READING: Owner.READER,
    ReadingStatus.DICTATED: Owner.TYPIST,
    ReadingStatus.TRANSCRIBED: Owner.SIGNER,
    ReadingStatus.PRELIMINARY: Owner.SIGNER,
}
_MILESTONES: Final[Mapping[str, str]] = {
    ReadingStatus.READING: "opened_at",
    ReadingStatus.DICTATED: "dictated_at",
    ReadingStatus.TRANSCRIBED: "typed_at",
    ReadingStatus.PRELIMINARY: "preliminary_at",
    ReadingStatus.FINAL: "final_at",
    ReadingStatus.WITHDRAWN: "withdrawn_at",
}
_ORDER: Final = (
    ReadingStatus.NOT_READY,
    ReadingStatus.READY,
    ReadingStatus.READING,
    ReadingStatus.DICTATED,
    ReadingStatus.TRANSCRIBED,
    ReadingStatus.PRELIMINARY,
    ReadingStatus.FINAL,
    ReadingStatus.AMENDED,
)
"""A study is as far as the item of it that is least far."""

OPEN: Final = (
    ReadingStatus.READY,
    ReadingStatus.READING,
    ReadingStatus.DICTATED,
    ReadingStatus.TRANSCRIBED,
    ReadingStatus.PRELIMINARY,
)
SIGNED: Final = (ReadingStatus.FINAL, ReadingStatus.AMENDED)


def is_open(item: ReadingItem, report: Report | None) -> bool:
    """Whether an item with this report is still to be read or written on."""
    return item.status in OPEN and (report is None or not report.is_signed)


def lock(item: ReadingItem) -> ReadingItem:
    """The item, locked after its studies, in the order in which all who need both lock them."""
    assert connection.in_atomic_block
    list(
        Study.objects.select_for_update(of=("self",))
        .filter(reading_items=item)
        .order_by("study_instance_uid")
        .values_list("pk")
    )
    rows = ReadingItem.objects.select_for_update(of=("self",)).select_related("facility", "patient__survivor")
    return rows.get(pk=item.pk)


def change(
    item: ReadingItem,
    status: str,
    *,
    event: EventType,
    at: datetime | None = None,
    actor: object = "",
    **details: Any,
) -> None:
    """Bring the locked item to `status`; raises `StateConflict` where the table doesn't allow it."""
    if item.status == status:
        return
    if status not in MAY[item.status]:
        raise StateConflict(f"it is {item.status}, which can't become {status}", "status")
    at = at or clock.now()
    item.status = status
    milestone = _MILESTONES.get(status)
    if milestone and getattr(item, milestone) is None:
        setattr(item, milestone, at)
    if status in OPEN:
        item.withdrawn_at, item.withdrawn_reason = None, ""
    else:
        item.reserved_for = item.reserved_until = None
        item.hold_reason = item.hold_note = ""
    _changed(item, at, actor, event, details)


def restore(
    item: ReadingItem, before: Mapping[str, Any], *, actor: object, event: EventType, **details: Any
) -> None:
    """Bring back the status and the milestones that an undone signature had changed."""
    item.status = before["status"]
    for name in ("preliminary_at", "final_at", "withdrawn_at"):
        text = before[name]
        setattr(item, name, datetime.fromisoformat(text) if text else None)
    _changed(item, clock.now(), actor, event, details)


def snapshot(item: ReadingItem) -> dict[str, Any]:
    """What `restore` needs."""
    times = {
        name: moment.isoformat() if (moment := getattr(item, name)) else ""
        for name in ("preliminary_at", "final_at", "withdrawn_at")
    }
    return {"status": item.status, **times}


def owner(item: ReadingItem) -> Owner:
    """Whose turn it is."""
    usual = _OWNERS.get(item.status, Owner.NOBODY)
    return Owner.OUTSIDE if item.hold_reason and usual != Owner.NOBODY else usual


def note_owner(item: ReadingItem, at: datetime, actor: object = "") -> None:
    """Add to the log whose turn it is from `at` on, if that is news."""
    newest = OwnerSpan.objects.filter(item=item).order_by("-at", "-id").first()
    whose = owner(item)
    if newest is None or newest.owner != whose or newest.status != item.status:
        OwnerSpan.objects.create(item=item, at=at, owner=whose, status=item.status, actor=str(actor)[:200])


def things(item: ReadingItem) -> list[events.Thing]:
    """What an event about an item is about."""
    about: list[events.Thing] = [("reading_item", item.public_id)]
    about += [("study", key) for key in item.studies.values_list("public_id", flat=True)]
    about += [("order", key) for key in item.procedures.values_list("order__public_id", flat=True)]
    if item.patient is not None:
        about.append(("patient", item.patient.public_id))
    return about


def settle_studies(item: ReadingItem) -> None:
    """Mark each study of the item as read as far as its items are."""
    for study in item.studies.order_by("study_instance_uid"):
        settle_study(study)


def settle_study(study: Study) -> None:
    """Mark a study as read as far as its items are."""
    states = set(ReadingItem.objects.filter(studies=study).values_list("status", flat=True))
    states_open = states - {ReadingStatus.WITHDRAWN}
    if states_open:
        least = min(states_open, key=lambda status: _ORDER.index(ReadingStatus(status)))
        amended = least == ReadingStatus.FINAL and ReadingStatus.AMENDED in states_open
        status = ReadingStatus.AMENDED if amended else ReadingStatus(least)
    else:
        status = ReadingStatus.WITHDRAWN if states else ReadingStatus.NOT_READY
    if study.reading_status != status:
        study.reading_status = status
        study.save(update_fields=["reading_status"])


def _changed(
    item: ReadingItem, at: datetime, actor: object, event: EventType, details: Mapping[str, Any]
) -> None:
    item.revision += 1
    item.save()
    note_owner(item, at, actor)
    events.record(event, about=things(item), occurred_at=at, actor=actor, **details)
    settle_studies(item)
