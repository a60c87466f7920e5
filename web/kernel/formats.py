"""How names, dates and ages of patients are written on pages."""

import re
from collections.abc import Iterable
from datetime import date as Date

from ledger import written_dates
from worklist.patients import person_names

shown = person_names.readable
groups = person_names.readable_groups
date = written_dates.of_dicom


def whose(name: str, accession_numbers: Iterable[str]) -> str:
    """Whose exam it is, and which: a readable name with the accession numbers."""
    return ", ".join(dict.fromkeys(filter(None, (name, *accession_numbers))))


def age(birth_date: str, on: Date) -> str:
    """The age on a day as people say it: years, below two years months, below two months days.

    Empty where the date of birth is not known well enough, or lies ahead.
    """
    match = re.match(r"^(\d{4})(\d\d)?(\d\d)?$", birth_date, re.ASCII)
    if match is None:
        return ""
    year, month, day = (int(part or 0) for part in match.groups())
    if not month or not day:
        return f"about {on.year - year} y" if year <= on.year else ""
    try:
        born = Date(year, month, day)
    except ValueError:
        return ""
    if born > on:
        return ""
    months = (on.year - year) * 12 + on.month - month - (on.day < day)
    if months >= 24:
        return f"{months // 12} y"
    return f"{months} m" if months >= 2 else f"{(on - born).days} d"
