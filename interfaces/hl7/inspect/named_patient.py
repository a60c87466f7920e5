"""Whom a message names as its patient, as sent (PID-3, PID-5), whoever is here. Only reads."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from django.db.models import BinaryField, QuerySet
from django.db.models.functions import Substr

from interfaces.hl7.inbound import message_index, sources
from interfaces.hl7.models import InboundMessage
from interfaces.hl7.syntax import data_types, er7
from interfaces.hl7.syntax import message_text as texts
from interfaces.hl7.syntax.character_sets import Er7Error
from interfaces.hl7.syntax.message_parts import Segments
from worklist.models import AssigningAuthority, Patient
from worklist.patients import patient_search, person_names
from worklist.patients.identifiers import NAMING_TYPES, Authority, Identifier

LOOKED: Final = 20_000
SECONDS: Final = 2.0
MOST_FOUND: Final = 5_000
"""Messages that a search for a name reads, for how long it does, and how many it finds."""
_AT_ONCE: Final = 200
_MOST_IDENTIFIERS: Final = 10


class _Policy(NamedTuple):
    charset: str
    authority: str


@dataclass(frozen=True)
class NamedPatient:
    """The name as DICOM PN and the identifiers that a PID has; what it does not say is empty."""

    name: str = ""
    identifiers: tuple[Identifier, ...] = ()

    @property
    def number(self) -> str:
        """The identifier that names the patient, as people write it."""
        naming = [one for one in self.identifiers if one.type in NAMING_TYPES]
        return next((one.value for one in naming or self.identifiers), "")

    def is_of(self, record: Patient) -> bool:
        """Whether an identifier is a record's: the value, of the same authority."""
        return any(
            one.value == record.value
            and one.type in NAMING_TYPES
            and _is_same(one.authority, record.authority)
            for one in self.identifiers
        )

    def is_called(self, spellings: list[str]) -> bool:
        """Whether the name begins as one of some spellings says, with its accents or without."""
        groups = [group for group in person_names.keys(self.name) if group]
        return any(
            group.startswith(one) or person_names.bare(group).startswith(person_names.bare(one))
            for group in groups
            for one in spellings
        )


def of_all(raws: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, NamedPatient | None]]:
    """The patient of the first PID of each of some messages; None where one has none or can't be read."""
    policies: dict[tuple[str, str], _Policy] = {}
    for pk, raw in raws:
        try:
            header = er7.read_header(raw)
            sender = header.sending_application, header.sending_facility
            policy = policies.get(sender) or policies.setdefault(sender, _policy(header))
            yield pk, _of(er7.parse_text(texts.decoded(_head(raw, header.codec), policy.charset)), policy)
        except Er7Error:
            yield pk, None


def called(rows: QuerySet[InboundMessage], text: str) -> list[int]:
    """Those of `rows` whose patient's name begins as `text` says: of the newest, as bounded."""
    spellings = patient_search.spellings(text) if patient_search.may_be_name(text) else []
    if not spellings:
        return []
    named = (pk for pk, one in _newest(rows) if one is not None and one.is_called(spellings))
    return list(islice(named, MOST_FOUND))


def _newest(rows: QuerySet[InboundMessage]) -> Iterator[tuple[int, NamedPatient | None]]:
    begun, number = time.monotonic(), 0
    head = Substr("raw", 1, message_index.READ, output_field=BinaryField())
    keys = list(rows.order_by("-received_at", "-id").values_list("pk", flat=True)[:LOOKED])
    while number < len(keys) and time.monotonic() < begun + SECONDS:
        part = keys[number : number + _AT_ONCE]
        number += _AT_ONCE
        found = InboundMessage.objects.filter(pk__in=part).annotate(head=head).values_list("pk", "head")
        yield from of_all((pk, bytes(raw)) for pk, raw in found)


def _head(raw: bytes, codec: str) -> bytes:
    """The first segments of a message, its PID the last of them."""
    raw = raw[: message_index.READ]
    if codec.startswith("utf-16"):
        return raw
    lines = raw.replace(b"\n", b"\r").split(b"\r")
    last = next((n for n, line in enumerate(lines) if line.startswith(b"PID")), 0)
    return b"\r".join(lines[: last + 1]) + b"\r"


def _policy(header: er7.Header) -> _Policy:
    try:
        options = sources.policy_of(header).options
    except Er7Error:  # nobody knows the sender
        return _Policy("", "")
    return _Policy(options.charset, options.assigning_authority)


def _of(message: Segments, policy: _Policy) -> NamedPatient | None:
    pid = message.first("PID")
    if pid is None:
        return None
    name = data_types.person_name(pid.field(5))
    identifiers = data_types.identifiers(pid.field(3), policy.authority)
    return NamedPatient(name if isinstance(name, str) else "", tuple(identifiers[:_MOST_IDENTIFIERS]))


def _is_same(named: Authority, known: AssigningAuthority) -> bool:
    if named.namespace:
        return named.namespace == known.namespace
    uid = (named.universal_id, named.universal_id_type)
    return bool(named.universal_id) and uid == (known.universal_id, known.universal_id_type)
