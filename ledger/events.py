"""The timeline: every step of an order, a study or a report leaves an event here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from ledger import row_sets
from ledger.event_types import EventType
from ledger.models import Event, EventSubject
from ledger.public_id import new_public_id

Thing = tuple[str, str]
"""A type and an id, such as `("order", "3f2a…")`."""


def record(
    event_type: EventType,
    *,
    about: Iterable[Thing],
    occurred_at: datetime | None = None,
    actor: object = "",
    source: str = "",
    **details: Any,
) -> Event:
    """Record what happened to the things that it is `about`, in the caller's transaction.

    The timeline names the `actor` as its `str` does.

    Raises `UnknownEvent` for a type that nobody has declared, or without the details that its words need.
    """
    assert connection.in_atomic_block, "an event is part of the act's own transaction"
    event_type.check(details)
    event = Event.objects.create(
        kind=event_type.kind,
        occurred_at=occurred_at or timezone.now(),
        actor=str(actor)[:200],
        source=source,
        details=details,
    )
    EventSubject.objects.bulk_create(
        EventSubject(event=event, type=type_, key=key) for type_, key in dict.fromkeys(about)
    )
    return event


@dataclass(frozen=True)
class Entry:
    """An event that is to be recorded."""

    event_type: EventType
    about: Sequence[Thing]
    occurred_at: datetime | None = None
    actor: object = ""
    source: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _EventRow:
    kind: str
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    source: str
    details: Mapping[str, Any]
    public_id: str = field(default_factory=new_public_id)


@dataclass(slots=True)
class _SubjectRow:
    event_id: int
    type: str
    key: str


_EVENTS: Final = row_sets.Table(Event, _EventRow)
_SUBJECTS: Final = row_sets.Table(EventSubject, _SubjectRow)


def record_all(entries: Sequence[Entry]) -> None:
    """Record many events in the caller's transaction, as `record` does one."""
    assert connection.in_atomic_block, "an event is part of the act's own transaction"
    if not entries:
        return
    now = timezone.now()
    rows = []
    for one in entries:
        one.event_type.check(one.details)
        at = one.occurred_at or now
        actor = str(one.actor)[:200]
        rows.append(_EventRow(one.event_type.kind, at, now, actor, one.source, one.details))
    keys = {public_id: key for key, public_id in _EVENTS.insert_returning("RETURNING id, public_id", rows)}
    _SUBJECTS.insert(
        [
            _SubjectRow(keys[row.public_id], type_, key)
            for row, entry in zip(rows, entries, strict=True)
            for type_, key in dict.fromkeys(entry.about)
        ]
    )


def timeline(type_: str, key: str, limit: int = 200) -> list[Event]:
    """The newest `limit` events about one thing, newest first."""
    return timeline_of([(type_, key)], limit)


def timeline_of(things: Iterable[Thing], limit: int = 200) -> list[Event]:
    """The newest `limit` events about any of some things, newest first, each once."""
    about = Q()
    for type_, key in things:
        about |= Q(type=type_, key=key)
    if not about:
        return []
    subjects = EventSubject.objects.filter(about).values("event")
    rows = Event.objects.filter(pk__in=subjects).prefetch_related("subjects")
    return list(rows.order_by("-occurred_at", "-id")[:limit])
