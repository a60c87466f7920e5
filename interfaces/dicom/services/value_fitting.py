"""What an attribute can hold of a value (PS3.5 6.2): nothing invalid is sent, and nothing is cut unseen.

A text that is too long ends in `...`; a line break in one line is a blank, a backslash `_`. What names a
thing is whole or not there at all.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

Value = str | int | float | None

CUT: Final = "..."
REPLACEMENT: Final = "_"

LONGEST: Final[Mapping[str, int]] = {"AE": 16, "CS": 16, "SH": 16, "LO": 64, "PN": 64, "LT": 10_240, "UI": 64}
"""Characters; of PN in each component group."""

NAMING: Final = frozenset(
    {
        "AccessionNumber",
        "AdmissionID",
        "FillerOrderNumberImagingServiceRequest",
        "IssuerOfPatientID",
        "PatientID",
        "PlacerOrderNumberImagingServiceRequest",
        "RequestedProcedureID",
        "ScheduledProcedureStepID",
    }
)
"""Attributes that would name something else if they were cut or changed."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_CONTROL_IN_TEXT: Final = re.compile(r"[\x00-\x09\x0b\x0e-\x1f\x7f-\x9f]")
_CODE: Final = re.compile(r"[A-Z0-9 _]{1,16}")
_DAY: Final = re.compile(r"\d{8}")
_TITLE: Final = re.compile(r"[ -\[\]-~]{1,16}")


def fitting(keyword: str, vr: str, value: Value) -> Value:
    """The value as its attribute can hold it."""
    if not isinstance(value, str) or not value:
        return value
    if vr in _WHOLE:
        return value if _WHOLE[vr](value) else ""
    if vr not in LONGEST or _is_plain(value, LONGEST[vr]):
        return value
    if keyword in NAMING:
        return ""
    return _name(value) if vr == "PN" else _text(value, vr)


def fits_short(value: str) -> bool:
    """Whether a code can be a Code Value, or a scheme its designator (SH)."""
    return _is_plain(value, LONGEST["SH"])


def _is_plain(value: str, longest: int) -> bool:
    return len(value) <= longest and "\\" not in value and (value.isprintable() or not _CONTROL.search(value))


def _text(value: str, vr: str) -> str:
    if vr == "LT":
        value = _CONTROL_IN_TEXT.sub(" ", value)
    else:
        value = _CONTROL.sub(" ", value).replace("\\", REPLACEMENT)
    return _short(value.strip(), LONGEST[vr])


def _name(value: str) -> str:
    cleaned = _CONTROL.sub(REPLACEMENT, value).replace("\\", REPLACEMENT)
    return "=".join(_short(group, LONGEST["PN"]) for group in cleaned.split("="))


def _short(value: str, longest: int) -> str:
    return value if len(value) <= longest else value[: longest - len(CUT)] + CUT


def _titles(value: str) -> bool:
    return all(_TITLE.fullmatch(one) and one.strip() for one in value.split("\\"))


_WHOLE: Final[Mapping[str, Callable[[str], object]]] = {
    "AE": _titles,
    "CS": _CODE.fullmatch,
    "DA": _DAY.fullmatch,
}
"""Of these a part would say something else: a birth date without its day is not sent."""
