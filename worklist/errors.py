"""What the worklist refuses, and why. Doors translate these into ACK codes, statuses and HTTP problems."""


class WorklistError(Exception):
    """A request that can't be carried out; nothing was changed.

    `field` is the domain's name of what is wrong, for example `start` or `patient.name`.
    """

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.field = field


class RequiredMissing(WorklistError):
    """Something that the request must name is not there."""


class BadValue(WorklistError):
    """A value that can't be what it should be, or is too long to be kept whole."""


class NotInTable(WorklistError):
    """A code that no table here knows."""


class UnknownKey(WorklistError):
    """The request names a thing that does not exist here."""


class DuplicateKey(WorklistError):
    """The request would give one name to two things, or merge a thing with itself."""


class StateConflict(WorklistError):
    """The thing is in a state in which that can't be done."""
