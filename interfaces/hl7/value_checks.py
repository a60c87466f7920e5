"""What a site may write of a source's fields and values: told with the line of the file when it is read."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Final

from interfaces.hl7.code_tables import MODALITIES, PRIORITIES, SECTIONS, SECTIONS_WITHOUT_MODALITY, SEX
from interfaces.hl7.syntax.message_parts import parse_path
from worklist.models import StatusEvent

_IDENTIFIER_TYPE: Final = 5
_PATIENT_CLASS: Final = 20
_TRY: Final = datetime(2001, 2, 3, tzinfo=UTC)
_PAIR: Final = re.compile(r"[A-Z]{2}/[A-Za-z]{0,2}")


def path(text: str) -> str:
    """A path such as OBR-18 or ORC-7.4."""
    parse_path(text)
    return text


def network(text: str) -> str:
    """An address, or a network such as 10.1.0.0/16."""
    ip_network(text, strict=False)
    return text


def certificate_name(text: str) -> str:
    """Parts of a certificate's subject, such as CN=his, O=Hospital."""
    if not all("=" in part for part in text.split(",")):
        raise ValueError(f"{text!r} is no subject such as CN=his")
    return text


def path_of_all(text: str) -> str:
    """A path that means a field wherever it stands: in all segments of the name and all repetitions."""
    parse_path(text)
    if "[" in text:
        raise ValueError(f"{text!r} names one of several, and a table is for all: leave [n] out")
    return text


def date_format(text: str) -> str:
    """A way to write a date: with its year, its month and its day at least."""
    try:
        made = datetime.strptime(_TRY.strftime(text), text)
    except ValueError:
        made = None
    if made is None or made.date() != _TRY.date():
        raise ValueError(f"{text!r} is no way to write a date as `strptime` has them")
    return text


def control_and_status(text: str) -> str:
    """ORC-1 and ORC-5, such as XO/SC; nothing after the stroke is an empty ORC-5."""
    if not _PAIR.fullmatch(text):
        raise ValueError(f"{text!r} is not ORC-1/ORC-5, such as XO/SC or XX/")
    return text


def act(text: str) -> str:
    """What is done to an order, or `none`."""
    if text != "none" and text not in StatusEvent.Kind.values:
        raise ValueError(f"{text!r} is none of: none, {', '.join(StatusEvent.Kind.values)}")
    return text


def modality(value: str) -> str | None:
    """Why a value names no modality."""
    known = value.upper() in MODALITIES | SECTIONS.keys() | SECTIONS_WITHOUT_MODALITY
    return None if known else "is neither a modality of DICOM nor in HL7 Table 0074"


def priority(value: str) -> str | None:
    """Why a value is no priority."""
    return None if value[0] in PRIORITIES else f"is none of the priorities {', '.join(PRIORITIES)}"


def _sex(value: str) -> str | None:
    return None if value in SEX else f"is not in HL7 Table 0001: {', '.join(SEX)}"


def _at_most(length: int) -> Callable[[str], str | None]:
    return lambda value: None if len(value) <= length else f"is longer than {length} characters"


OF_FIELDS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "PID-8": _sex,
    "PV1-2": _at_most(_PATIENT_CLASS),
    "PID-3.5": _at_most(_IDENTIFIER_TYPE),
}
"""Why a value can't be one of a field, by the field."""
