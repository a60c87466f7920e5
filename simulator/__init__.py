"""A simulated hospital that speaks only the wire protocols; so far the demo hospital's site file."""
