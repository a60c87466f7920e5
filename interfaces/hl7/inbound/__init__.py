"""Messages that come: stored, applied, acknowledged."""
