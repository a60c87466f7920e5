"""Transcription: type the most due dictation, or give it back with a reason."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When

from accounts import access
from accounts.actor import Actor
from accounts.models import User
from archive.models import ReadingStatus
from ledger import clock
from ledger.errors import Invalid
from reporting import reporting_events
from reporting.dictation import dictations
from reporting.errors import StateConflict
from reporting.models import WAITING, Dictation, DictationState, Report, ReportTemplate, ReturnReason
from reporting.models import ReadingItem as Item
from reporting.reading_worklist import authorship, priors, reading_items, reading_status
from reporting.reports import drafts, suggestions

LEASE: Final = timedelta(seconds=120)


def queue(*, user: User, states: tuple[str, ...] = WAITING) -> QuerySet[Dictation]:
    """What waits to be typed, the most due first."""
    mine = access.visible(Item.objects.all(), user)
    rows = Dictation.objects.filter(item__in=mine, state__in=states)
    rows = rows.exclude(item__status=ReadingStatus.WITHDRAWN)
    rows = rows.select_related("item__patient__authority", "item__patient__survivor", "author", "typist")
    return rows.order_by("item__band", "item__due_at", "id")


def returned(*, user: User) -> QuerySet[Dictation]:
    """What came back to the author of its item, suspected wrong patients first."""
    urgent = When(return_reason=ReturnReason.WRONG_PATIENT, then=Value(0))
    mine = authorship.items_of(user).filter(status__in=reading_status.OPEN)
    rows = Dictation.objects.filter(item__in=mine, state=DictationState.RETURNED)
    rows = rows.select_related("item__patient")
    return rows.annotate(rank=Case(urgent, default=Value(1), output_field=IntegerField())).order_by(
        "rank", "id"
    )


def next_dictation(*, by: Actor) -> Dictation | None:
    """Pick the most due dictation and lease it in this transaction."""
    assert connection.in_atomic_block
    by.require("transcription.type")
    now = clock.now()
    free = Q(typing_until=None) | Q(typing_until__lt=now)
    rows = queue(user=by.person).filter(free).exclude(item__hold_reason__gt="")
    skip_locked = connection.features.has_select_for_update_skip_locked
    dictation = rows.select_for_update(of=("self",), skip_locked=skip_locked).first()
    return take(dictation=dictation, by=by) if dictation is not None else None


def take(*, dictation: Dictation, by: Actor) -> Dictation:
    """Take the right to type a dictation, for two minutes at a stretch."""
    dictation = _taken(dictation, by)
    dictations.note(by, dictation, reporting_events.TYPING.words)
    return dictation


def _taken(dictation: Dictation, by: Actor) -> Dictation:
    by.require("transcription.type", dictation.item)
    dictation, typist = dictations.locked(dictation), by.person
    now = clock.now()
    if dictation.state not in WAITING:
        raise StateConflict(f"the dictation is {dictation.state}", "state")
    held = dictation.typing_until is not None and dictation.typing_until > now
    if held and dictation.typist_id != typist.pk:
        raise StateConflict(
            f"{dictation.typist} types it now", "held", changed={"holder": str(dictation.typist)}
        )
    if dictation.typist_id != typist.pk:
        dictation.typing_fence += 1
    began = dictation.state == DictationState.QUEUED
    dictation.typist, dictation.typing_until = typist, now + LEASE
    dictation.state = DictationState.IN_TYPING
    dictation.typing_began_at = dictation.typing_began_at or now
    dictation.save()
    if began:
        dictations.tell(dictation, reporting_events.TYPING, by)
    return dictation


def renew(*, dictation: Dictation, by: Actor, fence: int) -> Dictation:
    """Extend the right to type; `StateConflict` "taken_over" where it is another's by now."""
    by.require("transcription.type", dictation.item)
    dictation = dictations.locked(dictation)
    if dictation.typist_id != by.person.pk or dictation.typing_fence != fence:
        raise StateConflict(f"{dictation.typist} types it now", "taken_over")
    dictation.typing_until = clock.now() + LEASE
    dictation.save(update_fields=["typing_until"])
    return dictation


_TYPED_TOO_LATE: Final = "What was dictated was typed after the signature; it is kept beside the report."


def save(*, dictation: Dictation, sections: Mapping[str, Any], revision: int, by: Actor) -> Dictation:
    """Save what was typed so far; `StateConflict` "stale_revision" where another save came between."""
    new = drafts.checked(sections)
    dictation = _taken(dictation, by)
    if dictation.revision != revision:
        theirs = {name: dictation.sections.get(name, "") for name in new}
        changed = {
            "revision": dictation.revision,
            "sections": {name: {"yours": new[name], "theirs": theirs[name]} for name in new},
        }
        raise StateConflict("it was saved elsewhere meanwhile", "stale_revision", changed=changed)
    text = {**dictation.sections, **new}
    if text != dictation.sections:
        dictation.sections, dictation.revision = text, revision + 1
        dictation.save()
    return dictation


def finish(*, dictation: Dictation, sections: Mapping[str, Any], revision: int, by: Actor) -> Dictation:
    """Hand the typed text to the author: it is added to the report, which waits for its signature."""
    dictation = save(dictation=dictation, sections=sections, revision=revision, by=by)
    if not any(text.strip() for text in dictation.sections.values()):
        raise Invalid("nothing is typed yet", "sections")
    now = clock.now()
    dictation.state, dictation.typed_at, dictation.typing_until = DictationState.TYPED, now, None
    dictation.save()
    item = reading_status.lock(dictation.item)
    _add_to_report(dictation, item, by)
    more = Dictation.objects.filter(item=item, state__in=WAITING).exists()
    if item.status == ReadingStatus.DICTATED and not more:
        reading_status.change(item, ReadingStatus.TRANSCRIBED, at=now, actor=by, event=reporting_events.TYPED)
    else:
        dictations.tell(dictation, reporting_events.TYPED, by)
    dictations.note(by, dictation, reporting_events.TYPED.words)
    return dictation


def give_back(*, dictation: Dictation, reason: str, note: str, by: Actor) -> Dictation:
    """Give a dictation back to its author; a suspected wrong patient stops the item until that is settled."""
    by.require("transcription.type", dictation.item)
    if reason not in ReturnReason.values:
        raise Invalid(f"the reason is one of: {', '.join(ReturnReason.values)}", "reason")
    dictation = _taken(dictation, by)
    dictation.state, dictation.typing_until = DictationState.RETURNED, None
    dictation.return_reason, dictation.note = reason, note[:500]
    dictation.save()
    item = reading_status.lock(dictation.item)
    if reason == ReturnReason.WRONG_PATIENT:
        item.patient_question = f"{by} suspects that the dictation is about another patient."[:200]
        item.revision += 1
        item.save()
    event = reporting_events.DICTATION_RETURNED
    if (
        item.status == ReadingStatus.DICTATED
        and not Dictation.objects.filter(item=item, state__in=WAITING).exists()
    ):
        reading_status.change(
            item,
            ReadingStatus.READING,
            actor=by,
            event=reporting_events.DICTATION_RETURNED,
            reason=reason,
            note=note[:500],
        )
    else:
        dictations.tell(dictation, event, by, reason=reason, note=note[:500])
    dictations.note(by, dictation, event.in_short.capitalize())
    return dictation


def _begun(item: Item, template: ReportTemplate | None, author: User) -> dict[str, str]:
    """What a report begins with: its template, and where that is empty what order and prior suggest."""
    texts = dict(template.sections) if template else {}
    return {**texts, **suggestions.suggested(item, priors.best(priors.ranked(item, author)), texts)}


def _add_to_report(dictation: Dictation, item: Item, by: Actor) -> None:
    """Bring the typed text into the report: into what is empty, else below what is there.

    A report that begins with it has the template's text in the sections that nobody spoke about. What is
    signed is not changed: the text is kept beside it.
    """
    report = Report.objects.filter(item=item).first()
    now = clock.now()
    if report is None:
        template = drafts.template_for(item)
        typed = {name: text for name, text in dictation.sections.items() if text.strip()}
        Report.objects.create(
            item=item,
            author=authorship.author_of(item) or dictation.author,
            sections=drafts.checked({**_begun(item, template, dictation.author), **typed}),
            template=template,
            changed_by=by.person,
            changed_at=now,
        )
        return
    if report.is_signed:
        reason = "typed after the signature"
        drafts.keep_beside(report, dictation.author, dictation.sections, report.revision, reason)
        reading_items.raise_recheck(item, _TYPED_TOO_LATE)
        return
    text = dict(report.sections)
    for name, more in dictation.sections.items():
        before = text.get(name, "").rstrip()
        if more.strip() and more.strip() != before.strip():
            text[name] = f"{before}\n\n{more}" if before else more
    report.sections, report.revision = drafts.checked(text), report.revision + 1
    report.changed_by, report.changed_at = by.person, now
    report.save()
