"""Messages that do nothing here: kept by choice, queries, and acknowledgments that came alone."""

from typing import Final

from interfaces.hl7.inbound.context import InboundContext
from interfaces.hl7.models import OutboundMessage
from interfaces.hl7.syntax.character_sets import Er7Error
from worklist.change_set import ChangeSet

QUERIES: Final = frozenset({"QBP", "QCN", "QRY", "QSB", "QVR", "SQM", "VQQ"})
"""Messages that ask for an answer of data (HL7 v2.5.1 chapter 5)."""


def keep(context: InboundContext) -> ChangeSet:
    """Nothing is done; the message can be read on its page."""
    return ChangeSet(context.provenance)


def acknowledge_nothing(context: InboundContext) -> ChangeSet:
    """Refuse an acknowledgment that came by itself, and say whether MSA-2 names a message of ours.

    Those that answer what we send come on the connection that it was sent by.
    """
    msa = context.message.first("MSA")
    if msa is None:
        raise Er7Error(100, "MSA", "the acknowledgment has no MSA segment")
    named = msa.field(2).value.strip()
    if not named:
        raise Er7Error(101, msa.location(2), "MSA-2 is empty: it is not said what is acknowledged")
    if OutboundMessage.objects.filter(control_id=named[:20]).exists():
        text = f"{named[:20]!r} was sent from here; its acknowledgment has to come on the same connection"
        raise Er7Error(200, msa.location(2), text)
    raise Er7Error(204, msa.location(2), f"no message {named[:20]!r} was sent from here")
