"""Enhanced mode (HL7 v2.5.1 2.9.3): the accept acknowledgment of a stored message, and what follows it.

The accept acknowledgment says that the message is on the disk. The application acknowledgment is a message of
its own with a control ID of its own: it follows on the same connection, or goes to the destination that the
source names.
"""

from dataclasses import dataclass
from functools import cached_property

from interfaces.hl7.inbound import ack, translation
from interfaces.hl7.inbound.message_store import Arrival
from interfaces.hl7.inbound.translation import Problem
from interfaces.hl7.models import InboundMessage, InboundStatus
from interfaces.hl7.outbound import acknowledgments


@dataclass(frozen=True)
class Exchange:
    """A stored message of a sender in enhanced mode."""

    message: InboundMessage
    arrival: Arrival
    mode: ack.Mode

    @cached_property
    def problem(self) -> Problem | None:
        """Why it is refused at once, by its header alone."""
        return translation.header_problem(self.arrival.header, self.message)

    @property
    def is_accepted_on_storing(self) -> bool:
        """Whether the accept acknowledgment is due before the message is applied."""
        is_told_of_errors = self.mode.application_wanted(success=False)
        return self._codes("AA").accept is not None and (is_told_of_errors or self.problem is not None)

    def accept(self) -> bytes:
        """The accept acknowledgment; empty where none is wanted."""
        code = self._codes("AA" if self.is_accepted_on_storing else self._outcome).accept
        if code is None:
            return b""
        problem = self.problem or translation.problem_of(self.message) if code != "CA" else None
        return translation.answer(self.message, self.arrival.header, code, problem)

    def application(self) -> bytes:
        """The application acknowledgment that follows on the same connection; empty where none does."""
        if self._codes(self._outcome).application is None:
            return b""
        return b"" if translation.answered_at(self.arrival.header) else bytes(self.message.ack)

    @property
    def _outcome(self) -> ack.Code:
        if self.message.status == InboundStatus.APPLIED:
            return "AA"
        return translation.code_of(self.arrival.header, translation.problem_of(self.message))

    def _codes(self, code: ack.Code) -> ack.Codes:
        problem = self.problem or translation.problem_of(self.message)
        return ack.codes(
            self.mode,
            code,
            condition=problem.code if problem else 0,
            is_refused_at_once=self.problem is not None,
        )


def of(message: InboundMessage, arrival: Arrival) -> Exchange | None:
    """The exchange that a message begins; None in original mode, and for what ends one."""
    mode = translation.mode_of(arrival.header)
    if acknowledgments.is_one(arrival.header) and not _is_of_application(arrival):
        return None
    return Exchange(message, arrival, mode) if mode.enhanced else None


def _is_of_application(arrival: Arrival) -> bool:
    """Whether an acknowledgment is a message of its own, which its sender may want to know stored."""
    found = acknowledgments.read(arrival.parsed) if arrival.parsed else None
    return found is not None and found.is_of_application
