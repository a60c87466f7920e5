"""The technologist worklist: the day of each room."""
