"""What is said otherwise of a stored object as it goes out, and how that is noted (PS3.3 C.12.1.1.9).

Both the bytes (`coerced_bytes`) and the model in JSON (`coerced_json`) are made from a `Coercion`, by the
rules here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pydicom.datadict import dictionary_VR

from archive.dataset.rewriter import References
from archive.dataset.tags import (
    REFERENCED_SOP_INSTANCE_UID,
    SERIES_INSTANCE_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
)

ORIGINAL_ATTRIBUTES: Final = 0x04000561
MODIFIED_ATTRIBUTES: Final = 0x04000550
_QUALIFYING: Final = {0x00100024: (0x00100020, 0x00100021), 0x00080051: (0x00080050,)}
"""Sequences that say more of whose number something is: not true any longer once that is another."""
_MODIFIED_AT, _SYSTEM, _SOURCE, _REASON = 0x04000562, 0x04000563, 0x04000564, 0x04000565
_REQUEST_ATTRIBUTES, _REFERENCED_REQUEST = 0x00400275, 0x0040A370
_REFERENCED_STUDY, _PROCEDURE_CODE = 0x00081110, 0x00321064
_DOCUMENTS: Final = "1.2.840.10008.5.1.4.1.1.88."  # SOP classes with the SR Document General Module
SENT_OTHERWISE: Final = frozenset(
    {0x00100010, 0x00100020, 0x00100021, 0x00100030, 0x00100040, 0x00080050, _REQUEST_ATTRIBUTES}
    | {_REFERENCED_REQUEST, ORIGINAL_ATTRIBUTES, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID, SOP_INSTANCE_UID}
    | _QUALIFYING.keys()
)
"""What of a stored object may be sent otherwise than it came."""
UIDS_OF_REFERENCES: Final = frozenset((STUDY_INSTANCE_UID, SERIES_INSTANCE_UID, REFERENCED_SOP_INSTANCE_UID))
CORRECT: Final = "CORRECT"
COERCE: Final = "COERCE"


@dataclass(frozen=True, slots=True)
class Request:
    """A requested procedure, and its step where there is only one; numbers as the order has them."""

    study_instance_uid: str
    accession_number: str
    requested_procedure_id: str
    description: str
    scheduled_step_id: str
    placer_number: str
    filler_number: str


@dataclass(frozen=True, slots=True)
class Coercion:
    """The values that an object gets, and who says so.

    `values` are texts by tag, one value each, of top-level attributes that are no sequences; '' empties one.
    `requests` are said where the object names none, and, `without_requests` of its own, instead of those that
    it names: these are another patient's. `at` is a DT.
    """

    values: tuple[tuple[int, str], ...]
    reason: str
    at: str
    system: str
    source: str = ""
    requests: tuple[Request, ...] = ()
    without_requests: bool = False
    references: References | None = None
    """What it names otherwise, in sequences."""


class Field(NamedTuple):
    """An attribute to be written: a text, or, of VR SQ, items."""

    tag: int
    text: str = ""
    items: "tuple[tuple[Field, ...], ...]" = ()

    @property
    def vr(self) -> str:
        return dictionary_VR(self.tag)


def is_same(tag: int, own: str, wanted: str) -> bool:
    """Whether an object says already what it shall say.

    Of names, empty components at the end don't count. A date of which less is known says nothing else than
    one that begins with it; it can't be written as a DA.
    """
    vr = dictionary_VR(tag)
    if vr == "PN":
        return _groups(own) == _groups(wanted)
    if vr == "DA" and len(wanted) in (4, 6):
        return own.startswith(wanted)
    return own == wanted


def written(tag: int, wanted: str) -> str:
    """A value as it is written: a date that is not a whole one can't be."""
    return wanted if dictionary_VR(tag) != "DA" or len(wanted) == 8 else ""


def _groups(name: str) -> list[str]:
    groups = [group.rstrip("^ ").strip() for group in name.split("=")]
    while groups and not groups[-1]:
        groups.pop()
    return groups


def stale(changed: Collection[int]) -> list[int]:
    """The sequences on issuers that are not true any longer once these attributes have changed."""
    return [tag for tag, of in _QUALIFYING.items() if any(one in changed for one in of)]


def request_tag(sop_class: str) -> int:
    """Where an object of a SOP class names its requests: documents do it in a sequence of their own."""
    return _REFERENCED_REQUEST if sop_class.startswith(_DOCUMENTS) else _REQUEST_ATTRIBUTES


def request_field(tag: int, requests: Sequence[Request]) -> Field:
    """The sequence that names the requests (PS3.3 table 10-9; for documents table C.17-2)."""
    return Field(tag, items=tuple(_request(tag, one) for one in requests))


def request_fields(tag: int, coercion: Coercion, *, names_none: bool) -> list[Field]:
    """How an object is to name its requests otherwise, as it names some or none."""
    is_said = bool(coercion.requests) if names_none else coercion.without_requests
    return [request_field(tag, coercion.requests)] if is_said else []


def _request(tag: int, request: Request) -> tuple[Field, ...]:
    numbers = (Field(0x00080050, request.accession_number),)
    study = (Field(0x0020000D, request.study_instance_uid),)
    procedure_id = (Field(0x00401001, request.requested_procedure_id),)
    if tag == _REFERENCED_REQUEST:
        described = (Field(0x00321060, request.description), Field(_PROCEDURE_CODE))
        orders = (Field(0x00402016, request.placer_number), Field(0x00402017, request.filler_number))
        return (*numbers, Field(_REFERENCED_STUDY), *study, *described, *procedure_id, *orders)
    step = (Field(0x00400009, request.scheduled_step_id),) if request.scheduled_step_id else ()
    return (*numbers, *study, *step, *procedure_id)


def who_and_why(coercion: Coercion) -> tuple[Field, ...]:
    """What an item of Original Attributes Sequence says after the original values."""
    return (
        Field(_MODIFIED_AT, coercion.at),
        Field(_SYSTEM, coercion.system),
        Field(_SOURCE, coercion.source),
        Field(_REASON, coercion.reason),
    )
