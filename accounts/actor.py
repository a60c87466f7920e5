"""Who acts, from where, through which interface: what every service is told, checks and writes down."""

import getpass
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, Protocol

from django.http import HttpRequest

from accounts import access
from accounts.models import Facility, User
from ledger.audit import Thing
from ledger.errors import Forbidden


class Interface(StrEnum):
    """The ways in which somebody acts here, as the audit trail names them."""

    PAGE = "page"
    REST = "REST"
    DICOMWEB = "DICOMweb"
    HL7 = "HL7"
    COMMAND_LINE = "command line"
    SYSTEM = "system"


_TRUSTED: Final = frozenset({Interface.COMMAND_LINE, Interface.SYSTEM})
"""Whoever has the machine has all that is on it, whatever the roles say."""


class OfFacility(Protocol):
    """A row that belongs to a facility."""

    public_id: Any
    facility_id: Any


@dataclass(frozen=True)
class Actor:
    """A person, another system, or this one. `str` is how timelines name it.

    What was refused to it is kept in `refusals` until its request is done: the transaction that it was
    refused in is rolled back, with all that was written in it.
    """

    name: str
    """What the audit trail finds it by; of a person, the user name."""
    interface: Interface
    shown: str = ""
    address: str = ""
    user: User | None = None
    refusals: list[Thing] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def of_user(cls, user: User, *, interface: Interface, address: str = "") -> "Actor":
        """A person, or a program that has a user's token."""
        return cls(user.username, interface, shown=str(user), address=address, user=user)

    @classmethod
    def of_source(cls, name: str, address: str = "") -> "Actor":
        """A system that sends HL7 messages, by its name in the site file."""
        return cls(name, Interface.HL7, shown=name, address=address)

    @classmethod
    def at_command_line(cls) -> "Actor":
        """Whoever gives a command on this machine."""
        name = _login()
        return cls(name, Interface.COMMAND_LINE, shown=name)

    @classmethod
    def system(cls) -> "Actor":
        """This system, which does by itself what is due; timelines name nobody."""
        return cls("system", Interface.SYSTEM)

    def __str__(self) -> str:
        return self.shown

    @property
    def person(self) -> User:
        """The user; raises `Forbidden` where it is nobody who could, for example, sign."""
        if self.user is None:
            raise Forbidden(f"Only a person can do this, not {self.name}.")
        return self.user

    @cached_property
    def facilities(self) -> frozenset[int]:
        """The keys of the person's facilities."""
        if self.user is None:
            return frozenset()
        return frozenset(self.user.facilities.values_list("pk", flat=True))

    def require(self, action: str, *things: OfFacility | Facility) -> None:
        """Raise `Forbidden` where the roles don't allow `action`, or a thing is another facility's."""
        allowed = access.can(self.user, action)
        if self.interface in _TRUSTED:
            return
        if not allowed:
            self.refusals.append(("action", action))
            raise Forbidden(f"Your roles don't allow {action}.")
        for thing in things:
            facility = thing.pk if isinstance(thing, Facility) else thing.facility_id
            if facility not in self.facilities:
                self.refusals.append((type(thing).__name__.lower(), thing.public_id))
                raise Forbidden("It belongs to another facility.")


def actor_of(request: HttpRequest) -> Actor:
    """Who asks, as the middleware of `web` found."""
    actor: Actor = request.actor  # type: ignore[attr-defined]
    return actor


def _login() -> str:
    """The name of the account on this machine; containers often have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
