"""What the archive tells those above it, inside the same transaction. Receivers write rows only."""

from django.dispatch import Signal

study_reconciled = Signal()
"""Sent with `study`, `outcome` and `origin_text` after a verdict or a decision took effect."""

study_settled = Signal()
"""Sent with `study`, locked, at the end of all that may have changed its verdict, its links or its images."""

study_withdrawn = Signal()
"""Sent with `study`, `procedures` that it was linked to and is no longer, and `origin_text`."""

study_previewing = Signal()
"""Sent with `study` before a decision is tried out. A receiver returns a function that, called after the act
and before all is rolled back, says in words what of the receiver's own it has changed, one text for each."""
