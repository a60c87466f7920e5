"""Transcription: what waits to be typed, and the page to type it on."""
