"""Repair a message and apply it again: what would be read of it, how it differs, and who did it why.

The original never changes: a repaired message is a row of its own that names it.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import transaction

from accounts.actor import Actor
from interfaces.hl7 import hl7_events
from interfaces.hl7.inbound import inbox, sources, triggers
from interfaces.hl7.models import InboundMessage
from interfaces.hl7.syntax import er7
from interfaces.hl7.syntax import message_text as texts
from interfaces.hl7.syntax.character_sets import Er7Error
from ledger import audit, events
from ledger.errors import Invalid

LONGEST: Final = 16_000_000
SHOWN: Final = 300
"""Characters of a differing piece that are shown."""
MOST_CHANGES: Final = 200
_COMPARED: Final = 500
"""Lines between the first and the last that differ; more are compared only as a whole."""


@dataclass(frozen=True)
class Change:
    """A field that differs: where (`PID-7`), what it was, what it would be; a whole line where it is new."""

    line: int
    path: str
    before: str
    after: str


@dataclass(frozen=True)
class Check:
    """What can be said of a repaired message before it is applied."""

    message_type: str
    control_id: str
    segments: int
    error: Er7Error | None
    changes: Sequence[Change]
    more_changes: bool = False

    @property
    def is_same(self) -> bool:
        """Whether nothing differs from the original."""
        return not self.changes


def check(original: InboundMessage, text: str) -> Check:
    """Read a repaired message as far as that goes without applying it; bytes, syntax, type and sender."""
    before = texts.decoded(bytes(original.raw), charset_of(original))
    changes = list(_changes(_lines(before), _lines(text)))
    shown, more = changes[:MOST_CHANGES], len(changes) > MOST_CHANGES
    try:
        raw = texts.encoded(text)
        header = er7.read_header(raw)
    except Er7Error as error:
        return Check("", "", 0, error, shown, more)
    error_found: Er7Error | None = None
    count = 0
    try:
        policy = sources.policy_of(header)
        triggers.handler_of(header, policy)
        if not header.control_id:
            raise Er7Error(101, "MSH^1^10", "the message control ID is missing")
        count = len(er7.parse(raw, policy.options.charset or None).segments)
    except Er7Error as error:
        error_found = error
    kind = "^".join(part for part in (header.message_code, header.trigger) if part)
    return Check(kind, header.control_id, count, error_found, shown, more)


def replay(
    original: InboundMessage, text: str | None = None, *, by: Actor, reason: str = ""
) -> InboundMessage:
    """Apply a message again, as it came (None) or as `text`; the new row, which says what became of it.

    Opens its own transactions, as all that the inbox does: who wanted it, and why, commits first.
    Raises `Er7Error` for a text without MSH, or one that its character set can't hold.
    """
    by.require("message.replay")
    raw = None
    if text is not None:
        raw = texts.encoded(text)
        er7.read_header(raw)
        if len(raw) > LONGEST:
            raise Invalid("The message is longer than 16 MB.")
    elif not original.raw:
        raise Invalid("The message is empty.")
    changed = [change.path for change in check(original, text).changes] if text is not None else []
    root = original.replay_of or original
    with transaction.atomic():
        about = dict.fromkeys([("message", original.public_id), ("message", root.public_id)])
        events.record(hl7_events.REPLAYED, about=about, actor=by, reason=reason, changed=changed)
        audit.note(by, audit.IMPORT, audit.EXECUTE, ("message", original.public_id), act="Message replayed")
    return inbox.replay(original, raw)


def charset_of(row: InboundMessage) -> str:
    """The character set that the site says of a message's sender; empty where the message's own holds."""
    try:
        return sources.policy_of(er7.read_header(bytes(row.raw))).options.charset
    except Er7Error:
        return ""


def history(row: InboundMessage) -> list[InboundMessage]:
    """The original and all its replays, as they came; only the row itself where it was never replayed."""
    root = row.replay_of or row
    return [root, *root.replays.order_by("id")[:200]]


def _lines(text: str) -> list[str]:
    return [line for line in text.replace("\r\n", "\r").replace("\n", "\r").split("\r") if line]


def _changes(before: list[str], after: list[str]) -> Iterator[Change]:
    first = 0
    while first < min(len(before), len(after)) and before[first] == after[first]:
        first += 1
    end = 0
    while end < min(len(before), len(after)) - first and before[-1 - end] == after[-1 - end]:
        end += 1
    olds, news = before[first : len(before) - end], after[first : len(after) - end]
    if len(olds) > _COMPARED or len(news) > _COMPARED:
        yield Change(first + 1, "the rest", f"{len(olds)} lines", f"{len(news)} lines")
        return
    matcher = difflib.SequenceMatcher(None, olds, news, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            continue
        for place in range(max(b - a, d - c)):
            old = olds[a + place] if a + place < b else ""
            new = news[c + place] if c + place < d else ""
            yield from _line_changes(first + c + place + 1, old, new)


def _line_changes(number: int, old: str, new: str) -> Iterator[Change]:
    if not old or not new or old[:3] != new[:3]:
        yield Change(number, (new or old)[:3], _shown(old), _shown(new))
        return
    separator = new[3:4] or "|"
    olds, news = old.split(separator), new.split(separator)
    offset = old[:3] in ("MSH", "FHS", "BHS")
    for place in range(max(len(olds), len(news))):
        was = olds[place] if place < len(olds) else ""
        would_be = news[place] if place < len(news) else ""
        if was != would_be:
            path = f"{old[:3]}-{place + offset}" if place else old[:3]
            yield Change(number, path, _shown(was), _shown(would_be))


def _shown(text: str) -> str:
    cut = f" … {len(text) - SHOWN} more" if len(text) > SHOWN else ""
    return texts.visible(text[:SHOWN]) + cut
