"""The intervals that are measured: from which event to which, and who answers for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Moment(StrEnum):
    """An event on a study's way to its report; the name is that of the item's column without `_at`."""

    ORDERED = "ordered"
    ARRIVED = "arrived"
    STARTED = "started"
    COMPLETED = "completed"
    READY = "ready"
    OPENED = "opened"
    DICTATED = "dictated"
    TYPED = "typed"
    PRELIMINARY = "preliminary"
    FINAL = "final"
    DELIVERED = "delivered"
    WITHDRAWN = "withdrawn"


class Part(StrEnum):
    """Whose a second between ready and final is; the values are those of `reporting.models.Owner`."""

    QUEUE = "queue"
    READER = "reader"
    TYPIST = "typist"
    SIGNER = "signer"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class Interval:
    """A stretch of a study's way: from `start` to the first of `ends`.

    One that has a `part` lies between ready and final and is measured by the log of owners: it is the sum of
    all seconds that were its owner's, however often the item came back. So the parts sum exactly.
    """

    key: str
    title: str
    start: str
    ends: tuple[str, ...]
    owner: str
    part: Part | None = None

    @property
    def words(self) -> str:
        """The interval's ends in words."""
        return f"{self.start.replace('_', ' ')} → {' or '.join(self.ends).replace('_', ' ')}"


_M = Moment
INTERVALS: Final[Mapping[str, Interval]] = {
    one.key: one
    for one in (
        Interval("access", "Access", _M.ORDERED, (_M.STARTED,), "front desk"),
        Interval("wait", "Wait", _M.ARRIVED, (_M.STARTED,), "room"),
        Interval("exam", "Exam", _M.STARTED, (_M.COMPLETED,), "technologist"),
        Interval("image_lag", "Image lag", _M.COMPLETED, (_M.READY,), "technologist, QC, PACS"),
        Interval("queue", "Queue", _M.READY, (_M.OPENED,), "list", Part.QUEUE),
        Interval("read", "Read", _M.OPENED, (_M.DICTATED, _M.PRELIMINARY, _M.FINAL), "reader", Part.READER),
        Interval("typing", "Typing", _M.DICTATED, (_M.TYPED,), "typists", Part.TYPIST),
        Interval("sign_wait", "Sign wait", "typed_or_preliminary", (_M.FINAL,), "signer", Part.SIGNER),
        Interval("held", "Held", "held", ("resumed",), "outside", Part.OUTSIDE),
        Interval("reading", "Total read time", _M.READY, (_M.FINAL,), "reading"),
        Interval("delivery", "Delivery", _M.FINAL, (_M.DELIVERED,), "interface"),
        Interval("rtat_r", "RTAT-R", _M.COMPLETED, (_M.FINAL,), "department"),
        Interval("rtat_p", "RTAT-P", _M.COMPLETED, (_M.PRELIMINARY, _M.FINAL), "department"),
        Interval("rtat_c", "RTAT-C", _M.ORDERED, (_M.DELIVERED,), "clinician's view"),
        Interval("amend", "Amend", "recheck_raised", ("addendum_signed",), "signer"),
    )
}
"""All intervals by key, in the order in which a study passes them. `reading` is what the parts sum to."""

PARTS: Final = tuple(one.key for one in INTERVALS.values() if one.part)
HEADLINE: Final = "rtat_r"
AMEND: Final = "amend"

WITH_HOLDS: Final = frozenset({"reading", "rtat_r", "rtat_p", "rtat_c"})
"""Intervals in which an item may have been held for somebody outside; their net figure leaves that out."""
BY_REPORT: Final = WITH_HOLDS
"""Intervals that a report ends: one that is taken back ended nothing."""
