"""Who is connected: bounds on connections that have not associated yet, and on associations.

The two are counted apart. A connection that says nothing takes no association's place, and when too many are
waiting the oldest silent one is cut, not the newcomer: a peer that speaks gets in within milliseconds.
"""

from collections.abc import Callable
from threading import Condition
from time import monotonic
from typing import Protocol


class Connection(Protocol):
    address: str

    def cut(self) -> None:
        """Make its thread's next read or write fail; called from other threads."""


class Gate:
    """Registers connections.

    Parameters
    ----------
    max_pending, max_associations : int
        How many connections may wait for their A-ASSOCIATE-RQ, and how many be associated.
    per_host : int
        The bound on each of both for one address.
    """

    def __init__(self, max_pending: int, max_associations: int, per_host: int) -> None:
        self._max_pending = max_pending
        self._max_associations = max_associations
        self._per_host = per_host
        self._pending: dict[Connection, None] = {}
        self._associated: dict[Connection, None] = {}
        self._lingering: dict[Connection, None] = {}
        self._changed = Condition()

    def enter(self, connection: Connection) -> bool:
        """Register a new connection as pending; False if an older one had to be cut for it."""
        with self._changed:
            mates = [other for other in self._pending if other.address == connection.address]
            victim = None
            if len(mates) >= self._per_host:
                victim = mates[0]
            elif len(self._pending) >= self._max_pending:
                victim = next(iter(self._pending))
            if victim:
                del self._pending[victim]
                self._lingering[victim] = None
                victim.cut()
            self._pending[connection] = None
            return victim is None

    def admit(self, connection: Connection) -> bool:
        """Make a pending connection an association, if there is room."""
        with self._changed:
            mates = sum(other.address == connection.address for other in self._associated)
            if len(self._associated) >= self._max_associations or mates >= self._per_host:
                return False
            if connection not in self._pending:
                return False
            del self._pending[connection]
            self._associated[connection] = None
            return True

    def linger(self, connection: Connection) -> None:
        """Give its place up: all that remains is to wait for the peer to close."""
        with self._changed:
            if connection in self._associated or connection in self._pending:
                self._associated.pop(connection, None)
                self._pending.pop(connection, None)
                self._lingering[connection] = None

    def leave(self, connection: Connection) -> None:
        """Forget a connection; it is not cut any more after this, so its descriptor may be closed."""
        with self._changed:
            for group in (self._pending, self._associated, self._lingering):
                group.pop(connection, None)
            self._changed.notify_all()

    def cut_pending(self) -> None:
        with self._changed:
            for connection in (*self._pending, *self._lingering):
                connection.cut()

    def each(self, call: Callable[[Connection], None]) -> None:
        """Call for each connection, none of which can leave meanwhile."""
        with self._changed:
            for connection in (*self._pending, *self._associated, *self._lingering):
                call(connection)

    def wait_empty(self, timeout: float) -> bool:
        deadline = monotonic() + timeout
        with self._changed:
            return self._changed.wait_for(
                lambda: not (self._pending or self._associated or self._lingering),
                max(deadline - monotonic(), 0),
            )
