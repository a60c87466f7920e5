"""`/hl7/interfaces`: how each sender and each destination does."""

from django.http import HttpRequest
from ninja import Router

from interfaces.hl7.monitoring import interface_state as states
from interfaces.hl7.monitoring.interface_state import DestinationState, Places, Rate, SenderState
from web.kernel import authorization
from web.rest.schemas.interface_state import (
    DestinationQueue,
    Interfaces,
    OpenAlarm,
    Place,
    Sender,
    Traffic,
)

router = Router(tags=["HL7 messages"])


@router.get("", response=Interfaces, summary="Read the state of all interfaces")
def read_interfaces(request: HttpRequest) -> Interfaces:
    """Rates, errors, backlogs and open alarms."""
    authorization.allow(request, "message.view")
    found = states.read()
    return Interfaces(
        senders=[_sender(one) for one in found.senders],
        destinations=[_destination(one) for one in found.destinations],
        alarms=[
            OpenAlarm(
                id=alarm.public_id,
                kind=alarm.kind,
                direction=alarm.direction,  # type: ignore[arg-type]
                partner=alarm.partner,
                text=alarm.text,
                raised_at=alarm.raised_at,
            )
            for alarm in found.alarms
        ],
    )


def _sender(one: SenderState) -> Sender:
    return Sender(
        name=one.name,
        source=one.entry.name if one.entry else None,
        connections=one.connected.number if one.connected else 0,
        connected_since=one.connected.since if one.connected else None,
        last_message_at=one.last,
        traffic=_traffic(one.rate),
        errors=_places(one.errors),
        values_left_out=_places(one.left_out),
    )


def _destination(one: DestinationState) -> DestinationQueue:
    queue = one.queue
    return DestinationQueue(
        name=queue.destination.name,
        is_active=queue.destination.is_active,
        stopped_since=queue.destination.stalled_since,
        last_delivered_at=queue.last_delivered,
        traffic=_traffic(one.rate),
        waiting=queue.waiting,
        oldest_since=queue.oldest,
        held=queue.held,
        stopped=queue.stopped,
        errors=_places(one.errors),
    )


def _traffic(rate: Rate) -> Traffic:
    return Traffic(this_hour=rate.now, usual_by_now=rate.by_now, usual_in_hour=rate.in_hour)


def _places(places: Places) -> list[Place]:
    return [Place(place=place, number=number) for place, number in places]
