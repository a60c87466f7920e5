"""Timelines: what happened to a thing, in words, with who did it and which message told."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.urls import NoReverseMatch, reverse

from accounts import access
from accounts.models import User
from archive.models import Study
from ledger import event_types, events
from ledger.event_types import Tone
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
    tone: Tone = ""


def of(type_: str, key: str, user: User, limit: int = LONGEST) -> list[Entry]:
    """The events about one thing, newest first. A study is named by its public id here."""
    return of_all([(type_, key)], user, limit)


def of_all(things: Sequence[events.Thing], user: User, limit: int = LONGEST) -> list[Entry]:
    """The events about any of some things, newest first; none is linked to the things themselves."""
    return entries(events.timeline_of(things, limit), user, set(things))


def entries(rows: Iterable[Event], user: User, about: Collection[events.Thing] = ()) -> list[Entry]:
    """Events in words, with links to where `user` may go.

    `about` is what they are listed under, so that it is not linked to itself.
    """
    rows = list(rows)
    studies = _study_uids(rows, about)
    hidden = {name for name, action in _NEEDS.items() if not access.can(user, action)}
    return [_entry(row, about, studies, hidden) for row in rows]


def words(entry: events.Entry) -> str:
    """What an event that is to be recorded says."""
    return entry.event_type.say(entry.details, entry.source)


def _entry(
    row: Event, about: Collection[events.Thing], studies: Mapping[str, str], hidden: Collection[str]
) -> Entry:
    type_ = event_types.of(row.kind)
    is_said = type_.details
    return Entry(
        at=row.occurred_at,
        words=type_.say(row.details, row.source),
        who=row.actor,
        source=None if event_types.SOURCE in is_said else _source(row.source, hidden),
        reason="" if "reason" in is_said else str(row.details.get("reason") or ""),
        links=_links(row, about, studies, hidden),
        tone=type_.tone,
    )


# Where it came from, and what else it was about


def _source(text: str, hidden: Collection[str]) -> Link | None:
    kind, colon, key = text.partition(":")
    if not text or kind == "user":
        return None
    if not colon:
        return Link(text)
    if kind == "hl7":
        return Link("the HL7 message", "" if "message" in hidden else path("message", key))
    return Link(
        {"verdict": "the check", "decision": "a person's decision", "version": "the signed version"}.get(
            kind, kind
        )
    )


_NAMES: Final = {
    "patient": "patient",
    "order": "order",
    "message": "message",
    "study": "study",
    "report": "report",
    "identity-exception": "exception",
}
_NEEDS: Final = {
    "patient": "patient.view",
    "order": "order.view",
    "message": "message.view",
    "study": "study.view",
    "report": "report.view",
    "identity-exception": "exception.view",
}
"""What a person must be allowed to do to see the page of each."""


def _links(
    row: Event, about: Collection[events.Thing], studies: Mapping[str, str], hidden: Collection[str]
) -> list[Link]:
    links = []
    for subject in row.subjects.all():
        if (subject.type, subject.key) in about or subject.type not in _NAMES or subject.type in hidden:
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
