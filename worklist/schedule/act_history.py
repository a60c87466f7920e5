"""What people did to steps and orders lately: which act is the last of one's own, and who acted since."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Final, Protocol

from django.utils import timezone

from accounts.models import User
from worklist.models import StatusEvent

SHIFT: Final = timedelta(hours=12)
"""How far back one's own acts can be taken back one after the other."""
_MOST: Final = 100
_SOURCES: Final = {
    "study:": "images",
    "hl7:": "the HIS",
    "appointment:": "the scheduling system",
    "arrival:": "the HIS",
}
_DONE: Final = {
    StatusEvent.Kind.ARRIVE: "recorded the arrival",
    StatusEvent.Kind.HOLD: "put it on hold",
    StatusEvent.Kind.RELEASE: "released the hold",
    StatusEvent.Kind.START: "started it",
    StatusEvent.Kind.COMPLETE: "completed it",
    StatusEvent.Kind.CANCEL: "cancelled it",
    StatusEvent.Kind.DISCONTINUE: "discontinued it",
    StatusEvent.Kind.NO_SHOW: "recorded a no-show",
    StatusEvent.Kind.REOPEN: "reopened it",
}


class Act(Protocol):
    """A status event, as a row or in memory; what is not saved yet has a key below zero."""

    id: int
    step_id: int | None
    kind: str
    source: str
    actor: str
    undone_by: str


def source_of(user: User) -> str:
    """What the acts of a person name as their source."""
    return f"user:{user.public_id}"


def since(act: Act, others: Iterable[Act]) -> Act | None:
    """The newest act of somebody else to the same step, or to all of the order, that came after an act."""
    later = [
        other
        for other in others
        if other.id > act.id
        and other.source != act.source
        and not other.undone_by
        and (act.step_id is None or other.step_id in (None, act.step_id))
    ]
    return max(later, key=lambda one: one.id, default=None)


def in_words(act: Act) -> str:
    """Who did what."""
    return f"{who(act)} {_DONE[StatusEvent.Kind(act.kind)]}"


def who(act: Act) -> str:
    """Who acted: a person or a system by name."""
    named = (word for prefix, word in _SOURCES.items() if act.source.startswith(prefix))
    return act.actor or next(named, "somebody")


def last(user: User) -> Sequence[StatusEvent]:
    """The last act of a person that can be taken back: several events where it was done to several steps.

    What somebody else has acted on since is no longer one's own to take back.
    """
    rows = StatusEvent.objects.filter(
        source=source_of(user), undone_by="", occurred_at__gte=timezone.now() - SHIFT
    )
    mine = list(rows.select_related("order__patient__survivor", "order__facility").order_by("-id")[:_MOST])
    others: dict[int, list[StatusEvent]] = {}
    for other in StatusEvent.objects.filter(order__in={one.order_id for one in mine}, undone_by=""):
        others.setdefault(other.order_id, []).append(other)
    free = [one for one in mine if since(one, others.get(one.order_id, ())) is None]
    return [one for one in free if one.stamp == free[0].stamp]


def just_done(user: User, within: timedelta) -> Collection[int]:
    """The keys of the steps that a person acted on a moment ago."""
    rows = StatusEvent.objects.filter(
        source=source_of(user), undone_by="", occurred_at__gte=timezone.now() - within
    ).exclude(step=None)
    return set(rows.order_by("-id").values_list("step", flat=True)[:_MOST])
