"""What the people and machines of the hospital share: the day's clock, the truth, the doors of the system."""

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from simulator.agenda import Agenda
from simulator.api import Api
from simulator.clock import Clock
from simulator.messages import Message, Writer
from simulator.mllp import Sender
from simulator.plan import Case
from simulator.surroundings import Surroundings
from simulator.truth import Record, Truth


class Hospital:
    """A running day."""

    def __init__(
        self,
        around: Surroundings,
        cases: Sequence[Case],
        run: str,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self.around, self.run, self.clock, self.say = around, run, clock, say
        self.cases = {case.number: case for case in cases}
        self.truth = Truth(around.folder, cases)
        self.sender = Sender(around.hl7, clock.stop, say)
        numbers = itertools.count(1)
        self.writer = Writer(prefix=f"SIM{run}", next_number=lambda: next(numbers), at=clock.at)
        self.his = Agenda("HIS", clock, say)
        self.desk = Agenda("front desk", clock, say)
        self.refused_rightly = 0
        self.problems: Counter[str] = Counter()
        self._ordered = {case.number: threading.Event() for case in cases}

    def api(self, user: str) -> Api | None:
        """The API in the name of a user; None where we were given no token of theirs."""
        token = self.around.tokens.get(user)
        return Api(self.around.http, token, self.clock.stop) if token else None

    def record(self, case: Case) -> Record:
        """The truth about a case."""
        return self.truth.of(case)

    def partner(self, case: Case) -> Case | None:
        """The case from which a fault borrows."""
        return self.cases.get(case.partner) if case.partner else None

    def join(self, case: Case) -> None:
        """Let a case come in after the day was planned."""
        self.cases[case.number] = case
        self._ordered[case.number] = threading.Event()
        self.truth.of(case)

    def leave(self, case: Case) -> None:
        """Forget a case of after the day."""
        self.cases.pop(case.number, None)
        self._ordered.pop(case.number, None)

    def send(self, case: Case, message: Message, what: str) -> str:
        """Send a message about a case; MSA-1."""
        answer = self.sender.send(message)
        self.record(case).note(what, message=message.type, control_id=message.control_id, answer=answer)
        return answer

    def set_ordered(self, case: Case) -> None:
        """Note that the case's order was acknowledged."""
        self._ordered[case.number].set()

    def is_ordered(self, case: Case, seconds: float) -> bool:
        """Whether the case's order is acknowledged, or is so within some real seconds."""
        return self._ordered[case.number].wait(seconds)

    def trouble(self, who: str, what: str, case: Case) -> None:
        """Note something that should not have happened, and say it the first few times."""
        self.problems[what] += 1
        if self.problems[what] <= 3:
            self.say(f"{who}: {what} ({case.accession_number})")
