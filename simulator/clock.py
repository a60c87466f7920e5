"""The clock of the simulated day: it is the real clock, only the day is shorter."""

import threading
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Minutes of the day against real time; `speed` is how many of its seconds pass in a real one."""

    def __init__(self, speed: float, stop: threading.Event) -> None:
        self.speed = speed
        self.stop = stop
        self._began = time.monotonic()
        self._began_at = datetime.now(UTC).astimezone()

    @property
    def minute(self) -> float:
        """The minute that it is."""
        return (time.monotonic() - self._began) * self.speed / 60

    def at(self, minute: float) -> datetime:
        """The real moment of a minute of the day."""
        return self._began_at + timedelta(seconds=minute * 60 / self.speed)

    def wait_until(self, minute: float) -> bool:
        """Wait until a minute has come; False if the day was stopped meanwhile."""
        while (left := minute - self.minute) > 0:
            if self.stop.wait(left * 60 / self.speed):
                return False
        return not self.stop.is_set()

    def wait(self, minutes: float) -> bool:
        """Wait for some minutes of the day."""
        return self.wait_until(self.minute + minutes)

    def seconds(self, minutes: float) -> float:
        """How long some minutes of the day really last."""
        return minutes * 60 / self.speed


def now() -> datetime:
    """The real time, with its offset."""
    return datetime.now(UTC).astimezone()
