"""Which messages a decision on an exception would send, in words, for its preview."""

from collections.abc import Callable
from typing import Any

from archive.models import Study
from interfaces.hl7.models import OutboundMessage
from interfaces.hl7.outbound import message_types


def effects_on_preview(sender: object, *, study: Study, **others: Any) -> Callable[[], list[str]]:
    """A function that says which messages were asked for since now."""
    newest = OutboundMessage.objects.order_by("-pk").values_list("pk", flat=True).first() or 0

    def told() -> list[str]:
        rows = OutboundMessage.objects.filter(pk__gt=newest).select_related("destination").order_by("pk")
        return [_effect(row) for row in rows]

    return told


def _effect(row: OutboundMessage) -> str:
    message_type = message_types.of(row)
    if message_type is None:
        return f"{row.destination.name} is sent a message ({row.message_type})"
    codes, words = message_type.in_words(row.facts)
    return f"{row.destination.name} is told: {words} ({message_type.code} {codes})"
