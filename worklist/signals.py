"""What the worklist tells those above it, inside the same transaction. Receivers write rows only.

One signal tells of all that a batch of messages changed, so receivers ask the database by sets.
"""

from django.dispatch import Signal

patients_changed = Signal()
"""Sent with `patients`, the `PatientRecord`s whose identity or demographics changed."""

orders_changed = Signal()
"""Sent with `orders`, the `OrderAggregate`s whose content, numbers, status or patient changed."""
