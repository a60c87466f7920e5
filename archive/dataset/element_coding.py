"""How the headers of elements are written (PS3.5 7.1): their VR, their length, in which byte order."""

from struct import Struct
from typing import Literal, NamedTuple

from pydicom.datadict import DicomDictionary  # type: ignore[attr-defined]

from archive.dataset.dataset_error import DatasetError
from archive.dataset.transfer_syntax import (
    ALSO_IMPLICIT,
    EXPLICIT_BIG_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    is_for_files,
)
from archive.dataset.uid import valid_uid

UNDEFINED = 0xFFFFFFFF
# PS3.5 table 7.1-2: the VRs with a 16-bit length. All others, known or yet to come, have 32 bits (7.1.2).
SHORT_FORM = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_FORM = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
SEQUENCE_TAGS = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ")


class Coding(NamedTuple):
    """How element headers are written."""

    explicit: bool
    order: Literal["little", "big"]
    header: Struct
    length: Struct
    item: Struct


IMPLICIT = Coding(False, "little", Struct("<HHL"), Struct("<L"), Struct("<HHL"))
EXPLICIT = Coding(True, "little", Struct("<HH2sH"), Struct("<L"), Struct("<HHL"))
BIG = Coding(True, "big", Struct(">HH2sH"), Struct(">L"), Struct(">HHL"))


def coding_of(transfer_syntax: str) -> Coding:
    """Find the coding of a transfer syntax; all that PS3.5 Annex A doesn't name otherwise are Explicit LE."""
    if not valid_uid(transfer_syntax):
        raise DatasetError("invalid transfer syntax")
    if not is_for_files(transfer_syntax):
        raise DatasetError("transfer syntax not for storage")
    if transfer_syntax == IMPLICIT_LITTLE_ENDIAN or transfer_syntax in ALSO_IMPLICIT:
        return IMPLICIT
    return BIG if transfer_syntax == EXPLICIT_BIG_ENDIAN else EXPLICIT
