"""Timelines: what happened to a thing, in words, with who did it and which message told."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.urls import NoReverseMatch, reverse

from archive.models import Study
from ledger import events
from ledger.models import Event

LONGEST: Final = 200


@dataclass(frozen=True)
class Link:
    """Where a word leads; without a URL it only stands there."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class Entry:
    """One event: when, what in words, who, from which message or decision, and what else it was about."""

    at: datetime
    words: str
    who: str = ""
    source: Link | None = None
    reason: str = ""
    links: Sequence[Link] = field(default=())
    tone: str = ""


def of(type_: str, key: str, limit: int = LONGEST) -> list[Entry]:
    """The events about one thing, newest first. A study is named by its public id here."""
    return of_all([(type_, key)], limit)


def of_all(things: Sequence[events.Thing], limit: int = LONGEST) -> list[Entry]:
    """The events about any of some things, newest first; none is linked to the things themselves."""
    return entries(events.timeline_of(things, limit), set(things))


def entries(rows: Iterable[Event], about: Collection[events.Thing] = ()) -> list[Entry]:
    """Events in words; `about` is what they are listed under, so that it is not linked to itself."""
    rows = list(rows)
    studies = _study_uids(rows, about)
    return [_entry(row, about, studies) for row in rows]


def _entry(row: Event, about: Collection[events.Thing], studies: Mapping[str, str]) -> Entry:
    return Entry(
        at=row.occurred_at,
        words=_words(row),
        who=row.actor,
        source=_source(row.source),
        reason=str(row.details.get("reason") or ""),
        links=_links(row, about, studies),
        tone="bad" if _is_bad(row) else "",
    )


# What happened, in words

_WORDS: Final[Mapping[str, str]] = {
    "patient.merged": "{retired} was merged into {survivor}",
    "patient.unmerged": "The records were parted again",
    "patient.identity_conflict": "The links between records contradict each other: {text}",
    "order.stated": "The order came or changed",
    "order.cancel": "The order was cancelled",
    "order.discontinue": "The order was discontinued",
    "order.hold": "The order was put on hold",
    "order.release": "The order was released",
    "order.complete": "The order was completed",
    "order.start": "The order was started",
    "step.arrive": "The patient arrived",
    "step.start": "The exam was started",
    "step.complete": "The exam was completed",
    "step.no-show": "The patient did not come",
    "step.cancel": "The step was cancelled",
    "step.hold": "The step was put on hold",
    "step.release": "The step was released",
    "step.discontinue": "The exam was discontinued",
    "study.received": "The first images came",
    "study.ready": "The study is ready to be read",
    "study.exception.opened": "Somebody has to look at it: {outcome}",
    "study.exception.closed": "The exception went away by itself: {outcome}",
    "study.exception.resolved": "The exception was resolved",
    "object.quarantined": "An object was kept aside: {text}",
    "hl7.clock_ahead": "The sender's clock is ahead; the time of receipt counts",
    "hl7.characters_replaced": "Characters that can't be read were replaced at {locations}",
    "hl7.queue_standing": "The queue to {source} stands",
    "hl7.queue_moving": "The queue to {source} moves again",
    "hl7.message_delivered": "{message_type} was delivered to {source}",
    "hl7.message_waits": "{message_type} waits, since {source} can't take it now",
    "hl7.message_held": "{message_type} is held back",
    "hl7.message_stopped": "{source} does not accept {message_type}",
    "hl7.message_resent": "The message is sent again",
    "hl7.message_released": "The message may go on",
    "hl7.message_skipped": "The message was given up",
    "hl7.message_replayed": "The message was applied again, as a new one",
    "job.tried_again": "The work {kind_of_job} was begun anew",
    "user.made": "The user was made",
    "user.changed": "What changed: {changed}",
    "user.password_set": "The password was set",
    "token.issued": "The token {name} was issued",
    "token.revoked": "The token {name} was revoked",
}
_WITHOUT: Final = "(not told)"


def _words(row: Event) -> str:
    if (say := _SAID.get(row.kind)) is not None:
        return say(row.details)
    if row.kind in _WORDS:
        return _WORDS[row.kind].format_map(_Details(row.details | {"source": row.source}))
    for start, said in (
        ("order.undo.", "Taken back: {}"),
        ("study.decision.undone.", "Decision taken back: {}"),
        ("study.decision.", "Decided: {}"),
    ):
        if row.kind.startswith(start):
            return said.format(_plain(row.kind.removeprefix(start)))
    return _plain(row.kind.replace(".", " ")).capitalize()


class _Details(dict[str, Any]):
    """An event's details as words; what is not there says so."""

    def __getitem__(self, key: str) -> str:
        value = self.get(key)
        if isinstance(value, list):
            return ", ".join(str(one) for one in value)
        return _plain(value) if value else _WITHOUT

    def __missing__(self, key: str) -> str:
        return _WITHOUT


def _plain(text: Any) -> str:
    return str(text).replace("_", " ")


_UNSEEN: Final = frozenset({"character_set"})
"""Fields of a patient that no page shows."""


def _updated(details: Mapping[str, Any]) -> str:
    names = [_plain(name) for name in details.get("fields", []) if name not in _UNSEEN]
    return f"The patient's {', '.join(names)} came or changed" if names else "The patient was updated"


def _status(details: Mapping[str, Any]) -> str:
    return f"The step went from {_plain(details.get('before'))} to {_plain(details.get('after'))}"


def _verdict(details: Mapping[str, Any]) -> str:
    return f"Checked against the schedule: {_plain(details.get('outcome'))}"


_SAID: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "patient.updated": _updated,
    "step.status": _status,
    "study.verdict": _verdict,
}


def _is_bad(row: Event) -> bool:
    return row.kind in (
        "patient.identity_conflict",
        "study.exception.opened",
        "object.quarantined",
        "hl7.queue_standing",
        "hl7.message_held",
        "hl7.message_stopped",
    )


# Where it came from, and what else it was about


def _source(text: str) -> Link | None:
    kind, colon, key = text.partition(":")
    if not text or kind == "user":
        return None
    if not colon:
        return Link(text)
    if kind == "hl7":
        return Link("the HL7 message", path("message", key))
    return Link(
        {"verdict": "the check", "decision": "a person's decision", "version": "the signed version"}.get(
            kind, _plain(kind)
        )
    )


_NAMES: Final = {
    "patient": "patient",
    "order": "order",
    "message": "message",
    "study": "study",
    "report": "report",
}


def _links(row: Event, about: Collection[events.Thing], studies: Mapping[str, str]) -> list[Link]:
    links = []
    for subject in row.subjects.all():
        if (subject.type, subject.key) in about or subject.type not in _NAMES:
            continue
        key = studies.get(subject.key, "") if subject.type == "study" else subject.key
        if key and (url := path(subject.type, key)):
            links.append(Link(_NAMES[subject.type], url))
    return links


def _study_uids(rows: Iterable[Event], about: Collection[events.Thing]) -> dict[str, str]:
    """Events name studies by public id, pages by Study Instance UID."""
    keys = {
        subject.key
        for row in rows
        for subject in row.subjects.all()
        if subject.type == "study" and (subject.type, subject.key) not in about
    }
    if not keys:
        return {}
    return dict(Study.objects.filter(public_id__in=keys).values_list("public_id", "study_instance_uid"))


def path(name: str, *arguments: str) -> str:
    """The path of a page, empty where there is none."""
    try:
        return reverse(name, args=arguments)
    except NoReverseMatch:
        return ""
