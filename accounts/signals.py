"""What accounts tells those above it, inside the same transaction. Receivers write rows only."""

from django.dispatch import Signal

time_zone_changed = Signal()
"""Sent with `facility` after its time zone became another."""
