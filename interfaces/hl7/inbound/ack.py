r"""Acknowledgments: MSH, MSA and ERR (HL7 v2.5.1 2.9.2, 2.9.3, 2.15.5, 2.15.8, 2.15.9).

Written by hand, as an ACK is due for each message within the same millisecond. What comes from outside
is escaped, so that no value can end a field or a segment (2.7.4).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal

from interfaces.hl7.syntax import character_sets
from interfaces.hl7.syntax.er7 import Header
from interfaces.hl7.syntax.escapes import DEFAULT_DELIMITERS, Delimiters, unescape

Code = Literal["AA", "AE", "AR", "CA", "CE", "CR"]

# HL70357
CONDITIONS = {
    0: "Message accepted",
    100: "Segment sequence error",
    101: "Required field missing",
    102: "Data type error",
    103: "Table value not found",
    200: "Unsupported message type",
    201: "Unsupported event code",
    202: "Unsupported processing id",
    203: "Unsupported version id",
    204: "Unknown key identifier",
    205: "Duplicate key identifier",
    206: "Application record locked",
    207: "Application internal error",
}

HEADER_CONDITIONS = frozenset({200, 201, 202, 203})
"""Of HL70357: MSH-9, MSH-11 or MSH-12 is not acceptable, which CR says (2.9.3.1)."""
_ANSWERED = {  # on success, on error
    "AL": (True, True),
    "NE": (False, False),
    "ER": (False, True),
    "SU": (True, False),
    "": (False, False),
}
_VERSION = re.compile(r"\s*([0-9]{1,3})\.([0-9]{1,3})(?:\.([0-9]{1,3}))?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MSA_TEXT_LENGTH = 80
_ERR_TEXT_LENGTH = 250
_DEFAULT_VERSION = "2.5.1"


@dataclass(frozen=True, slots=True)
class AckError:
    """What ERR tells: `code` of HL70357, `location` as `PID^1^3` or empty, `text` for a person.

    The location is written with `^` here, whatever the delimiters of the sender are.
    """

    code: int
    location: str
    text: str
    severity: Literal["E", "W", "I", "F"] = "E"


@dataclass(frozen=True, slots=True)
class OrderResponse:
    """An answer of another type than ACK: MSH-9, and a segment for each order, in the sender's delimiters."""

    code: str
    trigger: str
    structure: str
    orders: Sequence[str]


@dataclass(frozen=True, slots=True)
class Mode:
    """Which acknowledgments the sender wants (2.9.2 original mode, 2.9.3 enhanced mode, table 0155)."""

    enhanced: bool
    accept: str
    application: str

    def accept_wanted(self, *, success: bool) -> bool:
        """CA, CE or CR once the message is stored or couldn't be."""
        return self.enhanced and _wanted(self.accept, success)

    def application_wanted(self, *, success: bool) -> bool:
        """AA, AE or AR once the message is applied or refused."""
        return not self.enhanced or _wanted(self.application, success)


def acknowledgment(header: Header, *, enhanced: bool = False) -> Mode:
    """Original mode unless the source is declared `enhanced` and fills MSH-15 or MSH-16.

    Many senders fill MSH-15 and MSH-16 without knowing CA, so these alone decide nothing. In enhanced
    mode one of the two left empty means NE; a value that table 0155 hasn't means AL.
    """
    if not enhanced or not (header.accept_ack or header.application_ack):
        return Mode(False, "", "")
    return Mode(True, header.accept_ack, header.application_ack)


_OF_IDENTITY: Final = re.compile(r"PID\^|(?:ORC|OBR)\^\d+\^[23]\b")
_OF_ORDERS: Final = ("OBR^", "ORC^", "IPC^", "ZDS^")


def status_code_for(code: int, location: str = "", *, is_content: bool = False) -> Literal["AE", "AR"]:
    """HL70357 100 to 103 say that the content is wrong (AE), all others that it isn't taken (AR).

    204 at PID-3 or at an order's number is about content too: what the message names contradicts what is
    here, or itself. So is what is said to be content, and 205 where a number of an order is another
    patient's.
    """
    is_whom = code == 204 and (is_content or _OF_IDENTITY.match(location) is not None)
    is_taken = code == 205 and location.startswith(_OF_ORDERS)
    return "AE" if 100 <= code < 200 or is_whom or is_taken else "AR"


@dataclass(frozen=True, slots=True)
class Codes:
    """MSA-1 of the two acknowledgments of a message; None for one that is not sent."""

    accept: Code | None
    application: Code | None


def codes(mode: Mode, code: Code, *, condition: int = 0, is_refused_at_once: bool = False) -> Codes:
    """What is sent for a message whose application acknowledgment would be `code` (2.9.3.1).

    CA says that it is stored, CR that its header is not acceptable (`condition` of HL70357), CE that it is
    refused at once for another reason. Where no application acknowledgment would tell of an error, the
    message is checked in full first, so that CE does. What was refused by CE or CR has no other answer.
    """
    success = code == "AA"
    if not mode.enhanced:
        return Codes(None, code)
    is_accepted = not is_refused_at_once and (success or mode.application_wanted(success=False))
    accept: Code = "CA" if is_accepted else "CR" if condition in HEADER_CONDITIONS else "CE"
    is_told = mode.accept_wanted(success=is_accepted)
    is_answered = mode.application_wanted(success=success) and (is_accepted or not is_told)
    return Codes(accept if is_told else None, code if is_answered else None)


def build(
    header: Header,
    *,
    code: Code,
    control_id: str,
    now: datetime,
    error: AckError | None = None,
    application: str,
    facility: str,
    response: OrderResponse | None = None,
) -> bytes:
    """The acknowledgment of the message with this header, in its delimiters and its character set.

    MSH-3 to MSH-6 are those of the message, swapped; `application` and `facility` stand in where the
    sender named no receiver. `control_id` is our MSH-10; MSA-2 repeats the sender's. With a `response` it is
    of that type, and ends with the orders.
    """
    delimiters = header.delimiters if header.delimiters.is_complete else DEFAULT_DELIMITERS
    segments = [
        _msh(header, delimiters, control_id, now, application, facility, response),
        _msa(header, delimiters, code, error),
    ]
    if error is not None:
        segments.append(_err(header, delimiters, error))
    if response is not None:
        segments += response.orders
    return _to_bytes("".join(segment + "\r" for segment in segments), header)


def escape(text: str, delimiters: Delimiters = DEFAULT_DELIMITERS) -> str:
    r"""Text as a value: delimiters as `\F\ \S\ \T\ \R\ \E\ \P\` (2.7.4), controls as `\Xhh\` (2.7.5).

    `er7.unescape` gives the same text back.
    """
    return text.translate(_escapes(delimiters))


@lru_cache(maxsize=64)
def _escapes(delimiters: Delimiters) -> dict[int, str]:
    e = delimiters.escape
    table = {code: f"{e}X{code:02X}{e}" for code in (*range(0x20), 0x7F)}
    meanings = {
        "F": delimiters.field,
        "S": delimiters.component,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "T": delimiters.subcomponent,
        "P": delimiters.truncation,
    }
    table.update({ord(character): f"{e}{letter}{e}" for letter, character in meanings.items() if character})
    return table


def _msh(
    header: Header,
    delimiters: Delimiters,
    control_id: str,
    now: datetime,
    application: str,
    facility: str,
    response: OrderResponse | None,
) -> str:
    fields = [
        delimiters.encoding_characters,
        _echo(header, 5, delimiters) or escape(application, delimiters),
        _echo(header, 6, delimiters) or escape(facility, delimiters),
        _echo(header, 3, delimiters),
        _echo(header, 4, delimiters),
        now.strftime("%Y%m%d%H%M%S%z"),
        "",
        _message_type(header, delimiters, response),
        escape(control_id, delimiters),
        _echo(header, 11, delimiters) or "P",
        _echo(header, 12, delimiters) or _DEFAULT_VERSION,
        *[""] * 5,
        _echo(header, 18, delimiters),
        "",
        _echo(header, 20, delimiters),
    ]
    return "MSH" + delimiters.field + delimiters.field.join(fields).rstrip(delimiters.field)


def _message_type(header: Header, delimiters: Delimiters, response: OrderResponse | None) -> str:
    """MSH-9: one ID in 2.1, message and event from 2.2, the structure with them from 2.3.1 (2.15.9.9)."""
    version, code = version_of(header), response.code if response else "ACK"
    trigger = response.trigger if response else header.trigger
    if not trigger or version < (2, 2, 0):
        return code
    parts = [code, escape(trigger, delimiters)]
    if version >= (2, 3, 1):
        parts.append(response.structure if response else "ACK")
    return delimiters.component.join(parts)


def _msa(header: Header, delimiters: Delimiters, code: Code, error: AckError | None) -> str:
    """MSA-3 is deprecated from 2.4 on, where ERR can't hold a text before 2.5 (2.15.8.3)."""
    fields = ["MSA", code, _echo(header, 10, delimiters)]
    if error is not None and version_of(header) < (2, 5, 0):
        fields.append(escape(_cut(error.text, _MSA_TEXT_LENGTH), delimiters))
    return delimiters.field.join(fields)


def _err(header: Header, delimiters: Delimiters, error: AckError) -> str:
    """ERR-2, ERR-3, ERR-4 and ERR-8 from 2.5 on, ERR-1 before (2.15.5.1 to 2.15.5.8)."""
    location = [escape(part, delimiters) for part in error.location.split("^")]
    if version_of(header) < (2, 5, 0):
        position = [*location, "", "", ""][:3]
        return delimiters.field.join(["ERR", delimiters.component.join([*position, str(error.code)])])
    condition = [str(error.code), CONDITIONS.get(error.code, ""), "HL70357"]
    text = escape(_cut(error.text, _ERR_TEXT_LENGTH), delimiters)
    fields = ["ERR", "", delimiters.component.join(location), delimiters.component.join(condition)]
    return delimiters.field.join([*fields, error.severity, "", "", "", text])


def version_of(header: Header) -> tuple[int, int, int]:
    """MSH-12 as numbers; an unreadable one as our default, since ERR-3 tells more than ERR-1."""
    match = _VERSION.match(header.version) or _VERSION.match(_DEFAULT_VERSION)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (2, 5, 1)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def _echo(header: Header, n: int, delimiters: Delimiters) -> str:
    """MSH-n as it came, but for control characters; written anew where the delimiters differ."""
    raw = header.raw(n)
    if delimiters == header.delimiters:
        return raw if raw.isprintable() else _CONTROL.sub(lambda match: escape(match[0], delimiters), raw)
    return _rewrite(raw, header, delimiters)


def _rewrite(raw: str, header: Header, delimiters: Delimiters) -> str:
    old = header.delimiters
    levels = [
        (old.repetition, delimiters.repetition),
        (old.component, delimiters.component),
        (old.subcomponent, delimiters.subcomponent),
    ]

    def write(text: str, depth: int) -> str:
        if depth == len(levels):
            return escape(unescape(text, old, header.codec), delimiters)
        separator, joiner = levels[depth]
        parts = text.split(separator) if separator else [text]
        return joiner.join(write(part, depth + 1) for part in parts)

    return write(raw, 0)


def _to_bytes(text: str, header: Header) -> bytes:
    """In the sender's set. A character of our own text that the set hasn't is spelled as `U20AC`."""
    kanji = header.codec != "latin-1" and character_sets.has_kanji(header.charsets)
    try:
        return character_sets.encode_codec(text, header.codec, kanji=kanji)
    except UnicodeEncodeError:
        spelled = "".join(_spell(character, header.codec, kanji) for character in text)
        return character_sets.encode_codec(spelled, header.codec, kanji=kanji)


def _spell(character: str, codec: str, kanji: bool) -> str:
    try:
        character_sets.encode_codec(character, codec, kanji=kanji)
    except UnicodeEncodeError:
        return f"U{ord(character):04X}"
    return character


def _wanted(condition: str, success: bool) -> bool:
    on_success, on_error = _ANSWERED.get(condition, (True, True))
    return on_success if success else on_error
