"""Messages that do nothing here: kept by choice, and queries."""

from typing import Final

from interfaces.hl7.inbound.context import InboundContext
from worklist.change_set import ChangeSet

QUERIES: Final = frozenset({"QBP", "QCN", "QRY", "QSB", "QVR", "SQM", "VQQ"})
"""Messages that ask for an answer of data (HL7 v2.5.1 chapter 5)."""


def keep(context: InboundContext) -> ChangeSet:
    """Nothing is done; the message can be read on its page."""
    return ChangeSet(context.provenance)
