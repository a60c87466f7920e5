"""Attributes of QIDO-RS: how they are named in a query, and how values are written (PS3.18 annex F)."""

import re
from collections.abc import Iterable
from typing import Any, Final

from pydicom.datadict import dictionary_VR, tag_for_keyword

from archive.dataset.attributes import name_of

Json = dict[str, Any]
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}", re.ASCII)


class BadAttribute(Exception):
    """A text that names no attribute."""


def path_of(text: str) -> str:
    """The tags that `0020000D`, `StudyInstanceUID` or `00400275.ScheduledProcedureStepID` names.

    Raises
    ------
    BadAttribute
        If a part is neither a tag nor a keyword of PS3.6 (PS3.18 8.3.4.1).
    """
    return ".".join(_tag(part) for part in text.split("."))


def _tag(text: str) -> str:
    if _TAG.fullmatch(text):
        return text.upper()
    tag = tag_for_keyword(text)
    if tag is None:
        raise BadAttribute(text)
    return f"{tag:08X}"


def element(keyword: str, *values: Any) -> tuple[str, Json]:
    """The element of a keyword; values that are None or empty are left out (PS3.18 F.2.5)."""
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    vr = dictionary_VR(tag)
    kept = [value for value in values if value not in (None, "")]
    if vr == "PN":
        kept = [_name(value) for value in kept]
    elif vr in ("IS", "DS"):
        kept = [_number(value) for value in kept]
    return f"{tag:08X}", {"vr": vr, "Value": kept} if kept else {"vr": vr}


def sequence(keyword: str, items: Iterable[Json]) -> tuple[str, Json]:
    """The element of a sequence."""
    tag = tag_for_keyword(keyword)
    kept = list(items)
    return f"{tag:08X}", {"vr": "SQ", "Value": kept} if kept else {"vr": "SQ"}


def _name(text: str) -> Json:
    name = name_of(text)
    groups = {
        "Alphabetic": name["alphabetic"],
        "Ideographic": name["ideographic"],
        "Phonetic": name["phonetic"],
    }
    return {group: value for group, value in groups.items() if value}


def _number(value: Any) -> Any:
    """A number where it is one; a device's text that is none stays text."""
    try:
        return int(value)
    except ValueError:
        return value
