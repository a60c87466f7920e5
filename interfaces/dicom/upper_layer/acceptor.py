"""The acceptor side of PS3.8: listens, gives each connection a thread, stops with grace.

A usage example:

>>> config = AcceptorConfig(ae_title="RIS", spool_dir=Path("store/spool"), host="0.0.0.0", port=11112,
...     authorize=authorize, thread_done=close_old_connections)
>>> acceptor = Acceptor(config, Services([verification.SERVICE, store.SERVICE]))    # listens from here on
>>> signal.signal(signal.SIGTERM, lambda *_: acceptor.request_stop())
>>> acceptor.serve()                             # until request_stop()
>>> acceptor.stop(timeout=20)                    # messages in flight end, the rest is aborted

Pre-fork: make the listening socket with `listen()`, fork, and make an `Acceptor` on it in each child.
"""

import errno
import logging
import os
import select
import socket
from threading import Thread
from time import monotonic

from archive.storage.spool import Spool, SpoolFile
from interfaces.dicom.message_exchange.dimse_provider import Provider
from interfaces.dicom.message_exchange.dimse_service import (
    OperationAnswer,
    OperationRequest,
    Peer,
    QueryRequest,
    QueryResult,
    Services,
    StoreOutcome,
    StoreRequest,
)
from interfaces.dicom.upper_layer.acceptor_config import (
    AcceptorConfig,
    AssociationFacts,
    AssociationRequest,
    Counters,
)
from interfaces.dicom.upper_layer.association import Association, Shared
from interfaces.dicom.upper_layer.connection_limits import Connection, Gate
from interfaces.dicom.upper_layer.negotiation import Negotiator
from interfaces.dicom.upper_layer.pdu import Rejection

__all__ = [
    "Acceptor",
    "AcceptorConfig",
    "AssociationFacts",
    "AssociationRequest",
    "Counters",
    "OperationAnswer",
    "OperationRequest",
    "Peer",
    "QueryRequest",
    "QueryResult",
    "Rejection",
    "Services",
    "SpoolFile",
    "StoreOutcome",
    "StoreRequest",
    "listen",
]

log = logging.getLogger(__name__)

_OUT_OF_SOMETHING = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PAUSE = 0.1


def listen(host: str, port: int, backlog: int = 128) -> socket.socket:
    """Return a listening socket."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server(
        (host, port),
        family=family,
        backlog=backlog,
        dualstack_ipv6=family == socket.AF_INET6 and host == "::",
    )


class Acceptor:
    """Accepts associations.

    Parameters
    ----------
    config : AcceptorConfig
    services : Services
    listener : socket.socket, optional
        A listening socket, maybe shared with other processes; made from host and port if there is none.
    """

    def __init__(
        self, config: AcceptorConfig, services: Services, listener: socket.socket | None = None
    ) -> None:
        self.config = config
        self.counters = Counters()
        self.gate = Gate(config.max_pending, config.max_associations, config.per_host)
        self._spool = Spool(config.spool_dir)
        self._listener = listener or listen(config.host, config.port, config.backlog)
        self._listener.setblocking(False)
        self._stop_read, self._stop_write = os.pipe()
        self._shared = Shared(
            Provider(config, services, self._spool, self.counters),
            Negotiator(services, config.max_pdu),
            self.gate,
            self._stop_read,
        )

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def serve(self) -> None:
        """Accept connections until `request_stop`; then close our end of the listening socket."""
        poll = select.poll()  # takes no descriptor, and knows no bound on their numbers
        poll.register(self._listener, select.POLLIN)
        poll.register(self._stop_read, select.POLLIN)
        while all(fd != self._stop_read for fd, _ in poll.poll()):
            if not self._accept():
                self._pause()
        self._listener.close()

    def request_stop(self) -> None:
        """Make `serve` return and idle associations end. Safe in a signal handler; may be called again."""
        if self._stop_write >= 0:
            fd, self._stop_write = self._stop_write, -1
            os.close(fd)

    def stop(self, timeout: float = 20) -> bool:
        """Stop: idle associations are released, messages in flight have until `timeout`, the rest is aborted.

        Returns
        -------
        bool
            Whether all threads have left; those in a service that doesn't return can't be ended.
        """
        self.request_stop()
        deadline = monotonic() + timeout
        self.gate.cut_pending()
        done = self.gate.wait_empty(deadline - monotonic())
        if not done:
            self.gate.each(_abort)
            done = self.gate.wait_empty(1)
        self._spool.close()
        return done

    def _accept(self) -> bool:
        """Accept one connection; False if the process has run out of something for it."""
        try:
            sock, address = self._listener.accept()
        except OSError as error:
            return error.errno not in _OUT_OF_SOMETHING
        association = Association(sock, (address[0].removeprefix("::ffff:"), address[1]), self._shared)
        unhurt = self.gate.enter(association)
        self.counters.entered(displaced=not unhurt)
        thread = Thread(target=self._run, args=(association,), daemon=True, name=f"dicom-{address[1]}")
        try:
            thread.start()
        except RuntimeError:
            self.gate.leave(association)
            sock.close()
            return False
        return True

    def _run(self, association: Association) -> None:
        try:
            association.run()
        finally:
            if self.config.thread_done:
                self.config.thread_done()

    def _pause(self) -> None:
        """Wait a little, so that a listener that stays readable burns no CPU, but not past a stop."""
        poll = select.poll()
        poll.register(self._stop_read, select.POLLIN)
        poll.poll(_PAUSE * 1000)


def _abort(connection: Connection) -> None:
    if isinstance(connection, Association):
        connection.abort_from_outside()
