"""What reporting tells those above it, inside the same transaction. Receivers write rows only."""

from django.dispatch import Signal

version_released = Signal()
"""Sent with `version`, a `ReportVersion` that can no longer be undone and is to go out."""
version_confirmed = Signal()
"""Sent with `version`, the newest that went out, when its signer says after a change that it holds."""
