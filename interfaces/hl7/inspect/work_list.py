"""What waits for a person: messages that failed or were refused, held or stopped, by error and place. Reads.

A message leaves the list when a replay of it succeeds, when a person says so, or when it is released, skipped
or delivered. Replays that fail are not listed: the message that they repeat is still there.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from django.db.models import Count, Max, Min, QuerySet

from accounts.models import User
from interfaces.hl7.inbound.error_codes import ABOUT_WHO
from interfaces.hl7.inspect import message_tree
from interfaces.hl7.literal_conditions import STUCK, TO_WORK_OFF
from interfaces.hl7.models import InboundMessage, OutboundMessage
from interfaces.hl7.outbound import message_status

MOST_GROUPS: Final = 500
MOST_STUCK: Final = 10_000
"""Messages that go out that are looked through for their errors."""
Whose = Literal["", "mine", "nobody"]


@dataclass(frozen=True)
class WorkGroup:
    """Messages with one error at one place of one partner; `example` is what one of them says."""

    direction: Literal["in", "out"]
    partner: str
    status: str
    code: str
    place: str
    number: int
    oldest: datetime
    newest: datetime
    example: str
    assigned: int
    reason: str = ""
    """What tells errors of whom a message names apart, which have one code and place."""
    locations: tuple[str, ...] = ()
    """Of messages that came: the error locations as they are kept, which differ in the segment's number."""
    keys: tuple[int, ...] = ()
    """Of messages that go out: their rows."""

    @property
    def key(self) -> str:
        """What names the group in an address."""
        named = "\0".join((self.direction, self.partner, self.status, self.code, self.place, self.reason))
        return hashlib.sha256(named.encode()).hexdigest()[:16]

    @property
    def is_about_who(self) -> bool:
        """Whether whom or what a message names is wrong: no replay helps until that is mended."""
        return self.direction == "in" and self.code in map(str, ABOUT_WHO)


def groups(whose: Whose = "", user: User | None = None) -> list[WorkGroup]:
    """The groups, the largest first."""
    found = [*_received(whose, user), *_sent(whose, user)]
    return sorted(found, key=lambda one: (-one.number, one.oldest))[:MOST_GROUPS]


def group(key: str, whose: Whose = "", user: User | None = None) -> WorkGroup | None:
    """The group of a key; None where nothing of it is left."""
    return next((one for one in groups(whose, user) if one.key == key), None)


def open_messages() -> QuerySet[InboundMessage]:
    """The messages that came and wait for a person, as they came."""
    return InboundMessage.objects.filter(TO_WORK_OFF).order_by("received_at", "id")


def messages_of(found: WorkGroup, whose: Whose = "", user: User | None = None) -> QuerySet[Any]:
    """The messages of a group, as they came or were asked for."""
    if found.direction == "out":
        rows = OutboundMessage.objects.filter(pk__in=found.keys, status__in=message_status.STUCK)
        return rows.order_by("id")
    return _of(open_messages(), whose, user).filter(
        source=found.partner,
        status=found.status,
        error_code=int(found.code) if found.code else None,
        error_location__in=found.locations,
        error_reason=found.reason,
    )


def first_of(found: WorkGroup, most: int, whose: Whose = "", user: User | None = None) -> list[Any]:
    """The first messages of a group, without their bytes, to do something with."""
    return list(messages_of(found, whose, user).defer("raw", "ack")[:most])


def count() -> int:
    """How many messages wait for a person."""
    stuck = OutboundMessage.objects.filter(STUCK, destination__is_active=True)
    return open_messages().order_by().count() + stuck.count()


def _of(rows: QuerySet[Any], whose: Whose, user: User | None) -> QuerySet[Any]:
    if whose == "mine":
        return rows.filter(assignee=user)
    return rows.filter(assignee=None) if whose == "nobody" else rows


def _received(whose: Whose, user: User | None) -> Iterator[WorkGroup]:
    rows = _of(InboundMessage.objects.filter(TO_WORK_OFF), whose, user).order_by()
    counted = rows.values("source", "status", "error_code", "error_location", "error_reason").annotate(
        number=Count("id"),
        oldest=Min("received_at"),
        newest=Max("received_at"),
        assigned=Count("assignee"),
        latest=Max("id"),
    )
    found = list(counted.order_by("-number")[: 4 * MOST_GROUPS])
    texts = dict(
        InboundMessage.objects.filter(pk__in=[row["latest"] for row in found]).values_list("pk", "error_text")
    )
    merged: dict[tuple[str, ...], list[WorkGroup]] = defaultdict(list)
    for row in found:
        one = _group_of(row, texts.get(row["latest"], ""))
        merged[one.partner, one.status, one.code, one.place, one.reason].append(one)
    for same in merged.values():
        yield _together(same)


def _group_of(row: dict[str, Any], example: str) -> WorkGroup:
    return WorkGroup(
        direction="in",
        partner=row["source"],
        status=row["status"],
        code=str(row["error_code"] or ""),
        place=place_of(row["error_location"]),
        number=row["number"],
        oldest=row["oldest"],
        newest=row["newest"],
        example=example,
        assigned=row["assigned"],
        reason=row["error_reason"],
        locations=(row["error_location"],),
    )


def place_of(location: str) -> str:
    """The field of an error, whichever segment of its name it is in."""
    return str(replace(message_tree.Place.of(location), index=0, repetition=0))


def _together(same: Sequence[WorkGroup]) -> WorkGroup:
    return replace(
        same[0],
        number=sum(one.number for one in same),
        oldest=min(one.oldest for one in same),
        newest=max(one.newest for one in same),
        assigned=sum(one.assigned for one in same),
        locations=tuple(location for one in same for location in one.locations),
    )


def _sent(whose: Whose, user: User | None) -> Iterator[WorkGroup]:
    stuck = OutboundMessage.objects.filter(STUCK, destination__is_active=True)
    rows = _of(stuck, whose, user).order_by("id").select_related("destination")
    merged: dict[tuple[str, ...], list[OutboundMessage]] = defaultdict(list)
    for row in rows.defer("raw", "ack", "facts")[:MOST_STUCK]:
        merged[row.destination.name, row.status, *_error_of(row.last_error)].append(row)
    for (partner, status, code, place), same in merged.items():
        yield WorkGroup(
            direction="out",
            partner=partner,
            status=status,
            code=code,
            place=place,
            number=len(same),
            oldest=min(row.created_at for row in same),
            newest=max(row.created_at for row in same),
            example=same[0].last_error,
            assigned=sum(row.assignee_id is not None for row in same),
            keys=tuple(row.pk for row in same),
        )


def _error_of(text: str) -> tuple[str, str]:
    """The codes of a receiver's answer (`AE 204`), or where it gave none, how its words begin."""
    words = text.split()
    codes = list(_leading_codes(words))
    return (" ".join(codes), "") if codes else ("", text[:60] or "by a person")


def _leading_codes(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        if not (word.isdigit() or word in ("AE", "AR", "CE", "CR")):
            return
        yield word
