"""The audit trail (DICOM PS3.15 A.5): who did what to whose data, recorded in the act's own transaction."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ledger.models import AuditedThing, AuditEvent

# Event IDs (PS3.16 CID 400).
APPLICATION_ACTIVITY: Final = "110100"
INSTANCES_ACCESSED: Final = "110103"
EXPORT: Final = "110106"
IMPORT: Final = "110107"
ORDER_RECORD: Final = "110109"
PATIENT_RECORD: Final = "110110"
PROCEDURE_RECORD: Final = "110111"
QUERY: Final = "110112"
SECURITY_ALERT: Final = "110113"
USER_AUTHENTICATION: Final = "110114"

# Event Action Codes and Event Outcome Indicators (PS3.15 A.5.2.1).
CREATE, READ, UPDATE, EXECUTE = "C", "R", "U", "E"
SUCCESS, MINOR_FAILURE, SERIOUS_FAILURE = 0, 4, 8

ONCE_PER: Final = timedelta(hours=1)
"""How often the same person's reading of the same thing is recorded."""
ONCE_SHOWN: Final = timedelta(hours=24)
"""For how long what a page fetches anew by itself is no reading of what it has shown before."""
_REMEMBERED: Final = 50_000

Thing = tuple[str, str]
"""A type and an id, such as `("study", "1.2.840…")`."""

FOUND_BY: Final = frozenset({"patient", "study", "order", "reading_item", "report"})
"""Types of things by whose id the trail is searched."""

_recent: "OrderedDict[tuple[str, str, int, Thing], float]" = OrderedDict()


class AuditedActor(Protocol):
    """Who acts, as far as the ledger has to know; `accounts.actor` makes them."""

    @property
    def name(self) -> str:
        """What the trail finds the actor by; of a person, the user name."""

    @property
    def address(self) -> str:
        """Where from."""

    @property
    def interface(self) -> str:
        """Through which of our interfaces."""

    def require(self, action: str) -> None:
        """Raise `Forbidden` where the actor's roles don't allow `action`."""


def note(
    actor: AuditedActor, code: str, action: str, *things: Thing, outcome: int = SUCCESS, act: str = ""
) -> None:
    """Write down an act, in its own transaction; `act` says in words what was done."""
    assert connection.in_atomic_block, "an audit event is part of the act's own transaction"
    event = AuditEvent.objects.create(
        code=code,
        action=action,
        outcome=outcome,
        actor=actor.name[:200],
        address=actor.address[:64],
        interface=actor.interface,
        act=act[:300],
        objects_named=[{"type": type_, "id": id_} for type_, id_ in things],
    )
    if found := {id_[:200] for type_, id_ in things if type_ in FOUND_BY and id_}:
        AuditedThing.objects.bulk_create(AuditedThing(event=event, thing=id_) for id_ in sorted(found))


def note_reading(actor: AuditedActor, code: str, *things: Thing, once_per: timedelta = ONCE_PER) -> None:
    """Write down that these things were read, once an hour for each person and thing.

    What only reads has no transaction of its own.
    """
    _note_once(actor, code, READ, things, SUCCESS, once_per)


def note_refusal(actor: AuditedActor, *things: Thing) -> None:
    """Write down what was refused to somebody, once an hour for each thing; after it was rolled back."""
    _note_once(actor, SECURITY_ALERT, EXECUTE, things, SERIOUS_FAILURE)


def _note_once(
    actor: AuditedActor,
    code: str,
    action: str,
    things: Iterable[Thing],
    outcome: int,
    once_per: timedelta = ONCE_PER,
) -> None:
    name = actor.name[:200]
    keys = {thing: (name, code, outcome, thing) for thing in dict.fromkeys(things)}
    now = timezone.now()
    since = now - once_per
    new = [thing for thing, key in keys.items() if _recent.get(key, 0) < since.timestamp()]
    if not new:
        return
    rows = AuditEvent.objects.filter(at__gte=since, actor=name, code=code, action=action, outcome=outcome)
    for at, named in rows.values_list("at", "objects_named"):
        for thing in named:
            _remember((name, code, outcome, (thing["type"], thing["id"])), at.timestamp())
    new = [thing for thing in new if _recent.get(keys[thing], 0) < since.timestamp()]
    if new:
        with transaction.atomic():
            note(actor, code, action, *new, outcome=outcome)
        for thing in new:
            _remember(keys[thing], now.timestamp())


KINDS: Final[Mapping[str, str]] = {
    APPLICATION_ACTIVITY: "the system itself",
    INSTANCES_ACCESSED: "images seen",
    EXPORT: "export",
    IMPORT: "import",
    ORDER_RECORD: "order record",
    PATIENT_RECORD: "patient record",
    PROCEDURE_RECORD: "procedure record",
    QUERY: "query",
    SECURITY_ALERT: "security",
    USER_AUTHENTICATION: "sign-in",
}
"""The event IDs in words."""
ACTIONS: Final[Mapping[str, str]] = {CREATE: "made", READ: "read", UPDATE: "changed", EXECUTE: "did"}
OUTCOMES: Final[Mapping[int, str]] = {
    SUCCESS: "done",
    MINOR_FAILURE: "failed",
    SERIOUS_FAILURE: "refused",
}


def find(
    *,
    actor: str = "",
    code: str = "",
    failed: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
    things: Collection[str] | None = None,
) -> QuerySet[AuditEvent]:
    """The trail, the newest first; `until` is not included. With `things` what names one of their ids."""
    wanted: dict[str, Any] = {"actor": actor, "code": code, "at__gte": since, "at__lt": until}
    rows = AuditEvent.objects.filter(**{name: value for name, value in wanted.items() if value})
    if things is not None:
        rows = rows.filter(pk__in=AuditedThing.objects.filter(thing__in=things).values("event"))
    return (rows.exclude(outcome=SUCCESS) if failed else rows).order_by("-at", "-id")


def forget() -> None:
    """Forget what this process remembers of the last hour; the table still knows."""
    _recent.clear()


def _remember(key: tuple[str, str, int, Thing], at: float) -> None:
    _recent[key] = max(at, _recent.get(key, 0))
    _recent.move_to_end(key)
    while len(_recent) > _REMEMBERED:
        _recent.popitem(last=False)
