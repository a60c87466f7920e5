"""Stations: who they are here, what they asked and got lately, and why they don't see a step."""
