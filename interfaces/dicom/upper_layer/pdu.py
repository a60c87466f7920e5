"""Protocol data units of PS3.8 section 9.3, as bytes: what an acceptor reads and writes, nothing else.

Decoding trusts no length. `decode_associate_rq` walks the items of one A-ASSOCIATE-RQ in linear time and
raises `ProtocolError` for whatever PS3.8 9.3.2 forbids; items of unknown type are skipped (9.3.1).
Encoders give bytes ready to be sent.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

MAX_PDU_LENGTH = 1 << 20
"""No PDU longer than this is read, before or after association: 128 contexts fit."""

USUAL_LENGTH = 128 << 10
"""PDUs of this length are what we ask for, and the longest that we send."""

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_FALLBACK_SYNTAX = b"1.2.840.10008.1.2"
_DEFAULT_PEER_PDU = 16384

_HEAD = Struct(">BxI")
_ITEM = Struct(">BxH")
_PDV = Struct(">IBB")
_PDATA_HEAD = Struct(">BxIIBB")

_AE_TITLE = re.compile(rb"[\x20-\x5b\x5d-\x7e]{16}")


class PduType(IntEnum):
    A_ASSOCIATE_RQ = 0x01
    A_ASSOCIATE_AC = 0x02
    A_ASSOCIATE_RJ = 0x03
    P_DATA_TF = 0x04
    A_RELEASE_RQ = 0x05
    A_RELEASE_RP = 0x06
    A_ABORT = 0x07


class AbortSource(IntEnum):
    """PS3.8 9.3.8."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """PS3.8 9.3.8; significant only if the source is the service provider."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class ProtocolError(Exception):
    """A PDU that PS3.8 calls unrecognized or invalid."""

    def __init__(self, reason: AbortReason = AbortReason.INVALID_PARAMETER) -> None:
        super().__init__(reason.name)
        self.reason = reason


class Rejection(NamedTuple):
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    result: int
    source: int
    reason: int


NO_REASON = Rejection(1, 1, 1)
APPLICATION_CONTEXT_NOT_SUPPORTED = Rejection(1, 1, 2)
CALLING_AE_NOT_RECOGNIZED = Rejection(1, 1, 3)
CALLED_AE_NOT_RECOGNIZED = Rejection(1, 1, 7)
PROTOCOL_VERSION_NOT_SUPPORTED = Rejection(1, 2, 2)
TEMPORARY_CONGESTION = Rejection(2, 3, 1)
LOCAL_LIMIT_EXCEEDED = Rejection(2, 3, 2)

A_RELEASE_RQ = _HEAD.pack(PduType.A_RELEASE_RQ, 4) + bytes(4)
A_RELEASE_RP = _HEAD.pack(PduType.A_RELEASE_RP, 4) + bytes(4)

FIXED_LENGTHS = {
    PduType.A_ASSOCIATE_RJ: 4,
    PduType.A_RELEASE_RQ: 4,
    PduType.A_RELEASE_RP: 4,
    PduType.A_ABORT: 4,
}
_TYPES = {int(member): member for member in PduType}


class ProposedContext(NamedTuple):
    """A presentation context as proposed (PS3.8 9.3.2.2)."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


class AcceptedContext(NamedTuple):
    """A presentation context's result (PS3.8 9.3.3.2); `result` 0 is acceptance."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    result: int


class Role(NamedTuple):
    """SCP/SCU role selection for one SOP class (PS3.7 D.3.3.4), as the requestor's roles."""

    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """The variable items of an A-ASSOCIATE-RQ: everything except the AE titles."""

    application_context: str
    contexts: tuple[ProposedContext, ...]
    max_length: int
    implementation_class_uid: str
    implementation_version: str
    roles: dict[str, Role]
    asynchronous: bool


def decode_header(head: bytes | bytearray) -> tuple[PduType, int]:
    """Return type and body length of a PDU from its first six bytes (PS3.8 9.3.1).

    Raises
    ------
    ProtocolError
        If the type is unknown, or the length is impossible for the type or above `MAX_PDU_LENGTH`.
    """
    number, length = _HEAD.unpack(head)
    pdu_type = _TYPES.get(number)
    if pdu_type is None:
        raise ProtocolError(AbortReason.UNRECOGNIZED_PDU)
    if length > MAX_PDU_LENGTH or FIXED_LENGTHS.get(pdu_type, length) != length:
        raise ProtocolError
    return pdu_type, length


def ae_titles(body: memoryview) -> tuple[str, str]:
    """Return called and calling AE title of an A-ASSOCIATE-RQ body (PS3.8 9.3.2).

    Spaces at both ends are not significant; the NULs that some devices pad with are taken as spaces.
    """
    titles = []
    for raw in (bytes(body[4:20]), bytes(body[20:36])):
        title = raw.rstrip(b"\0 ").ljust(16)
        if not _AE_TITLE.fullmatch(title):
            raise ProtocolError
        titles.append(title.decode("ascii").strip())
    return titles[0], titles[1]


def protocol_version_supported(body: memoryview) -> bool:
    """Bit 0 of the protocol version is the one that counts (PS3.8 table 9-11)."""
    if len(body) < 68:
        raise ProtocolError
    return bool(body[1] & 1)


def decode_associate_rq(items: memoryview) -> Proposal:
    """Decode the variable items of an A-ASSOCIATE-RQ (PS3.8 9.3.2), that is, its body from byte 68 on."""
    application_context = ""
    contexts: dict[int, ProposedContext] = {}
    user = memoryview(b"")
    for kind, value in _items(items):
        if kind == 0x10:
            application_context = _uid(value)
        elif kind == 0x20:
            context = _proposed_context(value)
            if context.context_id in contexts:
                raise ProtocolError
            contexts[context.context_id] = context
        elif kind == 0x50:
            user = value
    if not contexts:
        raise ProtocolError
    return _with_user_information(application_context, tuple(contexts.values()), user)


def encode_associate_ac(
    proposal: Proposal,
    results: list[AcceptedContext],
    roles: dict[str, Role],
    *,
    max_pdu: int,
    implementation_class_uid: str,
    implementation_version: str,
) -> bytes:
    """Encode the variable items of an A-ASSOCIATE-AC (PS3.8 9.3.3): they depend on the proposal alone."""
    items = [_item(0x10, APPLICATION_CONTEXT.encode())]
    for context in results:
        syntax = context.transfer_syntax.encode() if context.result == 0 else _FALLBACK_SYNTAX
        head = bytes((context.context_id, 0, context.result, 0))
        items.append(_item(0x21, head + _item(0x40, syntax)))
    user = [_item(0x51, max_pdu.to_bytes(4, "big")), _item(0x52, implementation_class_uid.encode())]
    if proposal.asynchronous:
        user.append(_item(0x53, b"\0\1\0\1"))
    for uid, role in roles.items():
        encoded = uid.encode()
        user.append(_item(0x54, len(encoded).to_bytes(2, "big") + encoded + bytes((role.scu, role.scp))))
    user.append(_item(0x55, implementation_version.encode()))
    items.append(_item(0x50, b"".join(user)))
    return b"".join(items)


def associate_ac(request: memoryview, items: bytes) -> bytes:
    """Put the A-ASSOCIATE-AC together; its AE titles are those received (PS3.8 table 9-17)."""
    fixed = b"\0\1\0\0" + bytes(request[4:36]) + bytes(32)
    return _HEAD.pack(PduType.A_ASSOCIATE_AC, len(fixed) + len(items)) + fixed + items


def associate_rj(rejection: Rejection) -> bytes:
    return _HEAD.pack(PduType.A_ASSOCIATE_RJ, 4) + bytes((0, *rejection))


def abort(source: AbortSource, reason: AbortReason = AbortReason.NOT_SPECIFIED) -> bytes:
    return _HEAD.pack(PduType.A_ABORT, 4) + bytes((0, 0, source, reason))


class Pdv(NamedTuple):
    """A presentation data value item (PS3.8 9.3.5.1) with its message control header (annex E.2)."""

    context_id: int
    is_command: bool
    is_last: bool
    fragment: memoryview


def presentation_data_values(body: memoryview) -> Iterator[Pdv]:
    """Split the body of a P-DATA-TF; bits 2 to 7 of the message control header are not tested (PS3.8 E.2)."""
    offset, end = 0, len(body)
    if not end:
        raise ProtocolError
    while offset < end:
        if end - offset < 6:
            raise ProtocolError
        length, context_id, control = _PDV.unpack_from(body, offset)
        if length < 2 or length > end - offset - 4:
            raise ProtocolError
        yield Pdv(context_id, bool(control & 1), bool(control & 2), body[offset + 6 : offset + 4 + length])
        offset += 4 + length


def p_data(context_id: int, data: bytes, *, is_command: bool, max_length: int) -> bytes:
    """Encode a message part as P-DATA-TF PDUs with one PDV each, none longer than the peer's `max_length`."""
    size = max(max_length - 6, 2) & ~1
    if len(data) <= size:
        return _p_data(context_id, data, is_command | 2)
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    pdus = [_p_data(context_id, part, int(is_command)) for part in parts[:-1]]
    return b"".join(pdus) + _p_data(context_id, parts[-1], is_command | 2)


def _p_data(context_id: int, fragment: bytes, control: int) -> bytes:
    length = len(fragment) + 2
    return _PDATA_HEAD.pack(PduType.P_DATA_TF, length + 4, length, context_id, control) + fragment


def _item(kind: int, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value


def _items(view: memoryview) -> Iterator[tuple[int, memoryview]]:
    offset, end = 0, len(view)
    while offset < end:
        if end - offset < 4:
            raise ProtocolError
        kind, length = _ITEM.unpack_from(view, offset)
        offset += 4
        if length > end - offset:
            raise ProtocolError
        yield kind, view[offset : offset + length]
        offset += length


def _uid(value: memoryview) -> str:
    # Devices pad UIDs in association items although PS3.8 annex F says not to.
    return bytes(value).rstrip(b"\0 ").decode("latin-1")


def _proposed_context(value: memoryview) -> ProposedContext:
    if len(value) < 4 or not value[0] & 1:
        raise ProtocolError
    abstract: list[str] = []
    transfer: list[str] = []
    for kind, sub in _items(value[4:]):
        if kind == 0x30:
            abstract.append(_uid(sub))
        elif kind == 0x40:
            transfer.append(_uid(sub))
    if len(abstract) != 1 or not transfer:
        raise ProtocolError
    return ProposedContext(value[0], abstract[0], tuple(transfer))


def _with_user_information(
    application_context: str, contexts: tuple[ProposedContext, ...], user: memoryview
) -> Proposal:
    """Read PS3.8 annex D and PS3.7 annex D.3.3; extended negotiation and user identity are skipped."""
    max_length, implementation, version = _DEFAULT_PEER_PDU, "", ""
    roles: dict[str, Role] = {}
    asynchronous = False
    for kind, value in _items(user):
        if kind == 0x51:
            if len(value) != 4:
                raise ProtocolError
            max_length = int.from_bytes(value, "big")
        elif kind == 0x52:
            implementation = _uid(value)
        elif kind == 0x53:
            asynchronous = True
        elif kind == 0x54:
            uid, role = _role(value)
            roles[uid] = role
        elif kind == 0x55:
            version = bytes(value[:16]).decode("latin-1").strip()
    return Proposal(application_context, contexts, max_length, implementation, version, roles, asynchronous)


def _role(value: memoryview) -> tuple[str, Role]:
    length = int.from_bytes(value[:2], "big")
    if len(value) != length + 4:
        raise ProtocolError
    return _uid(value[2 : 2 + length]), Role(value[-2] == 1, value[-1] == 1)
