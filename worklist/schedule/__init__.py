"""The schedule: what is to be done on a day, and what people do to its steps."""
