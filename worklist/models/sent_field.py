"""Fields that go back as they were sent, by which other systems find what is theirs."""

from typing import Any

from django.db import models

AsSent = list[list[list[str]]]
"""A field as it was sent: repetitions of components of subcomponents."""


def as_sent() -> "models.JSONField[Any, Any]":
    """A column for such a field; empty where nothing was said."""
    return models.JSONField(default=list, blank=True, db_default=models.Value([], models.JSONField()))
