"""Pause a destination, and go on: what is asked for meanwhile waits in order."""

from django.db import transaction

from accounts.actor import Actor
from interfaces.hl7 import hl7_events
from interfaces.hl7.models import Destination, OutboundMessage, OutboundStatus
from interfaces.hl7.outbound import outbox
from ledger import audit, clock, events, jobs
from ledger.errors import Conflict


def pause(destination: Destination, *, by: Actor, reason: str) -> None:
    """Send nothing more to a destination; the message that is on its way is finished.

    Raises `Conflict` where it is paused already.
    """
    by.require("message.replay")
    rows = Destination.objects.filter(pk=destination.pk, paused_since=None)
    values = {"paused_since": clock.now(), "paused_why": reason[:500], "stalled_since": None}
    with transaction.atomic():
        if not rows.update(**values):
            raise Conflict(f"{destination.name} is paused already")
        about = [("destination", destination.name)]
        events.record(hl7_events.PAUSED, about=about, actor=by, source=destination.name, reason=reason)
        audit.note(by, audit.EXPORT, audit.EXECUTE, *about, act="Sending paused")


def resume(destination: Destination, *, by: Actor, reason: str = "") -> None:
    """Go on sending to a destination, at once and in order. Raises `Conflict` where it is not paused."""
    by.require("message.replay")
    rows = Destination.objects.filter(pk=destination.pk).exclude(paused_since=None)
    waiting = OutboundMessage.objects.filter(destination=destination, status=OutboundStatus.WAITING)
    with transaction.atomic():
        if not rows.update(paused_since=None, paused_why=""):
            raise Conflict(f"{destination.name} is not paused")
        waiting.filter(not_before__gt=clock.now()).update(not_before=clock.now())
        jobs.enqueue(outbox.JOB, destination.name)
        about = [("destination", destination.name)]
        events.record(hl7_events.UNPAUSED, about=about, actor=by, source=destination.name, reason=reason)
        audit.note(by, audit.EXPORT, audit.EXECUTE, *about, act="Sending resumed")
