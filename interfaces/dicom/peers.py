"""Who may do what at the DICOM port: stations with their services and hosts (PS3.8 9.3.4, PS3.7 9.1).

An AE title is no credential; together with its address it keeps strangers and misconfigured devices out.
"""

import ipaddress
import time
from dataclasses import dataclass
from typing import Final

from interfaces.dicom.message_exchange.dimse_service import STORAGE_CLASSES, VERIFICATION, Peer
from interfaces.dicom.site import DicomSection
from interfaces.dicom.upper_layer.acceptor_config import AssociationRequest
from interfaces.dicom.upper_layer.pdu import CALLING_AE_NOT_RECOGNIZED, Rejection
from worklist.models import Station

WORKLIST_CLASS: Final = "1.2.840.10008.5.1.4.31"
REMEMBERED: Final = 5.0
"""Seconds after which a change of a station takes effect on an association that stands."""
_MOST_REMEMBERED: Final = 1000
_STORAGE: Final = frozenset(STORAGE_CLASSES)


@dataclass(frozen=True, slots=True)
class _Permission:
    """What a peer may do; None: everything."""

    services: frozenset[str] | None
    until: float


_remembered: dict[tuple[str, str], _Permission] = {}


def authorize(request: AssociationRequest) -> Rejection | None:
    """Let a known station in from its hosts, if it proposes anything that it may do."""
    services = _services(request.peer, fresh=True)
    if services is None:
        return None
    proposed = {_service(syntax) for syntax in request.abstract_syntaxes}
    if services and proposed & (services | {"echo"}):
        return None
    return CALLING_AE_NOT_RECOGNIZED


def may(peer: Peer, service: str) -> bool:
    """Whether a peer may use `store` or `worklist`."""
    services = _services(peer)
    return services is None or service in services


def _service(abstract_syntax: str) -> str:
    if abstract_syntax == VERIFICATION:
        return "echo"
    if abstract_syntax == WORKLIST_CLASS:
        return "worklist"
    is_private = not abstract_syntax.startswith("1.2.840.10008.")
    return "store" if is_private or abstract_syntax in _STORAGE else ""


def _services(peer: Peer, *, fresh: bool = False) -> frozenset[str] | None:
    """The services of a peer; None for all, empty for a stranger."""
    key = peer.calling_ae, peer.address
    known = _remembered.get(key)
    now = time.monotonic()
    if known is None or fresh or known.until < now:
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        known = _remembered[key] = _Permission(_look_up(peer), now + REMEMBERED)
    return known.services


def _look_up(peer: Peer) -> frozenset[str] | None:
    if DicomSection.current().accept_unknown and _is_loopback(peer.address):
        return None
    station = Station.objects.filter(ae_title=peer.calling_ae).first()
    if station is None or not _comes_from(peer.address, station.hosts):
        return frozenset()
    return frozenset(station.services)


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _comes_from(address: str, hosts: list[str]) -> bool:
    """Whether an address is among `hosts`, addresses or networks; no hosts: from anywhere."""
    here = ipaddress.ip_address(address.partition("%")[0])
    return not hosts or any(here in ipaddress.ip_network(host, strict=False) for host in hosts)
