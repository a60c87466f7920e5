"""C-STORE (PS3.4 annex B): hands what has come in to intake and answers with what became of it."""

from typing import Final

from django.utils import timezone

from archive.storage import intake
from archive.storage.intake import Announcement, Refused, Spooled
from interfaces.dicom.message_exchange.command_set import CommandField, Status
from interfaces.dicom.message_exchange.dimse_service import (
    STORAGE_CLASSES,
    StoreOutcome,
    StoreRequest,
    StoreService,
)

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
    return StoreOutcome(outcome.status, outcome.comment) if isinstance(outcome, Refused) else _SUCCESS


SERVICE: Final = StoreService("store", STORAGE_CLASSES, CommandField.C_STORE_RQ, store)
