"""C-STORE (PS3.4 annex B): hands what has come in to intake and answers with what became of it."""

from collections.abc import Mapping
from typing import Final

from django.utils import timezone

from archive.storage import intake
from archive.storage.intake import Announcement, NotKept, Reason, Spooled
from interfaces.dicom.message_exchange.command_set import CommandField, Status
from interfaces.dicom.message_exchange.dimse_service import (
    STORAGE_CLASSES,
    StoreOutcome,
    StoreRequest,
    StoreService,
)

STATUSES: Final[Mapping[Reason, int]] = {
    Reason.OUT_OF_RESOURCES: 0xA700,
    Reason.NOT_AS_ANNOUNCED: 0xA900,
    Reason.UNREADABLE: 0xC000,
    Reason.CONFLICT: 0xC001,
    Reason.NOT_TAKEN: 0xC002,
}
"""PS3.4 table B.2-1."""
_SUCCESS = StoreOutcome(Status.SUCCESS)


def store(request: StoreRequest) -> StoreOutcome:
    """Keep an object for good, and only then say yes; a database that is away is A700H, not an error."""
    spool = request.spool
    outcome = intake.take(
        spool=Spooled(
            path=spool.path,
            fd=spool.fd,
            dataset_offset=spool.dataset_offset,
            size=spool.size,
            sha256=spool.sha256,
            transfer_syntax=request.transfer_syntax,
        ),
        announced=Announcement(
            sop_class_uid=request.affected_sop_class_uid,
            sop_instance_uid=request.affected_sop_instance_uid,
            calling_ae=request.calling_ae,
            address=request.address,
        ),
        received_at=timezone.now(),
    )
    if isinstance(outcome, NotKept):
        return StoreOutcome(STATUSES[outcome.reason], outcome.comment)
    return _SUCCESS


SERVICE: Final = StoreService("store", STORAGE_CLASSES, CommandField.C_STORE_RQ, store)
