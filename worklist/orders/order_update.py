"""What a message or a person says of an order, in the worklist's own words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from worklist.models import StatusEvent
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent

_NO_ORDER: Final = OrderContent()
_NO_PROCEDURE: Final = ProcedureContent()
_NO_STEP: Final = StepContent()


class Number(NamedTuple):
    """A placer or filler order number (EI): what names an order is the number and its namespace.

    `is_bare` was sent without any: its namespace is its sender's own.
    """

    value: str
    namespace: str = ""
    universal_id: str = ""
    universal_id_type: str = ""
    is_bare: bool = False


@dataclass(frozen=True)
class StepUpdate:
    """A scheduled procedure step; without an ID it is the one step of its procedure."""

    id: str = ""
    content: StepContent = _NO_STEP


@dataclass(frozen=True)
class ProcedureUpdate:
    """A requested procedure: its ID, or its place in the order (from 1) where it has none."""

    id: str = ""
    place: int = 1
    content: ProcedureContent = _NO_PROCEDURE
    steps: Sequence[StepUpdate] = (StepUpdate(),)

    def contents(self) -> Iterator[tuple[StepUpdate, StepContent]]:
        """Each step with what is said of it, of a procedure of this code."""
        return ((step, step.content.with_code(self.content.code)) for step in self.steps)


@dataclass(frozen=True)
class OrderUpdate:
    """An order: at least one number, what was done to it, and its content."""

    placer: Number | None = None
    filler: Number | None = None
    act: StatusEvent.Kind | None = None
    reason: str = ""
    content: OrderContent = _NO_ORDER
    procedures: Sequence[ProcedureUpdate] = ()
