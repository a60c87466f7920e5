"""What an acceptor is told, and what it tells: configuration, facts, counters."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from interfaces.dicom.message_exchange.dimse_service import Peer
from interfaces.dicom.upper_layer.pdu import USUAL_LENGTH, Rejection

_CUT_SHORT = ("aborted by peer", "closed", "failed")


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """What the authorize hook decides on."""

    peer: Peer
    abstract_syntaxes: tuple[str, ...]


@dataclass(slots=True)
class AssociationFacts:
    """What became of a connection; `peer` is None if it never said who it was."""

    address: str
    began: float
    seconds: float = 0.0
    peer: Peer | None = None
    outcome: str = ""
    rejection: Rejection | None = None
    aborted: bool = False
    objects: int = 0
    bytes: int = 0
    refused: tuple[str, ...] = ()
    """Abstract syntaxes that were proposed and not accepted."""


@dataclass(frozen=True)
class AcceptorConfig:
    """Configuration of an acceptor; times are in seconds.

    Attributes
    ----------
    max_pdu : int
        Maximum PDU length that peers are told.
    max_associations, per_host : int
        Bounds on associations, in all and for one address.
    max_pending : int
        Bound on connections that haven't sent their A-ASSOCIATE-RQ; `per_host` holds for them too.
    association_timeout : float
        From TCP open (with TLS, from the end of the handshake) to the last byte of the A-ASSOCIATE-RQ.
    pdu_timeout : float
        For a whole PDU once it has begun, for the next PDU of a message, and for sending an answer.
    idle_timeout : float
        Between messages.
    artim_timeout : float
        For the peer to close the connection after A-ASSOCIATE-RJ, A-RELEASE-RP or A-ABORT.
    max_command_bytes, max_dataset_bytes, max_object_bytes : int
        Bounds on a command set, on the data set of any message but C-STORE-RQ, and on that of a C-STORE-RQ.
    authorize : callable, optional
        Returns a `Rejection`, or None to let the peer in.
    thread_done : callable, optional
        Called at the end of each association's thread.
    on_association_end : callable, optional
        Called with the facts of each connection when it ends.
    tls : ssl.SSLContext, optional
        A server's context, TLS 1.2 or later; all connections then are TLS.
    """

    ae_title: str
    spool_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    backlog: int = 128
    max_pdu: int = USUAL_LENGTH
    max_associations: int = 64
    max_pending: int = 64
    per_host: int = 32
    association_timeout: float = 5
    pdu_timeout: float = 30
    idle_timeout: float = 600
    artim_timeout: float = 2
    tls_timeout: float = 5
    max_command_bytes: int = 16 << 10
    max_dataset_bytes: int = 1 << 20
    max_object_bytes: int = 8 << 30
    authorize: Callable[[AssociationRequest], Rejection | None] | None = None
    thread_done: Callable[[], None] | None = None
    on_association_end: Callable[[AssociationFacts], None] | None = None
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        if self.tls and self.tls.minimum_version < ssl.TLSVersion.TLSv1_2:
            raise ValueError("TLS 1.2 is the least that PS3.15 allows")


@dataclass
class Counters:
    """Totals since start, for metrics."""

    connections: int = 0
    associations: int = 0
    rejected: int = 0
    aborted: int = 0
    timed_out: int = 0
    displaced: int = 0  # silent connections cut to make room
    objects: int = 0
    bytes: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def entered(self, *, displaced: bool) -> None:
        with self._lock:
            self.connections += 1
            self.displaced += displaced

    def received(self, size: int) -> None:
        with self._lock:
            self.objects += 1
            self.bytes += size

    def ended(self, facts: AssociationFacts) -> None:
        with self._lock:
            self.associations += facts.peer is not None and facts.rejection is None
            self.rejected += facts.rejection is not None
            self.aborted += facts.aborted or (facts.peer is not None and facts.outcome in _CUT_SHORT)
            self.timed_out += facts.outcome == "timed out"

    def snapshot(self) -> dict[str, int]:
        with self._lock:
            return {name: value for name, value in vars(self).items() if not name.startswith("_")}
