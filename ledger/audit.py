"""The audit trail (DICOM PS3.15 A.5): who did what to whose data, recorded in the act's own transaction."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ledger.models import AuditEvent

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
_REMEMBERED: Final = 50_000

Thing = tuple[str, str]
"""A type and an id, such as `("study", "1.2.840…")`."""

_recent: "OrderedDict[tuple[str, str, int, Thing], float]" = OrderedDict()


def record(
    code: str,
    action: str,
    *,
    actor: str,
    address: str = "",
    objects: Iterable[Thing] = (),
    outcome: int = SUCCESS,
) -> AuditEvent:
    """Record an act in the caller's transaction."""
    assert connection.in_atomic_block, "an audit event is part of the act's own transaction"
    return AuditEvent.objects.create(
        code=code,
        action=action,
        outcome=outcome,
        actor=actor[:200],
        address=address[:64],
        objects_named=[{"type": type_, "id": id_} for type_, id_ in objects],
    )


def record_once(
    code: str,
    action: str,
    *,
    actor: str,
    address: str = "",
    objects: Iterable[Thing],
    outcome: int = SUCCESS,
) -> None:
    """Record what is not yet recorded of this person and these things within the last hour.

    For what only reads, and so has no transaction of its own.
    """
    actor = actor[:200]
    keys = {thing: (actor, code, outcome, thing) for thing in dict.fromkeys(objects)}
    now = timezone.now()
    since = now - ONCE_PER
    new = [thing for thing, key in keys.items() if _recent.get(key, 0) < since.timestamp()]
    if not new:
        return
    rows = AuditEvent.objects.filter(at__gte=since, actor=actor, code=code, action=action, outcome=outcome)
    for at, named in rows.values_list("at", "objects_named"):
        for thing in named:
            _remember((actor, code, outcome, (thing["type"], thing["id"])), at.timestamp())
    new = [thing for thing in new if _recent.get(keys[thing], 0) < since.timestamp()]
    if new:
        with transaction.atomic():
            record(code, action, actor=actor, address=address, objects=new, outcome=outcome)
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
) -> QuerySet[AuditEvent]:
    """The trail, the newest first; `until` is not included."""
    wanted: dict[str, Any] = {"actor": actor, "code": code, "at__gte": since, "at__lt": until}
    rows = AuditEvent.objects.filter(**{name: value for name, value in wanted.items() if value})
    return (rows.exclude(outcome=SUCCESS) if failed else rows).order_by("-at", "-id")


def forget() -> None:
    """Forget what this process remembers of the last hour; the table still knows."""
    _recent.clear()


def _remember(key: tuple[str, str, int, Thing], at: float) -> None:
    _recent[key] = max(at, _recent.get(key, 0))
    _recent.move_to_end(key)
    while len(_recent) > _REMEMBERED:
        _recent.popitem(last=False)
