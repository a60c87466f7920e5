"""What somebody has to do at which minute of the day, done one after the other by a thread of their own."""

import heapq
import itertools
import threading
import traceback
from collections.abc import Callable

from simulator.clock import Clock

Action = Callable[[], object]


class Agenda:
    """Actions by minute; one that fails is told of and does not hold up the others."""

    def __init__(self, name: str, clock: Clock, say: Callable[[str], None]) -> None:
        self.name = name
        self._clock = clock
        self._say = say
        self._due: list[tuple[float, int, Action]] = []
        self._numbers = itertools.count()
        self._news = threading.Condition()
        self._busy = False

    def add(self, minute: float, action: Action) -> None:
        """Do something at a minute, or as soon as possible where it has passed."""
        with self._news:
            heapq.heappush(self._due, (minute, next(self._numbers), action))
            self._news.notify_all()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to be done, for now."""
        with self._news:
            return not self._due and not self._busy

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name=self.name, daemon=True).start()

    def wake(self) -> None:
        """Look whether the day was stopped."""
        with self._news:
            self._news.notify_all()

    def _run(self) -> None:
        while not self._clock.stop.is_set():
            if action := self._next():
                attempt(self.name, action, self._say)
                with self._news:
                    self._busy = False

    def _next(self) -> Action | None:
        with self._news:
            left = self._due[0][0] - self._clock.minute if self._due else None
            if left is not None and left <= 0:
                self._busy = True
                return heapq.heappop(self._due)[2]
            self._news.wait(0.5 if left is None else min(0.5, self._clock.seconds(left)))
        return None


def attempt(name: str, action: Action, say: Callable[[str], None]) -> None:
    """Do something; what goes wrong is told of, and the day goes on."""
    try:
        action()
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        say(f"{name}: {type(error).__name__}: {error} ({where.filename.rpartition('/')[2]}:{where.lineno})")
