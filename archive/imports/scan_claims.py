"""What somebody types of a scan, made into what its headers claim; what can't be so is refused."""

from collections.abc import Mapping
from typing import Final

from django.utils import timezone

from archive.imports.film_scan import Claims
from ledger.errors import Invalid, Missing
from worklist.models import Sex
from worklist.patients import typed_dates

FIELDS: Final[Mapping[str, int]] = {
    "patient_name": 64,
    "patient_id": 64,
    "issuer": 64,
    "patient_birth_date": 24,
    "patient_sex": 1,
    "study_date": 24,
    "accession_number": 16,
    "description": 64,
    "scanned_on": 24,
    "medium": 5,
}
"""What is typed, and how long it may be (PS3.5 6.2)."""
FILM, PAPER = "film", "paper"


def claims(said: Mapping[str, str]) -> Claims:
    """The claims; raises `Missing` or `Invalid`, which name the field."""
    texts = {name: _text(said.get(name, ""), name, longest) for name, longest in FIELDS.items()}
    if not texts["patient_name"]:
        raise Missing("the patient's name is needed", "patient_name")
    if not texts["study_date"]:
        raise Missing("the day of the exam is needed", "study_date")
    if not texts["description"]:
        raise Missing("what was examined is needed", "description")
    if texts["patient_sex"] not in ("", *Sex.values):
        raise Invalid("the sex is one of " + ", ".join(Sex.values), "patient_sex")
    if texts["medium"] not in ("", FILM, PAPER):
        raise Invalid("the medium is film or paper", "medium")
    return Claims(
        patient_id=texts["patient_id"],
        patient_name=_name(texts["patient_name"]),
        study_date=_day(texts["study_date"], "study_date"),
        issuer=texts["issuer"] if texts["patient_id"] else "",
        birth_date=_day(texts["patient_birth_date"], "patient_birth_date"),
        sex=texts["patient_sex"],
        accession_number=texts["accession_number"],
        description=texts["description"],
        is_film=texts["medium"] != PAPER,
        scanned_on=_day(texts["scanned_on"], "scanned_on"),
    )


def _text(text: str, name: str, longest: int) -> str:
    plain = " ".join(text.split())
    if len(plain) > longest:
        raise Invalid(f"it is longer than {longest} characters", name)
    if not plain.isprintable() or "\\" in plain:
        raise Invalid("it holds signs that no header can keep", name)
    return plain


def _name(text: str) -> str:
    """As DICOM has it; "Family, Given" too."""
    if "^" in text or "=" in text:
        return text
    family, _, given = text.partition(",")
    return "^".join(part for part in (family.strip(), given.strip()) if part)


def _day(text: str, name: str) -> str:
    if not text:
        return ""
    day = typed_dates.day(text)
    if day is None:
        raise Invalid(f"{text!r} is not a valid date; write it as 2026-03-02", name)
    if day.year < 1850 or day > timezone.localdate():
        raise Invalid(f"{text!r} is not a day of the past", name)
    return f"{day:%Y%m%d}"
