"""Who sends to us, and how its messages are read: the rows of the site file over defaults written here."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from zoneinfo import ZoneInfo

from accounts.models import Facility
from interfaces.hl7 import source_options
from interfaces.hl7.hl7_section import HL7Section
from interfaces.hl7.inbound import source_values
from interfaces.hl7.inbound.source_values import Rule
from interfaces.hl7.models import Source
from interfaces.hl7.source_options import MAPPING, SourceOptions
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.er7 import Header
from interfaces.hl7.syntax.message_parts import Path, parse_path
from interfaces.hl7.wire import certificates
from worklist.worklist_policy import WorklistPolicy

KEPT: Final = 1.0
"""Seconds for which a source and the site's policies are kept in memory."""


@dataclass(frozen=True)
class SourcePolicy:
    """A sender's name, its facility here, the choices made for it, and what follows from them."""

    name: str
    facility: Facility
    worklist: WorklistPolicy
    options: SourceOptions
    time_zone: ZoneInfo
    mapping: Mapping[str, Sequence[str]]

    @cached_property
    def rules(self) -> Mapping[str, Sequence[Rule]]:
        """What its own values and dates mean, by the segment that they stand in."""
        return source_values.rules_of(self.options)

    @cached_property
    def paths(self) -> Mapping[str, Sequence[Path]]:
        """The mapping, read."""
        return {name: [parse_path(text) for text in paths] for name, paths in self.mapping.items()}


_kept: dict[tuple[str, str], tuple[float, SourcePolicy | None]] = {}


def check_peer(policy: SourcePolicy, address: str, certificate: str) -> None:
    """Refuse, by `Er7Error` 200, a message that its source may not send from this address or certificate.

    What comes by a file, from no address, was brought by somebody who may.
    """
    addresses, subjects = policy.options.addresses, policy.options.certificates
    if not (addresses or subjects) or (found := _address(address)) is None:
        return
    if addresses and not any(found in ip_network(one, strict=False) for one in addresses):
        raise Er7Error(200, "MSH^1^3", "this sender may not send from this address")
    if subjects and not any(certificates.names(certificate, one) for one in subjects):
        raise Er7Error(200, "MSH^1^3", "this sender has to show another certificate (TLS)")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def policy_of(header: Header) -> SourcePolicy:
    """The policy of a message's sender. Raises `Er7Error` 200 for one that the site does not know."""
    key = (header.sending_application, header.sending_facility)
    read_at, policy = _kept.get(key, (0.0, None))
    if policy is None or time.monotonic() - read_at > KEPT:
        policy = _read(*key)
        if len(_kept) > 1000:
            _kept.clear()
        _kept[key] = time.monotonic(), policy
    if policy is None:
        raise Er7Error(200, "MSH^1^3", "this sending application and facility are not known here")
    return policy


def forget() -> None:
    """Have everything read anew at the next time."""
    _kept.clear()


def entry_for(rows: Iterable[Source], application: str, facility: str) -> Source | None:
    """Which of the site's sources a sender is, the one that names it best; None where it is unknown."""
    fit = [
        row for row in rows if row.application in (application, "*") and row.facility_name in (facility, "*")
    ]
    if not fit:
        return None
    row = min(fit, key=lambda row: (row.application == "*") + (row.facility_name == "*"))
    is_wild = row.application == "*" and row.facility_name == "*"
    return None if is_wild and not HL7Section.current().accept_unknown_sources else row


def _read(application: str, facility: str) -> SourcePolicy | None:
    row = entry_for(Source.objects.select_related("facility"), application, facility)
    if row is None:
        return None
    options = source_options.of(row)
    return SourcePolicy(
        name=row.name,
        facility=row.facility,
        worklist=WorklistPolicy.current(),
        options=options,
        time_zone=ZoneInfo(options.time_zone or row.facility.time_zone),
        mapping={**MAPPING, **options.mapping},
    )
