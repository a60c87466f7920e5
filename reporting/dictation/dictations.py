"""Dictation: sound comes in blocks, is kept as it came, and is bound to its item and patient at once."""

import hashlib
import re
from typing import Any, Final

from django.db import connection

from accounts.actor import Actor
from archive.models import ReadingStatus
from ledger import audit, clock, events
from ledger.errors import Forbidden, Invalid
from ledger.event_types import EventType
from reporting import reporting_events
from reporting.dictation import audio
from reporting.errors import StateConflict
from reporting.models import WAITING, Dictation, DictationState, ReadingItem, Report, Segment
from reporting.reading_worklist import assignment, authorship, reading_status

RATES: Final = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
MOST_BYTES_OF_SEGMENT: Final = 8 << 20
MOST_SECONDS: Final = 3600
_UUID: Final = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}")


def begin(
    *, uuid: str, item: ReadingItem, by: Actor, sample_rate: int = 16000, patient: str = ""
) -> Dictation:
    """Begin a dictation under the client's UUID; asking again gives the same one.

    `patient` is the public id of the patient on the screen; `StateConflict` "patient_changed" where the item
    is another's by now.
    """
    by.require("report.write", item)
    author = by.person
    if not _UUID.fullmatch(uuid):
        raise Invalid(f"{uuid[:40]!r} is not a UUID", "id")
    if sample_rate not in RATES:
        raise Invalid(f"the sample rate is one of {RATES}", "sample_rate")
    there = Dictation.objects.select_related("item").filter(uuid=uuid).first()
    if there is not None:
        if there.item_id != item.pk or there.author_id != author.pk:
            raise StateConflict("this UUID is another dictation's", "duplicate")
        return there
    item = reading_status.lock(item)
    current = item.patient.current.public_id if item.patient else ""
    if patient and patient != current:
        raise StateConflict("the item is another patient's by now", "patient_changed")
    if item.status not in reading_status.OPEN:
        raise StateConflict(f"it is {item.status}", "signed")
    if (lease := assignment.held_by_other(item, author)) is not None:
        raise StateConflict(f"{lease.holder} has it now", "held", changed={"holder": str(lease.holder)})
    assignment.lease_to(by, item)
    report = Report.objects.select_for_update(of=("self",)).select_related("author").filter(item=item).first()
    if report is not None and authorship.follow(report, by):
        report.save(update_fields=["author"])
    dictation = Dictation.objects.create(
        uuid=uuid, item=item, author=author, sample_rate=sample_rate, patient_public_id=current
    )
    tell(dictation, reporting_events.DICTATION_BEGUN, by)
    note(by, dictation, reporting_events.DICTATION_BEGUN.words, audit.CREATE)
    return dictation


def add_segment(*, dictation: Dictation, seq: int, name: str, data: bytes, by: Actor) -> Segment:
    """Record a segment whose file `name` (see `audio.write`) is on disk; the same one again changes nothing.

    Raises `StateConflict` "duplicate" where other samples are there under `seq`, "state" once it is finished.
    """
    _check_sound(data)
    dictation = _locked(dictation, by)
    digest = hashlib.sha256(data).hexdigest()
    there = Segment.objects.filter(dictation=dictation, seq=seq).first()
    if there is not None:
        if there.sha256 != digest:
            raise StateConflict(f"segment {seq} is here with other samples", "duplicate")
        return there
    if dictation.state != DictationState.RECORDING:
        raise StateConflict(f"the dictation is {dictation.state}", "state")
    samples = len(data) // 2
    if dictation.sample_count + samples > MOST_SECONDS * dictation.sample_rate:
        raise Invalid("a dictation lasts an hour at most; begin another one", "audio")
    dictation.sample_count += samples
    dictation.save(update_fields=["sample_count"])
    return Segment.objects.create(dictation=dictation, seq=seq, name=name, size=len(data), sha256=digest)


def finish(*, dictation: Dictation, segments: int, sha256: str, by: Actor) -> Dictation:
    """Hand a dictation on to be typed, once all its `segments` are here and sum to `sha256`."""
    dictation = _locked(dictation, by)
    if dictation.state != DictationState.RECORDING:
        if dictation.sha256 == sha256:
            return dictation
        raise StateConflict(f"the dictation is {dictation.state}", "state")
    rows = list(Segment.objects.filter(dictation=dictation).order_by("seq"))
    missing = sorted(set(range(segments)) - {row.seq for row in rows})
    if missing or len(rows) != segments:
        raise StateConflict("segments are missing", "missing", changed={"missing": missing[:100]})
    if not rows:
        raise Invalid("there is no sound in it", "segments")
    whole = audio.sha256_of(row.name for row in rows)
    if sha256 and sha256 != whole:
        raise StateConflict("what is here is not what was recorded", "sha256", changed={"sha256": whole})
    item = reading_status.lock(dictation.item)
    now = clock.now()
    dictation.state, dictation.sha256, dictation.finished_at = DictationState.QUEUED, whole, now
    dictation.save()
    _replace_returned(dictation, by)
    if item.status in (ReadingStatus.READING, ReadingStatus.TRANSCRIBED, ReadingStatus.PRELIMINARY):
        reading_status.change(item, ReadingStatus.DICTATED, at=now, actor=by, event=reporting_events.DICTATED)
    else:
        tell(dictation, reporting_events.DICTATED, by)
    note(by, dictation, reporting_events.DICTATED.words)
    return dictation


def discard(*, dictation: Dictation, by: Actor, reason: str) -> Dictation:
    """The author gives a dictation up before it is typed; the sound is kept for 30 days."""
    if not reason.strip():
        raise Invalid("say why it is discarded", "reason")
    dictation = _locked(dictation, by)
    if dictation.state not in (DictationState.RECORDING, DictationState.QUEUED, DictationState.RETURNED):
        raise StateConflict(f"the dictation is {dictation.state}", "state")
    dictation.state, dictation.note = DictationState.DISCARDED, reason[:500]
    dictation.save()
    tell(dictation, reporting_events.DICTATION_DISCARDED, by, reason=reason[:500])
    item = reading_status.lock(dictation.item)
    waiting = Dictation.objects.filter(item=item, state__in=WAITING).exists()
    if item.status == ReadingStatus.DICTATED and not waiting:
        reading_status.change(item, ReadingStatus.READING, actor=by, event=reporting_events.OPENED)
    note(by, dictation, reporting_events.DICTATION_DISCARDED.words)
    return dictation


def reclaim(*, dictation: Dictation, by: Actor) -> Dictation:
    """The author takes a dictation back from the queue to type it alone; refused once typing has begun.

    Whoever has become the item's author takes it back as well as who spoke it.
    """
    by.require("report.write", dictation.item)
    dictation = locked(dictation)
    if by.person.pk != dictation.author_id and by.person != authorship.author_of(dictation.item):
        raise Forbidden("the dictation is another person's")
    if dictation.state not in (DictationState.QUEUED, DictationState.RETURNED):
        raise StateConflict(f"the dictation is {dictation.state}; ask its typist", "state")
    dictation.state = DictationState.CLOSED
    dictation.save()
    tell(dictation, reporting_events.DICTATION_RECLAIMED, by)
    item = reading_status.lock(dictation.item)
    if item.status == ReadingStatus.DICTATED:
        reading_status.change(item, ReadingStatus.READING, actor=by, event=reporting_events.OPENED)
    note(by, dictation, reporting_events.DICTATION_RECLAIMED.words)
    return dictation


def things(dictation: Dictation) -> list[events.Thing]:
    """What an event about a dictation is about."""
    return [("dictation", dictation.public_id), *reading_status.things(dictation.item)]


def _replace_returned(dictation: Dictation, by: Actor) -> None:
    """What came back to its author is done with once a new dictation is sent; its sound stays."""
    rows = Dictation.objects.filter(item=dictation.item, state=DictationState.RETURNED)
    for one in rows.select_related("item").exclude(pk=dictation.pk):
        one.state = DictationState.CLOSED
        one.save(update_fields=["state"])
        tell(one, reporting_events.DICTATION_REPLACED, by)


def _check_sound(data: bytes) -> None:
    if not data or len(data) % 2:
        raise Invalid("a segment is PCM of 16 bit: a whole number of samples, one at least", "audio")
    if len(data) > MOST_BYTES_OF_SEGMENT:
        raise Invalid(f"a segment has {MOST_BYTES_OF_SEGMENT} bytes at most", "audio")


def locked(dictation: Dictation) -> Dictation:
    """The dictation, locked after its item and studies."""
    assert connection.in_atomic_block
    reading_status.lock(dictation.item)
    rows = Dictation.objects.select_for_update(of=("self",)).select_related(
        "item__patient", "author", "typist"
    )
    return rows.get(pk=dictation.pk)


def _locked(dictation: Dictation, by: Actor) -> Dictation:
    by.require("report.write", dictation.item)
    dictation = locked(dictation)
    if dictation.author_id != by.person.pk:
        raise Forbidden("the dictation is another person's")
    return dictation


def tell(dictation: Dictation, event: EventType, by: Actor, **details: Any) -> None:
    """Note in the timeline what happened to a dictation."""
    events.record(event, about=things(dictation), occurred_at=clock.now(), actor=by, **details)


def note(by: Actor, dictation: Dictation, act: str, action: str = audit.UPDATE) -> None:
    """Write an act on a dictation, in words, to the audit trail."""
    things = (("dictation", dictation.public_id), ("reading_item", dictation.item.public_id))
    audit.note(by, audit.PATIENT_RECORD, action, *things, act=act)
