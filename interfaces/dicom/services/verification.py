"""Verification: C-ECHO (PS3.4 annex A), for every station."""

from typing import Final

from interfaces.dicom.message_exchange.command_set import CommandField, Status
from interfaces.dicom.message_exchange.dimse_service import (
    OperationAnswer,
    OperationRequest,
    OperationService,
)

VERIFICATION: Final = "1.2.840.10008.1.1"


def echo(request: OperationRequest) -> OperationAnswer:
    """Say that we are here."""
    return OperationAnswer(Status.SUCCESS)


SERVICE: Final = OperationService(
    "echo", frozenset({VERIFICATION}), CommandField.C_ECHO_RQ, echo, for_all=True
)
