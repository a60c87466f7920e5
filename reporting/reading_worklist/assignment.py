"""The reading worklist: who reads what, and nobody the same.

Possession is a lease of 120 s of the database's time, which its holder's page extends; `fence` tells an old
holder from a new one. A second person may look, and may take over: free where the lease is stale or the
person supervises, else with a reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts import access
from accounts.actor import Actor
from accounts.models import User
from archive.models import ExceptionKind, ExceptionStatus, Outcome, ReadingStatus, StudyException
from archive.search import omnisearch
from ledger import audit, clock, events, written_dates
from ledger.errors import Invalid
from ledger.event_types import EventType
from reporting import reporting_events
from reporting.errors import StateConflict
from reporting.models import HoldReason, ReadingItem, ReadingLease, Skip
from reporting.reading_worklist import authorship, reading_items, reading_status
from worklist.models import Patient
from worklist.patients import patient_search, person_names, typed_dates

LEASE: Final = timedelta(seconds=120)
PARKED: Final = timedelta(minutes=30)
RESERVED: Final = timedelta(hours=12)
RELEASED: Final = timedelta(hours=1)
"""How long an item is not handed again to who released it: others have it first, and it is not forgotten."""
UNREAD: Final = (ReadingStatus.READY,)


class SkipReason(StrEnum):
    """Why a reader passes an item over."""

    NOT_MINE = "not my field"
    IMAGES_MISSING = "images missing"
    NEED_INFORMATION = "need information"
    OTHER = "other"


_HOLDS: Final[Mapping[str, HoldReason]] = {
    SkipReason.IMAGES_MISSING: HoldReason.IMAGES_MISSING,
    SkipReason.NEED_INFORMATION: HoldReason.NEED_INFORMATION,
}
"""What somebody outside has to bring before anybody can read: the item waits for it, whoever skips it."""


@dataclass(frozen=True)
class Wanted:
    """What of the worklist a reader wants; an empty filter takes everything."""

    modality: str = ""
    priority: str = ""
    statuses: tuple[str, ...] = ()
    text: str = ""
    mine: bool = False
    overdue: bool = False
    investigated: bool = False


EVERYTHING: Final = Wanted()


def worklist(*, user: User, wanted: Wanted = EVERYTHING) -> QuerySet[ReadingItem]:
    """What is to be read, the neediest first: STAT before the rest, then by due time, then by readiness."""
    rows = access.visible(ReadingItem.objects.all(), user)
    rows = rows.filter(status__in=wanted.statuses or reading_status.OPEN)
    if wanted.modality:
        rows = rows.filter(modality__contains=wanted.modality)
    if wanted.priority:
        rows = rows.filter(priority=wanted.priority)
    if wanted.mine:
        held = Q(lease__holder=user, lease__until__gt=clock.now())
        rows = rows.filter(Q(pk__in=authorship.items_of(user).values("pk")) | held)
    if wanted.overdue:
        rows = rows.filter(due_at__lt=clock.now())
    if wanted.text:
        rows = rows.filter(pk__in=ReadingItem.objects.filter(_matches(wanted.text)).values("pk"))
    investigations = _investigations()
    cancelled = investigations.filter(kind=ExceptionKind.CANCELLED_AFTER_IMAGES)
    rows = rows.annotate(
        has_mismatch=Exists(investigations.filter(study__verdict=Outcome.MISMATCH)),
        under_investigation=Exists(investigations),
        order_cancelled=Exists(cancelled),
    )
    if wanted.investigated:
        rows = rows.filter(Exists(investigations))
    return rows.order_by("band", "due_at", "ready_at", "id")


def overdue(*, user: User) -> int:
    """How many are past due; they never pass band 0, so they are counted beside it."""
    rows = access.visible(ReadingItem.objects.filter(status__in=reading_status.OPEN), user)
    return rows.filter(due_at__lt=clock.now()).count()


def offered(*, user: User, wanted: Wanted = EVERYTHING) -> QuerySet[ReadingItem]:
    """What `user` is handed without choosing it, the neediest first.

    Not what others have, and not what the reader has passed over. Items under investigation are for those who
    choose them, one by one or by the filter.
    """
    now = clock.now()
    rows = _unclaimed(user, wanted).exclude(Exists(_passed_over(user, now)))
    return rows if wanted.investigated else rows.exclude(Exists(_investigations()))


@dataclass(frozen=True)
class LeftOut:
    """What nobody has and `next_item` does not hand to a reader all the same."""

    passed_over: int
    investigated: int


def left_out(*, user: User, wanted: Wanted = EVERYTHING) -> LeftOut:
    """How many unclaimed items wait for the reader's own choice, each counted once."""
    rows = _unclaimed(user, wanted)
    passed_over = Exists(_passed_over(user, clock.now()))
    investigated = rows.exclude(passed_over).filter(Exists(_investigations()))
    return LeftOut(rows.filter(passed_over).count(), 0 if wanted.investigated else investigated.count())


def _unclaimed(user: User, wanted: Wanted) -> QuerySet[ReadingItem]:
    now = clock.now()
    rows = worklist(user=user, wanted=wanted).filter(status__in=UNREAD, hold_reason="")
    return rows.exclude(lease__until__gt=now).exclude(Q(reserved_until__gt=now) & ~Q(reserved_for=user))


def _investigations() -> QuerySet[StudyException]:
    """The open exceptions of an item's studies, below a query of items."""
    return StudyException.objects.filter(study__reading_items=OuterRef("pk"), status=ExceptionStatus.OPEN)


def _passed_over(user: User, now: datetime) -> QuerySet[Skip]:
    rows = Skip.objects.filter(item=OuterRef("pk"), user=user)
    return rows.filter(Q(until=None) | Q(until__gt=now))


def next_item(*, by: Actor, wanted: Wanted = EVERYTHING) -> ReadingItem | None:
    """Pick what needs `by` most and lease it in this transaction; two readers never get the same."""
    assert connection.in_atomic_block
    by.require("report.write")
    skip_locked = connection.features.has_select_for_update_skip_locked
    rows = offered(user=by.person, wanted=wanted)
    item = rows.select_for_update(of=("self",), skip_locked=skip_locked).first()
    if item is None:
        return None
    take(item=item, by=by)
    return ReadingItem.objects.get(pk=item.pk)


def take(*, item: ReadingItem, by: Actor, reason: str = "") -> ReadingLease:
    """Take the right to write on an item; from another live holder only with a reason, or as a supervisor."""
    by.require("report.write", item)
    lease = lease_to(by, item, reason)
    if lease.parked:
        lease.parked, lease.until = False, clock.now() + LEASE
        lease.save()
    _note(by, item, "Exam taken for reading")
    return lease


def lease_to(by: Actor, item: ReadingItem, reason: str = "") -> ReadingLease:
    """What `take` does, for acts that take the right with them; what its holder has parked stays parked."""
    reader = by.person
    item = reading_status.lock(item)
    if item.status not in reading_status.OPEN:
        raise StateConflict(f"it is {item.status}; add to it with an addendum", "signed")
    now = clock.now()
    lease = lease_of(item) or ReadingLease(item=item, taken_at=now, until=now)
    other = lease.holder if lease.holder_id not in (None, reader.pk) else None
    may_take = bool(reason.strip()) or access.can(reader, "reading.supervise")
    if other is not None and lease.until > now and not may_take:
        text = f"{other} has it since {written_dates.zoned(lease.taken_at, UTC)}"
        raise StateConflict(text, "held", changed=_held(lease, now))
    if lease.holder_id != reader.pk or lease.until <= now:
        lease.parked = False
    if lease.holder_id != reader.pk:
        lease.taken_from = other if lease.until > now else None
        lease.holder, lease.taken_at, lease.taken_reason = reader, now, reason[:500]
        lease.fence += 1
    lease.until, lease.input_at = now + (PARKED if lease.parked else LEASE), now
    lease.save()
    if other is not None and lease.taken_from_id:
        _tell(item, reporting_events.TAKEN_OVER, by, reason=reason, taken_from=str(other))
    if item.status == ReadingStatus.READY:
        reading_status.change(item, ReadingStatus.READING, at=now, actor=by, event=reporting_events.OPENED)
    return lease


def renew(*, item: ReadingItem, by: Actor, fence: int, idle_seconds: float = 0) -> ReadingLease:
    """Extend a lease; `StateConflict` "taken_over" tells its old holder that another person has it now."""
    by.require("report.write", item)
    lease = ReadingLease.objects.select_for_update(of=("self",)).filter(item=item).first()
    if lease is None or lease.holder_id != by.person.pk or lease.fence != fence:
        holder = f"{lease.holder} has it now" if lease and lease.holder else "the lease ended"
        raise StateConflict(holder, "taken_over", changed=_held(lease, clock.now()) if lease else {})
    now = clock.now()
    lease.until = now + (PARKED if lease.parked else LEASE)
    lease.input_at = now - timedelta(seconds=max(0.0, min(idle_seconds, 86400.0)))
    lease.save()
    return lease


def park(*, item: ReadingItem, by: Actor, fence: int) -> ReadingLease:
    """Keep an item for half an hour while something more urgent is read; `take` comes back to it."""
    lease = renew(item=item, by=by, fence=fence)
    lease.parked, lease.until = True, clock.now() + PARKED
    lease.save()
    _note(by, item, "Exam parked")
    return lease


def let_go(*, item: ReadingItem, by: Actor, fence: int) -> None:
    """Give an item back: to the queue where nothing was written or said, else it waits for its author.

    It is not handed to this reader again for a while.
    """
    by.require("report.write", item)
    item = reading_status.lock(item)
    lease = lease_of(item)
    if lease is None or lease.holder_id != by.person.pk or lease.fence != fence:
        return
    now = clock.now()
    lease.until = now
    lease.save()
    _to_queue(item, by)
    passed = Skip.objects.filter(item=item, user=by.person)
    if not passed.filter(until=None).exists():
        defaults = {"reason": "released", "at": now, "until": now + RELEASED}
        Skip.objects.update_or_create(item=item, user=by.person, defaults=defaults)
    _note(by, item, reporting_events.RELEASED_BY_READER.words)


def skip(*, item: ReadingItem, by: Actor, reason: str, note: str = "") -> HoldReason | None:
    """Pass an item over; it is not handed to this reader again. Returns the hold that comes of it, if any.

    The reason is one of `SkipReason`, or in the reader's own words.
    """
    by.require("report.write", item)
    if not reason.strip():
        raise Invalid("say why it is skipped", "reason")
    if reason == SkipReason.OTHER and not note.strip():
        raise Invalid("say why it is skipped", "note")
    item = reading_status.lock(item)
    text = (f"{reason}: {note}" if note else reason)[:500]
    defaults = {"reason": text, "at": clock.now(), "until": None}
    Skip.objects.update_or_create(item=item, user=by.person, defaults=defaults)
    _tell(item, reporting_events.SKIPPED, by, reason=text)
    _give_back(item, by)
    _note(by, item, reporting_events.SKIPPED.words)
    held_for = _HOLDS.get(reason)
    if held_for is not None:
        hold(item=item, by=by, reason=held_for, note=note)
    return held_for


def _give_back(item: ReadingItem, by: Actor) -> None:
    """End the reader's own lease, where there is one."""
    lease = lease_of(item)
    if lease is not None and lease.holder_id == by.person.pk:
        lease.until = clock.now()
        lease.save()
        _to_queue(item, by)


def reserve(*, item: ReadingItem, by: Actor) -> None:
    """Keep an item for oneself, for a shift at most; it stays in everybody's count of what is overdue."""
    by.require("report.write", item)
    item = reading_status.lock(item)
    reader, now = by.person, clock.now()
    if item.reserved_for_id not in (None, reader.pk) and item.reserved_until and item.reserved_until > now:
        raise StateConflict(f"{item.reserved_for} has reserved it", "held")
    item.reserved_for, item.reserved_until = reader, now + RESERVED
    item.save()
    _tell(item, reporting_events.RESERVED, by)
    _note(by, item, reporting_events.RESERVED.words)


def hold(*, item: ReadingItem, by: Actor, reason: str, note: str = "") -> None:
    """Let an item wait for information or images; the time counts as somebody else's."""
    by.require("report.write", item)
    if reason not in HoldReason.values:
        raise Invalid(f"a hold is for one of: {', '.join(HoldReason.values)}", "reason")
    item = reading_status.lock(item)
    if item.status not in reading_status.OPEN:
        raise StateConflict(f"it is {item.status}", "status")
    item.hold_reason, item.hold_note = reason, note[:500]
    item.seen_images = reading_items.image_count(item)
    _turned(item, reporting_events.HELD, by, reason=reason, note=note[:500])
    _note(by, item, "Reading put on hold")


def resume(*, item: ReadingItem, by: Actor) -> None:
    """End a hold."""
    by.require("report.write", item)
    item = reading_status.lock(item)
    if not item.hold_reason:
        raise StateConflict("it is not on hold", "status")
    item.hold_reason = item.hold_note = ""
    _turned(item, reporting_events.RESUMED, by)
    _note(by, item, reporting_events.RESUMED.words)


def withdraw(*, item: ReadingItem, by: Actor, reason: str) -> None:
    """No report is needed; what was written or said is kept."""
    by.require("report.write", item)
    if not reason.strip():
        raise Invalid("say why no report is needed", "reason")
    item = reading_status.lock(item)
    item.withdrawn_reason = reason[:200]
    reading_status.change(
        item, ReadingStatus.WITHDRAWN, actor=by, event=reporting_events.WITHDRAWN, reason=reason[:200]
    )
    _note(by, item, reporting_events.WITHDRAWN.words)


def reopen(*, item: ReadingItem, by: Actor) -> None:
    """Undo a withdrawal."""
    by.require("report.write", item)
    item = reading_status.lock(item)
    if item.retracted:
        raise StateConflict("its report was retracted; another item took its place", "status")
    reading_status.change(item, ReadingStatus.READY, actor=by, event=reporting_events.READY)
    _note(by, item, "Withdrawal undone: back in the reading list")


def confirm_patient(*, item: ReadingItem, by: Actor, revision: int) -> None:
    """The author says that what is written is about the patient shown now."""
    by.require("report.write", item)
    item = reading_status.lock(item)
    if item.revision != revision:
        raise StateConflict("it changed meanwhile; look at it again", "stale_revision")
    question, item.patient_question = item.patient_question, ""
    item.begun_key, item.begun_for = "", None
    item.save()
    if question:
        _tell(item, reporting_events.PATIENT_CONFIRMED, by, question=question)
    _note(by, item, "Patient confirmed")


# Leases that ended by themselves


def abandoned() -> QuerySet[ReadingItem]:
    """Items that are shown as being read though nobody holds them any more."""
    return ReadingItem.objects.filter(status=ReadingStatus.READING, lease__until__lt=clock.now()).exclude(
        Q(report__isnull=False) | Q(dictations__isnull=False)
    )


def release_abandoned() -> int:
    """Put abandoned items on which nothing was begun back into the queue; return how many."""
    done = 0
    for item in abandoned()[:50]:
        with transaction.atomic():
            locked = reading_status.lock(item)
            lease = lease_of(locked)
            if locked.status == ReadingStatus.READING and lease and lease.until < clock.now():
                _to_queue(locked, Actor.system())
                done += 1
    return done


def lease_of(item: ReadingItem) -> ReadingLease | None:
    """The item's lease, also one that has ended."""
    return ReadingLease.objects.select_related("holder").filter(item=item).first()


def held_by_other(item: ReadingItem, by: User) -> ReadingLease | None:
    """The live lease of somebody else on the item."""
    lease = lease_of(item)
    if lease and lease.holder_id not in (None, by.pk) and lease.until > clock.now():
        return lease
    return None


def _to_queue(item: ReadingItem, actor: Actor) -> None:
    if item.status == ReadingStatus.READING and not reading_items.is_begun(item):
        reading_status.change(
            item, ReadingStatus.READY, actor=actor, event=reporting_events.RELEASED_BY_READER
        )
    else:
        _tell(item, reporting_events.RELEASED_BY_READER, actor)


def _turned(item: ReadingItem, event: EventType, by: Actor, **details: Any) -> None:
    now = clock.now()
    item.revision += 1
    item.save()
    reading_status.note_owner(item, now, by)
    events.record(event, about=reading_status.things(item), occurred_at=now, actor=by, **details)


def _tell(item: ReadingItem, event: EventType, by: Actor, **details: Any) -> None:
    about = reading_status.things(item)
    events.record(event, about=about, occurred_at=clock.now(), actor=by, **details)


def _held(lease: ReadingLease, now: datetime) -> dict[str, Any]:
    idle = (now - lease.input_at).total_seconds() if lease.input_at else None
    return {
        "holder": str(lease.holder or ""),
        "since": lease.taken_at.isoformat(),
        "idle_seconds": round(idle) if idle is not None else None,
        "reason": lease.taken_reason,
    }


def _born(text: str) -> QuerySet[Patient]:
    """All records of those whose birth date a text gives, alone or beside a name."""
    today = timezone.localdate()
    days = typed_dates.days(text, today)
    people = patient_search.by_birth_date(days) | patient_search.by_name_and_birth_date(text, today)
    return patient_search.of_persons(people)


def _matches(text: str) -> Q:
    key = text.casefold().strip()
    return _numbered(text.strip()) | (
        Q(patient__in=_born(text).values("pk"))
        | Q(patient__name_key__contains=key)
        | Q(patient__bare_key__contains=person_names.bare(key))
        | Q(patient__value=text.strip())
        | Q(description__icontains=text.strip())
    )


def _numbered(text: str) -> Q:
    """By accession number as the search box finds it: without leading zeros, or by a part of it."""
    columns = (
        "studies__accession_number",
        "procedures__accession_number",
        "procedures__order__accession_number",
    )
    condition = Q()
    for column in columns:
        condition |= Q(**{f"{column}__in": omnisearch.with_zeros(text)})
        if patient_search.is_part_of_number(text):
            condition |= Q(**{f"{column}__icontains": text})
    return condition


def _note(by: Actor, item: ReadingItem, act: str) -> None:
    audit.note(by, audit.PROCEDURE_RECORD, audit.UPDATE, ("reading_item", item.public_id), act=act)
