"""What one message, or one act of a person, says: applied wholly or not at all.

It is a sequence of groups (a PID with its MRG, an ORC with its OBR). Groups are independent of each other, so
that a message with many of them can be applied in portions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from worklist.orders.order_update import OrderUpdate
from worklist.patients.allergies import AllergyChange
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance
from worklist.schedule.appointment_update import AppointmentUpdate, ArrivalUpdate


class VisitName(NamedTuple):
    """What names a visit, or an account of visits; `holder` where each patient has own visit numbers."""

    authority: Authority
    number: str
    holder: str = ""


@dataclass(frozen=True)
class VisitUpdate:
    """A visit of the registered patient, named by its number, and of which account it is."""

    authority: Authority
    number: str
    values: Mapping[str, Any]
    account: VisitName | None = None
    holder: str = ""

    @property
    def name(self) -> VisitName:
        """What names it."""
        return VisitName(self.authority, self.number, self.holder)


@dataclass(frozen=True)
class VisitMerge:
    """A visit or account of the registered patient, who `held` it, goes on under another number."""

    survivor: VisitName
    retired: VisitName
    held: Sequence[Identifier] = ()


@dataclass(frozen=True)
class VisitMove:
    """A visit or account of those who `held` it, with its orders, is the registered patient's now.

    A visit may be of another `account` then.
    """

    visit: VisitName
    account: VisitName | None = None
    held: Sequence[Identifier] = ()


VisitChange = VisitMerge | VisitMove


@dataclass(frozen=True, eq=False)
class Registration:
    """A patient, as the identifiers name it, with its demographics, and the visit if there is one."""

    identifiers: Sequence[Identifier]
    demographics: Mapping[str, Any]
    visit: VisitUpdate | None = None
    allergy_changes: Sequence[AllergyChange] = ()


@dataclass(frozen=True)
class Tie:
    """What is said of two identifiers: whether their records are one person, or two."""

    survivor: Identifier
    retired: Identifier
    reason: str = ""


@dataclass(frozen=True)
class Merge(Tie):
    """They are one person, and one of the identifiers is retired.

    Unless it `may_contradict` others it is refused where its retired record is merged into another one, or
    its survivor into the retired.
    """

    may_contradict: bool = True


@dataclass(frozen=True)
class Link(Tie):
    """They are one person; none is retired, the one shows under the other."""


@dataclass(frozen=True)
class Unlink(Tie):
    """They are two persons, whatever joined them before."""


@dataclass(frozen=True)
class Group:
    """A patient is registered, records are merged and parted, visits change, an order is applied.

    An order with content is the registered patient's, and of the visit. `index` is that of the group's first
    segment in its message.
    """

    registration: Registration | None = None
    merges: Sequence[Tie] = ()
    order: OrderUpdate | None = None
    visit_changes: Sequence[VisitChange] = ()
    appointment: AppointmentUpdate | None = None
    arrival: ArrivalUpdate | None = None
    index: int = 1


@dataclass(frozen=True)
class ChangeSet:
    """All groups of a message, and who says so since when."""

    provenance: Provenance
    groups: Sequence[Group] = field(default=())
