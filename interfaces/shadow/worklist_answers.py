"""The worklist answers of another system, as files: one data set each, as `findscu -X` writes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pydicom
from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from interfaces.dicom.services.worklist_item import PATIENT_LEVEL, STEP_LEVEL
from ledger.errors import Invalid

SUFFIXES: Final = frozenset({".dcm", ".wl"})
LARGEST: Final = 1_000_000
"""Bytes of one answer."""
MOST: Final = 50_000


@dataclass(frozen=True)
class WorklistAnswer:
    """An entry of a worklist: its attributes by keyword, as texts; `name` is where it comes from."""

    name: str
    values: dict[str, str]

    @property
    def keys(self) -> tuple[str, str]:
        """What it is the same as another by: accession number and step, without what is none."""
        return self.values.get("AccessionNumber", ""), self.values.get("ScheduledProcedureStepID", "")


def read(folder: Path) -> Iterator[WorklistAnswer]:
    """The answers in a folder, by name. Raises `Invalid` for a file that is none, or for too many."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if len(paths) > MOST:
        raise Invalid(f"{folder} has more than {MOST:,} answers")
    for path in paths:
        if path.stat().st_size > LARGEST:
            raise Invalid(f"{path} is too large for an answer of a worklist")
        try:
            found = pydicom.dcmread(path, force=True)
        except (InvalidDicomError, OSError, ValueError) as error:
            raise Invalid(f"{path} can't be read: {error}") from error
        yield WorklistAnswer(str(path.relative_to(folder)), values_of(found))


def values_of(answer: Dataset) -> dict[str, str]:
    """The attributes of a worklist answer that have a value, by keyword."""
    steps = answer.get("ScheduledProcedureStepSequence") or [Dataset()]
    pairs = [(keyword, answer) for keyword in PATIENT_LEVEL] + [(keyword, steps[0]) for keyword in STEP_LEVEL]
    values = {keyword: alike(keyword, data.get(keyword)) for keyword, data in pairs}
    return {keyword: value for keyword, value in values.items() if value}


def alike(keyword: str, value: object) -> str:
    """A value as it is compared: without padding; a time has its seconds, a number no needless zeros."""
    if value is None or (isinstance(value, list) and not value):
        return ""
    if hasattr(value, "__iter__") and not isinstance(value, str) and not hasattr(value, "components"):
        return "\\".join(alike(keyword, one) for one in value)
    text = str(value).strip()
    if keyword.endswith("Name"):
        return "=".join(group.rstrip("^ ") for group in text.split("=")).rstrip("=")
    if keyword.endswith("Time"):
        return text.partition(".")[0].ljust(6, "0") if text else ""
    if keyword in ("PatientWeight", "PatientSize"):
        return f"{float(text):g}" if text else ""
    return text
