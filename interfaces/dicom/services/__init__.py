"""The service classes (PS3.4) that we provide: `ALL` of them, each declared by its module.

Negotiation, dispatch, what a station may use and the check of the site file read this tuple.
"""

from typing import Final

from interfaces.dicom.message_exchange.dimse_service import Service
from interfaces.dicom.services import modality_worklist, store, verification

ALL: Final[tuple[Service, ...]] = (verification.SERVICE, store.SERVICE, modality_worklist.SERVICE)


def names() -> list[str]:
    """What a station may be given in the site file."""
    return sorted({service.name for service in ALL if not service.for_all})
