"""Effects in words: what is seen of a study, and what of that has changed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from archive.models import (
    ExceptionKind,
    ExceptionStatus,
    Hidden,
    Outcome,
    ReadingStatus,
    Study,
    StudyException,
)
from worklist.models import RequestedProcedure
from worklist.patients import person_names

NOBODY: Final = "unlinked: the images' own identity"
_NAMES: Final = {
    "patient": "Patient shown",
    "procedures": "Procedures",
    "exception": "Exception",
    "verdict": "Verdict",
    "images": "Images",
    "reading": "Reading of the study",
}


@dataclass(frozen=True)
class Effect:
    """One thing that changes. `before` and `after` are empty where the text says it all."""

    about: str
    text: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Seen:
    """What is shown of a study, in words."""

    patient: str
    procedures: str
    exception: str
    verdict: str
    images: str
    reading: str


def seen(study: Study) -> Seen:
    """What is shown of a study now."""
    rows = Study.objects.select_related("patient__survivor__authority", "patient__authority")
    study = rows.get(pk=study.pk)
    row = StudyException.objects.filter(study=study).first()
    shown = f"hidden ({Hidden(study.hidden).label})" if study.hidden else "shown"
    noun = "image" if study.instance_count == 1 else "images"
    procedures = study.procedures.select_related("order")
    return Seen(
        patient=_patient(study),
        procedures=", ".join(sorted(_procedure(one) for one in procedures)) or "none",
        exception=_exception(row) if row else "none",
        verdict=Outcome(study.verdict).label,
        images=f"{shown}, {study.series_count} series, {study.instance_count} {noun}",
        reading=ReadingStatus(study.reading_status).label,
    )


def changes(before: Seen, after: Seen) -> Iterable[Effect]:
    """What has changed, and of whom and for what the images are where that has not."""
    for about, name in _NAMES.items():
        was, becomes = getattr(before, about), getattr(after, about)
        if was != becomes:
            yield Effect(about, f"{name}: {was} → {becomes}", was, becomes)
        elif about in ("patient", "procedures"):
            yield Effect(about, f"{name}, unchanged: {was}", was, becomes)


def _exception(row: StudyException) -> str:
    if row.status == ExceptionStatus.OPEN and row.kind != ExceptionKind.VERDICT:
        return f"open: {ExceptionKind(row.kind).label}"
    decided = f", by {row.resolution.replace('_', ' ')}" if row.resolution else ""
    return ExceptionStatus(row.status).value + (decided if row.status == ExceptionStatus.RESOLVED else "")


def _patient(study: Study) -> str:
    if study.patient is None:
        return f"{NOBODY} ({_name(study.patient_name)}, {study.header_patient_id or 'no ID'})"
    shown = study.patient.current
    return f"{_name(shown.name)} ({shown.value}^^^{shown.authority.namespace})"


def _name(name: str) -> str:
    return person_names.isolated(person_names.readable(name))


def _procedure(procedure: RequestedProcedure) -> str:
    number = procedure.accession_number or procedure.order.accession_number
    return f"{procedure.description or procedure.code or 'procedure'} of order {number or 'without a number'}"
