"""What the worklist tells those above it, inside the same transaction. Receivers write rows only."""

from django.dispatch import Signal

patients_changed = Signal()
"""Sent with `patients`, a list of records whose identity or demographics changed."""

order_changed = Signal()
"""Sent with `order` after its content, numbers or status changed, and `origin`."""
