"""What was said of an appointment message by message, so that it can be told how it stood at a moment."""

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from worklist.models import Appointment

MOST: Final = 50
"""The newest messages of an appointment that are kept."""
_FIELDS: Final = ("status", "start", "location", "station_ae_title", "reason", "services")


def keep(row: Appointment, values: Mapping[str, Any], stamp: str) -> None:
    """Note what a message says; None says nothing."""
    said = {name: _plain(values[name]) for name in _FIELDS if values.get(name) is not None}
    others = [one for one in row.said if one[0] != stamp]
    row.said = sorted([*others, [stamp, said]], key=lambda one: str(one[0]))[-MOST:]


def as_of(row: Appointment, stamp: str) -> Appointment | None:
    """An appointment as it stood by all that was said until a stamp; None where nothing was."""
    then = copy.copy(row)
    then.stamps = {name: one for name, one in row.stamps.items() if one[0] <= stamp}
    later = [name for name in _FIELDS if name in row.stamps and name not in then.stamps]
    nothing = Appointment()
    for name in later:
        setattr(then, name, getattr(nothing, name))
    for at, said in row.said:
        for name in later:
            if at <= stamp and name in said:
                setattr(then, name, _typed(name, said[name]))
                then.stamps[name] = [at, ""]
    return then if "status" in then.stamps else None


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _typed(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name == "start" else value
