"""Whether anything of what the site says has changed: small tables are read once and kept until it has.

Each change to a watched table gives the version another token, in the same transaction. A process looks at it
once a second; what it changes itself it sees at once.
"""

import time
import uuid
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from django.db import models
from django.db.models.signals import post_delete, post_save

from accounts.models import SiteVersion

LOOKED_AT: Final = 1.0
"""Seconds for which the version is not looked at again."""

_Value = TypeVar("_Value")
_kept: "list[Kept[Any]]" = []


class Kept(Generic[_Value]):
    """Something that is read from the site's tables, and kept until one of them changes."""

    def __init__(self, read: Callable[[], _Value]) -> None:
        self._read = read
        self._value: tuple[str, float, _Value] | None = None
        _kept.append(self)

    def current(self) -> _Value:
        """What was read, read anew where the version has changed."""
        kept, now = self._value, time.monotonic()
        if kept is None or now - kept[1] >= LOOKED_AT:
            token = version()
            value = kept[2] if kept is not None and token == kept[0] else self._read()
            kept = self._value = token, now, value
        return kept[2]

    def forget(self) -> None:
        """Read anew at the next time."""
        self._value = None


def watch(*tables: type[models.Model]) -> None:
    """Have a change to one of these tables noticed; called from `AppConfig.ready()`."""
    for table in tables:
        for signal in (post_save, post_delete):
            signal.connect(_note, sender=table, dispatch_uid=f"site_version.{table.__name__}")


def version() -> str:
    """The token of the version in force; empty where nothing was ever changed."""
    return SiteVersion.objects.values_list("token", flat=True).first() or ""


def forget() -> None:
    """Have everything read anew at the next time."""
    for one in _kept:
        one.forget()


def changed() -> None:
    """Have a change noticed by all processes; by hand after a commit, where no signal tells of it."""
    SiteVersion.objects.update_or_create(name=SiteVersion.NAME, defaults={"token": uuid.uuid4().hex})
    forget()


def _note(sender: object, **_: Any) -> None:
    changed()
