"""Faults of our own while a peer is served: where they came from, and nothing of the patient."""

import logging
import traceback

logger = logging.getLogger(__name__)


def log_fault(what: str, error: Exception) -> None:
    """Log where an exception came from. Its text may quote values, and those are patient data."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("%s failed: %s\n%s", what, type(error).__name__, frames)
