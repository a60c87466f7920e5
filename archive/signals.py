"""What the archive tells those above it, inside the same transaction. Receivers write rows only."""

from django.dispatch import Signal

study_reconciled = Signal()
"""Sent with `study`, `outcome` and `origin_text` after a verdict or a decision took effect."""
