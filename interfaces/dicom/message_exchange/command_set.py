"""DIMSE command sets (PS3.7 section 6.3 and annex E): implicit VR little endian, group 0000 only, flat.

A command set is a mapping from element number to raw value: eight elements need no objects of their own.
"""

import re
from enum import IntEnum
from struct import Struct

_ELEMENT = Struct("<HHI")
_UNSAFE = re.compile(r"[^\x20-\x5b\x5d-\x7e]")

NO_DATASET = 0x0101


class Element(IntEnum):
    """Element numbers in group 0000 (PS3.7 annex E)."""

    AFFECTED_SOP_CLASS_UID = 0x0002
    REQUESTED_SOP_CLASS_UID = 0x0003
    COMMAND_FIELD = 0x0100
    MESSAGE_ID = 0x0110
    MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
    MOVE_DESTINATION = 0x0600
    PRIORITY = 0x0700
    COMMAND_DATA_SET_TYPE = 0x0800
    STATUS = 0x0900
    OFFENDING_ELEMENT = 0x0901
    ERROR_COMMENT = 0x0902
    ERROR_ID = 0x0903
    AFFECTED_SOP_INSTANCE_UID = 0x1000
    REQUESTED_SOP_INSTANCE_UID = 0x1001
    EVENT_TYPE_ID = 0x1002
    ATTRIBUTE_IDENTIFIER_LIST = 0x1005
    ACTION_TYPE_ID = 0x1008
    NUMBER_OF_REMAINING_SUBOPERATIONS = 0x1020
    NUMBER_OF_COMPLETED_SUBOPERATIONS = 0x1021
    NUMBER_OF_FAILED_SUBOPERATIONS = 0x1022
    NUMBER_OF_WARNING_SUBOPERATIONS = 0x1023
    MOVE_ORIGINATOR_AE_TITLE = 0x1030
    MOVE_ORIGINATOR_MESSAGE_ID = 0x1031


class CommandField(IntEnum):
    """PS3.7 table E.1-1; a response has the top bit set."""

    C_STORE_RQ = 0x0001
    C_GET_RQ = 0x0010
    C_FIND_RQ = 0x0020
    C_MOVE_RQ = 0x0021
    C_ECHO_RQ = 0x0030
    N_EVENT_REPORT_RQ = 0x0100
    N_GET_RQ = 0x0110
    N_SET_RQ = 0x0120
    N_ACTION_RQ = 0x0130
    N_CREATE_RQ = 0x0140
    N_DELETE_RQ = 0x0150
    C_CANCEL_RQ = 0x0FFF


class Status(IntEnum):
    """The statuses of PS3.7 annex C and PS3.4 that the acceptor itself answers with."""

    SUCCESS = 0x0000
    PROCESSING_FAILURE = 0x0110
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NOT_AUTHORIZED = 0x0124
    UNRECOGNIZED_OPERATION = 0x0211
    OUT_OF_RESOURCES = 0xA700
    IDENTIFIER_DOES_NOT_MATCH = 0xA900
    UNABLE_TO_PROCESS = 0xC000
    CANCEL = 0xFE00
    PENDING = 0xFF00
    PENDING_WARNING = 0xFF01


class CommandError(Exception):
    """A command set that cannot be read, or lacks what every request has."""


class CommandSet:
    """A request's command set, decoded no further than asked."""

    __slots__ = ("_elements", "field", "has_dataset", "message_id")

    def __init__(self, elements: dict[int, bytes]) -> None:
        self._elements = elements
        self.field = self._required(Element.COMMAND_FIELD)
        self.has_dataset = self._required(Element.COMMAND_DATA_SET_TYPE) != NO_DATASET
        element = Element.MESSAGE_ID
        if self.field == CommandField.C_CANCEL_RQ:
            element = Element.MESSAGE_ID_BEING_RESPONDED_TO
        self.message_id = self._required(element)

    def raw(self, element: int) -> bytes | None:
        return self._elements.get(element)

    def text(self, element: int) -> str:
        """Return a string value without its padding, each byte as one character; empty if it is absent."""
        return self._elements.get(element, b"").rstrip(b"\0 ").decode("latin-1")

    def number(self, element: int) -> int | None:
        """Return a US value, or None if it is absent or empty."""
        value = self._elements.get(element)
        if not value:
            return None
        if len(value) != 2:
            raise CommandError
        return int.from_bytes(value, "little")

    def _required(self, element: Element) -> int:
        value = self.number(element)
        if value is None:
            raise CommandError
        return value


def decode_command(data: bytes | bytearray) -> CommandSet:
    """Decode a command set.

    Raises
    ------
    CommandError
        If an element overruns, is of another group or is not in ascending order (PS3.7 6.3.1), or if command
        field, message ID or data set type are missing.
    """
    elements: dict[int, bytes] = {}
    offset, end, last = 0, len(data), -1
    while offset < end:
        if end - offset < 8:
            raise CommandError
        group, element, length = _ELEMENT.unpack_from(data, offset)
        offset += 8
        if group or element <= last or length > end - offset:
            raise CommandError
        elements[element] = bytes(data[offset : offset + length])
        offset += length
        last = element
    return CommandSet(elements)


def encode_command(elements: dict[int, bytes | int | str | None]) -> bytes:
    """Encode a command set with its group length; an int is a US, a str a UI (pass bytes for other strings).

    Elements that are None are left out.
    """
    parts = []
    for element in sorted(elements):
        value = elements[element]
        if value is None:
            continue
        if isinstance(value, int):
            value = value.to_bytes(2, "little")
        elif isinstance(value, str):
            value = value.encode("ascii")
            value += b"\0" * (len(value) & 1)
        parts.append(_ELEMENT.pack(0, element, len(value)) + value)
    body = b"".join(parts)
    return _ELEMENT.pack(0, 0, 4) + len(body).to_bytes(4, "little") + body


def error_comment(comment: str) -> bytes | None:
    """Return `comment` as (0000,0902), LO of at most 64 harmless characters, or None if it is empty."""
    value = _UNSAFE.sub("?", comment[:64]).strip().encode("ascii")
    return value + b" " * (len(value) & 1) or None
