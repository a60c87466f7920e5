"""Dictation: sound as it was spoken, and how it becomes text."""
