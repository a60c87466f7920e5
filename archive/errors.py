"""What the archive refuses, and why. Doors translate these into HTTP problems and pages."""


class ArchiveError(Exception):
    """A request that can't be carried out; nothing was changed.

    `field` is the domain's name of what is wrong, for example `reason` or `scheduled_procedure_step`.
    """

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.field = field


class RequiredMissing(ArchiveError):
    """Something that the request must name is not there."""


class BadValue(ArchiveError):
    """A value that can't be what it should be, or is too long to be kept whole."""


class UnknownKey(ArchiveError):
    """The request names a thing that does not exist here."""


class StateConflict(ArchiveError):
    """The thing is in a state in which that can't be done, or another person was first."""
