"""What is refused, in HL7's terms: code, place and text for ERR (HL7 v2.5.1 2.15.5)."""

from collections.abc import Mapping
from typing import Final

from interfaces.hl7.inbound.field_places import WHOLE, FieldPlaces
from ledger import errors
from worklist.patients.identity_doubt import InDoubt

CODES: Final[Mapping[type[errors.Refused], int]] = {
    errors.Missing: 101,
    errors.Invalid: 102,
    errors.UnknownCode: 103,
    errors.Unknown: 204,
    errors.Duplicate: 205,
    errors.OtherPatient: 204,
    errors.IdentityConflict: 204,
    errors.Conflict: 207,
    errors.Forbidden: 207,
}
"""HL7 Table 0357 for each kind of refusal."""

ABOUT_WHO: Final = (204, 205)
"""Of whom or what a message names: the text of such an error is one for each reason, and holds no values."""


def explain(
    error: errors.Refused, places: FieldPlaces, group: int | None = None, procedure: int = WHOLE
) -> tuple[int, str, str]:
    """Code, location and text for what was refused.

    `group` is that of the segments it came from, where the refusal does not say so itself; `procedure` counts
    those of an order.
    """
    if group is None:
        group = error.group if isinstance(error, InDoubt) else 1
    return error.answer(CODES), places.of(error.field, group, procedure), error.text
