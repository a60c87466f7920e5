"""The status with which pages and REST answer each kind of refusal."""

from collections.abc import Mapping
from typing import Final

from ledger import errors

STATUSES: Final[Mapping[type[errors.Refused], int]] = {
    errors.Missing: 422,
    errors.Invalid: 422,
    errors.Unknown: 422,
    errors.Duplicate: 409,
    errors.Conflict: 409,
    errors.Forbidden: 403,
}
