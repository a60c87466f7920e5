"""Messages as people look at them: found, taken apart, repaired."""
