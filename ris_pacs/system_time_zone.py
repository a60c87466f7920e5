"""The time zone of this machine.

Django sets TZ to UTC for its whole process and what that starts, so the settings read this before.
"""

import contextlib
import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tzlocal import get_localzone_name


def name() -> str:
    """Its name in the IANA list, as TZ or /etc/localtime tell; empty where its clock goes by none of them."""
    return next(filter(_fits, _candidates()), "")


def _candidates() -> Iterator[str]:
    with contextlib.suppress(ZoneInfoNotFoundError, OSError):  # files that contradict each other
        yield get_localzone_name() or ""
    yield "UTC"  # what a machine goes by that says nothing


def _fits(zone: str) -> bool:
    """Whether the machine's clock shows the time of a zone in winter and in summer."""
    try:
        offsets = [datetime.fromtimestamp(moment, ZoneInfo(zone)).utcoffset() for moment in _moments()]
    except (ZoneInfoNotFoundError, ValueError):
        return False
    shown = [time.localtime(moment).tm_gmtoff for moment in _moments()]
    return shown == [offset.total_seconds() for offset in offsets if offset is not None]


def _moments() -> list[float]:
    year = time.gmtime().tm_year
    return [time.time(), *(datetime(year, month, 1).timestamp() for month in (1, 7))]
