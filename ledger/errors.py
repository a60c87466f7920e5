"""What is refused, and why: one hierarchy for all packages.

Services raise these; interfaces translate each kind once, into a status, an ACK code, a sentence on a page.
"""

from collections.abc import Mapping
from typing import TypeVar

_Answer = TypeVar("_Answer")


class Refused(Exception):
    """A request that can't be carried out; nothing was changed.

    `field` is the domain's name of what is wrong, for example `start` or `patient.name`.
    """

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.field = field

    @property
    def sentence(self) -> str:
        """The text as a sentence begins."""
        return self.text[:1].upper() + self.text[1:]

    def answer(self, answers: Mapping[type["Refused"], _Answer]) -> _Answer:
        """What an interface answers to this kind; raises KeyError where it has no answer to it."""
        kinds = (kind for kind in type(self).__mro__ if kind in answers)
        return answers[next(kinds, type(self))]


class Missing(Refused):
    """Something that the request must name is not there."""


class Invalid(Refused):
    """A value that can't be what it should be, or is too long to be kept whole."""


class Unknown(Refused):
    """The request names a thing that does not exist here."""


class UnknownCode(Unknown):
    """A code that no table here knows."""


class Duplicate(Refused):
    """The request would give one name to two things, or merge a thing with itself."""


class Conflict(Refused):
    """The thing is in a state in which that can't be done, or another person was first."""


class Decided(Conflict):
    """A person has decided otherwise: `decision`, by its public id, has to be undone first."""

    def __init__(self, text: str, field: str = "", decision: str = "") -> None:
        super().__init__(text, field)
        self.decision = decision


class OtherPatient(Conflict):
    """It names another patient than the one whose the thing is."""


class IdentityConflict(Conflict):
    """It contradicts what was said of who is whom."""


class Forbidden(Refused):
    """The person's roles, or the password, don't allow it."""
