"""What people do with messages that wait for them: done, ignore, put back, assign.

The messages themselves, their answers and their errors never change. Each act leaves an event with each
message, and one row in the audit trail.
"""

from collections.abc import Sequence
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from accounts import access
from accounts.actor import Actor
from accounts.models import User
from interfaces.hl7 import hl7_events
from interfaces.hl7.inspect import work_list
from interfaces.hl7.models import InboundMessage, OutboundMessage, Settled
from interfaces.hl7.outbound import message_status
from ledger import audit, events
from ledger.errors import Invalid
from ledger.event_types import EventType
from ledger.events import Entry

MOST: Final = 10_000
"""Messages of one act."""
NAMED: Final = 500
"""Of so many the row in the audit trail names each."""
_PUT_BACK: Final = (Settled.DONE, Settled.IGNORED)


def done(messages: Sequence[InboundMessage], *, by: Actor, reason: str = "") -> int:
    """Take messages off the list: whatever was to be done is done. How many were on it."""
    return _settle(messages, Settled.DONE, hl7_events.WORK_DONE, by, reason)


def ignore(messages: Sequence[InboundMessage], *, by: Actor, reason: str) -> int:
    """Take messages off the list that need nothing, for a reason. How many were on it."""
    if not reason:
        raise Invalid("Ignoring needs a reason.")
    return _settle(messages, Settled.IGNORED, hl7_events.WORK_IGNORED, by, reason)


def put_back(messages: Sequence[InboundMessage], *, by: Actor, reason: str = "") -> int:
    """Put messages back on the list that a person took off it. How many were off it."""
    by.require("message.replay")
    rows = InboundMessage.objects.filter(settled__in=_PUT_BACK)
    return _change(rows, messages, {"settled": ""}, hl7_events.WORK_REOPENED, by, reason)


def assign(
    messages: Sequence[InboundMessage] | Sequence[OutboundMessage],
    *,
    to: User | None,
    by: Actor,
    reason: str = "",
) -> int:
    """Give messages to somebody who may see to them, or to nobody. How many changed hands."""
    by.require("message.replay")
    if to is not None and not access.can(to, "message.replay"):
        raise Invalid(f"{to} may not see to messages.")
    model: type[InboundMessage] | type[OutboundMessage] = InboundMessage
    rows: QuerySet[InboundMessage] | QuerySet[OutboundMessage] = work_list.open_messages()
    if messages and isinstance(messages[0], OutboundMessage):
        model, rows = OutboundMessage, OutboundMessage.objects.filter(status__in=message_status.STUCK)
    assert all(isinstance(one, model) for one in messages)
    person = str(to) if to else "nobody"
    return _change(rows, messages, {"assignee": to}, hl7_events.WORK_ASSIGNED, by, reason, person=person)


def _settle(
    messages: Sequence[InboundMessage], settled: Settled, event: EventType, by: Actor, reason: str
) -> int:
    by.require("message.replay")
    return _change(work_list.open_messages(), messages, {"settled": settled}, event, by, reason)


def _change(
    rows: QuerySet[InboundMessage] | QuerySet[OutboundMessage],
    messages: Sequence[InboundMessage] | Sequence[OutboundMessage],
    values: dict[str, object],
    event: EventType,
    by: Actor,
    reason: str,
    **details: object,
) -> int:
    if len(messages) > MOST:
        raise Invalid(f"At most {MOST} messages at a time.")
    with transaction.atomic():
        wanted = rows.filter(pk__in=[one.pk for one in messages]).order_by("pk")
        found = dict(wanted.select_for_update(of=("self",)).values_list("pk", "public_id"))
        if not found:
            return 0
        rows.model._default_manager.filter(pk__in=list(found)).update(**values)
        told = {"reason": reason[:500], **details}
        things = [("message", public_id) for public_id in found.values()]
        events.record_all([Entry(event, [thing], actor=by, details=told) for thing in things])
        act = f"{event.say(told)}: {len(found)} message{'s' if len(found) != 1 else ''}"
        named = things if len(things) <= NAMED else []
        audit.note(by, audit.IMPORT, audit.UPDATE, *named, act=act)
    return len(found)
