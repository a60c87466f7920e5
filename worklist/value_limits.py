"""What names a thing goes to modalities: DICOM has to hold it whole (PS3.5 6.2), or it is refused.

Everything else is fitted where it goes out, and nothing is cut unseen.
"""

import re
from typing import Final

from ledger.errors import Invalid

SHORT: Final = 16
"""Characters of an SH: accession numbers, IDs of procedures and steps, codes and their schemes."""
LONG: Final = 64
"""Characters of an LO: patient IDs, order and visit numbers."""
NAME: Final = 64
"""Characters of each writing of a PN."""

_UNFIT: Final = re.compile(r"[\\\x00-\x1f\x7f-\x9f]")


def fits(value: str, longest: int) -> bool:
    """Whether DICOM can hold a value whole."""
    return len(value) <= longest and not _UNFIT.search(value)


def check(value: object, longest: int, field: str) -> None:
    """Raise `Invalid` for what DICOM can't hold whole."""
    if not isinstance(value, str):
        return
    if len(value) > longest:
        raise Invalid(f"{field} has {len(value)} characters, DICOM holds {longest}", field)
    if not value.isalnum() and (found := _UNFIT.search(value)):
        raise Invalid(f"{field} has a character (U+{ord(found[0]):04X}) that DICOM can't hold", field)


def is_too_long_a_name(value: object) -> bool:
    """Whether one of a name's writings is longer than a PN takes."""
    return isinstance(value, str) and any(len(group) > NAME for group in value.split("="))


def check_name(value: object, field: str) -> None:
    """Raise `Invalid` for a name that is too long."""
    if is_too_long_a_name(value):
        raise Invalid(f"{field} has more than {NAME} characters in one writing", field)
