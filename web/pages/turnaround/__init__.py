"""Turnaround: tiles, charts and tables of how long each part of a study's way takes."""
