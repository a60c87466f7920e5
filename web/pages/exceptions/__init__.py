"""Exceptions: whose images these are, decided once, reversibly."""
