"""`/hl7/destinations`: pause a destination, go on, try it now; steer a message to it."""

from typing import Final

from django.http import Http404, HttpRequest
from ninja import Router

from accounts.actor import actor_of
from interfaces.hl7.inspect import message_search
from interfaces.hl7.models import Destination, OutboundMessage
from interfaces.hl7.outbound import destination_pause as pauses
from interfaces.hl7.outbound import outbox
from web.kernel import authorization
from web.rest.schemas import Reason
from web.rest.schemas.destination_pause import DestinationSending
from web.rest.schemas.messages import OutboundState

router = Router(tags=["HL7 messages"])
of_messages = Router(tags=["HL7 messages"])


@router.post("/{name}/pause", response=DestinationSending, summary="Pause a destination")
def pause_destination(request: HttpRequest, name: str, body: Reason) -> DestinationSending:
    """Nothing more is sent to it; messages wait in order."""
    authorization.allow(request, "message.replay")
    row = _find(name)
    pauses.pause(row, by=actor_of(request), reason=body.reason)
    return _shown(row)


@router.post("/{name}/resume", response=DestinationSending, summary="Resume a destination")
def resume_destination(request: HttpRequest, name: str, body: Reason) -> DestinationSending:
    """What waits is sent in order."""
    authorization.allow(request, "message.replay")
    row = _find(name)
    pauses.resume(row, by=actor_of(request), reason=body.reason)
    return _shown(row)


@router.post("/{name}/try-now", response=DestinationSending, summary="Try a destination now")
def try_destination(request: HttpRequest, name: str) -> DestinationSending:
    """At once, instead of when its pause is over."""
    authorization.allow(request, "message.replay")
    row = _find(name)
    outbox.try_now(row, by=actor_of(request))
    return _shown(row)


_STEPS: Final = {
    "hold": outbox.hold,
    "release": outbox.release,
    "skip": outbox.skip,
    "resend": outbox.resend,
}


@of_messages.post("/{id}/{act}", response=OutboundState, summary="Hold, release, skip or resend a message")
def steer_message(request: HttpRequest, id: str, act: str, body: Reason) -> OutboundState:
    """`act` is hold, release, skip or resend."""
    authorization.allow(request, "message.replay")
    row = message_search.by_public_id(id)
    if act not in _STEPS or not isinstance(row, OutboundMessage):
        raise Http404
    _STEPS[act](row, by=actor_of(request), reason=body.reason)
    return OutboundState(id=row.public_id, status=row.status)


def _find(name: str) -> Destination:
    row = Destination.objects.filter(name=name, is_active=True).first()
    if row is None:
        raise Http404
    return row


def _shown(row: Destination) -> DestinationSending:
    row.refresh_from_db()
    return DestinationSending(name=row.name, paused_since=row.paused_since, stopped_since=row.stalled_since)
