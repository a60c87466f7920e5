"""Why an exam ends without images: chosen from the site's list, with what is typed besides."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from worklist.models import StatusEvent
from worklist.worklist_policy import WorklistPolicy

LONGEST: Final = 500
_LISTS: Final[Mapping[str, Callable[[WorklistPolicy], Sequence[str]]]] = {
    StatusEvent.Kind.NO_SHOW: lambda policy: policy.no_show_reasons,
    StatusEvent.Kind.CANCEL: lambda policy: policy.cancel_reasons,
}


def of(kind: str) -> Sequence[str]:
    """The reasons that one chooses from for an act; none for an act that needs no reason."""
    reasons = _LISTS.get(kind)
    return reasons(WorklistPolicy.current()) if reasons else ()


def needed(kind: str) -> bool:
    """Whether an act needs a reason."""
    return kind in _LISTS


def said(chosen: str, text: str) -> str:
    """One reason of what was chosen and what was typed."""
    parts = ("".join(c for c in part if c.isprintable()).strip() for part in (chosen, text))
    return ": ".join(part for part in parts if part)[:LONGEST]
