"""A DIMSE message on its way in: its command set, and where its data set goes."""

from dataclasses import dataclass, field

from archive.storage.spool import SpoolFile, SpoolFull
from interfaces.dicom.message_exchange.command_set import CommandSet, Status
from interfaces.dicom.message_exchange.dimse_service import Service
from interfaces.dicom.upper_layer.pdu import AcceptedContext


@dataclass(slots=True)
class Incoming:
    """A DIMSE message on its way in."""

    context: AcceptedContext
    head: bytearray = field(default_factory=bytearray)
    command: CommandSet | None = None
    service: Service | None = None
    refusal: tuple[int, str] | None = None
    dataset: bytearray = field(default_factory=bytearray)
    spool: SpoolFile | None = None

    def append(self, fragment: memoryview, limit: int) -> None:
        """Take a fragment of the data set; one that can't be kept is drained, and the message refused."""
        if self.refusal:
            return
        if self.spool:
            try:
                self.spool.append(fragment)
            except SpoolFull:
                self.discard()
                self.refusal = Status.OUT_OF_RESOURCES, "Object too large or no space left"
        elif len(self.dataset) + len(fragment) > limit:
            self.dataset.clear()
            self.refusal = Status.OUT_OF_RESOURCES, "Data set too large"
        else:
            self.dataset += fragment

    def discard(self) -> None:
        if self.spool:
            self.spool.discard()
