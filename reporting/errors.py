"""What reporting adds to a refusal: what is different now, and all that stands in the way of a signature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.errors import Conflict


@dataclass(frozen=True)
class Block:
    """One reason why a report can't be signed now.

    One that is `overridable` yields to a written reason, one that `asks` to a mere yes: it may well be meant.
    `section` is where it stands in the text, and empty where it is not about the text.
    """

    code: str
    text: str
    overridable: bool = False
    asks: bool = False
    section: str = ""


class StateConflict(Conflict):
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
