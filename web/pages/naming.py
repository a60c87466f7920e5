"""How names and dates of patients are written on pages."""

import re


def shown(name: str) -> str:
    """A DICOM PN as people write it: "Family, Given", the other component groups behind it."""
    groups = [_group(group) for group in name.split("=")]
    first, *others = [group for group in groups if group] or ["(no name)"]
    return first + "".join(f" ({other})" for other in others)


def _group(group: str) -> str:
    family, given, middle, prefix, suffix = [*(part.strip() for part in group.split("^")), *[""] * 5][:5]
    rest = " ".join(part for part in (prefix, given, middle, suffix) if part)
    return ", ".join(part for part in (family, rest) if part)


def date(text: str) -> str:
    """A DICOM date as YYYY-MM-DD; one that is written otherwise as it came."""
    return re.sub(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3", text)
