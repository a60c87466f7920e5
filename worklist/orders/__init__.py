"""Orders: what a message or a person says of one, and what follows from it."""
