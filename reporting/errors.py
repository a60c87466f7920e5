"""What reporting refuses, and why. Doors translate these into HTTP problems and pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class ReportingError(Exception):
    """A request that can't be carried out; nothing was changed. `field` names what is wrong."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.field = field


class BadValue(ReportingError):
    """A value is missing, or can't be what it should be."""


class NotAllowed(ReportingError):
    """The person's roles, or the password, don't allow it."""


@dataclass(frozen=True)
class Block:
    """One reason why a report can't be signed now; one that is `overridable` yields to a written reason."""

    code: str
    text: str
    overridable: bool = False


class StateConflict(ReportingError):
    """Somebody or something was first. `code` names what, `changed` says what is different now."""

    def __init__(
        self,
        text: str,
        code: str = "state",
        *,
        changed: Mapping[str, Any] | None = None,
        blocks: Sequence[Block] = (),
    ) -> None:
        super().__init__(text, code)
        self.code = code
        self.changed = dict(changed or {})
        self.blocks = list(blocks)
