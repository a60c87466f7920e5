"""Search: studies, series and instances, and what a text names."""
