"""What a decision would do, in words: the act itself, tried out in a savepoint that is rolled back.

So what is foretold can't drift from what is done. Those above add their own: see `study_previewing`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction

from archive.decisions.decision_frame import procedures_of
from archive.models import (
    Decision,
    DecisionKind,
    ExceptionStatus,
    Hidden,
    Study,
    StudyException,
)
from archive.signals import study_previewing
from worklist.models import RequestedProcedure
from worklist.patients import person_names

NOBODY: Final = "nobody: the identity in its header"


@dataclass(frozen=True)
class Effect:
    """One thing that changes. `before` and `after` are empty where the text says it all."""

    about: str
    text: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class _Seen:
    """What is shown of a study, in words."""

    patient: str
    procedures: str
    exception: str
    verdict: str
    images: str
    reading: str


def preview(*, study: Study, act: Callable[[], Decision]) -> list[Effect]:
    """Do `act`, which decides on a study or undoes a decision, say what it changed, and take all back.

    Raises what the act raises.
    """
    assert connection.in_atomic_block
    with transaction.atomic():
        before = _seen(study)
        tellers: list[Any] = [tell for _, tell in study_previewing.send(sender=None, study=study) if tell]
        decision = act()
        effects = list(_changes(before, _seen(study)))
        effects += _of_the_part(decision)
        effects += _of_an_order(decision)
        effects += [Effect("outside", text) for tell in tellers for text in tell()]
        if decision.undone_at is None:
            effects.append(_undo(decision, before))
        transaction.set_rollback(True)
    return effects


_NAMES: Final = {
    "patient": "Patient shown",
    "procedures": "Procedures",
    "exception": "Exception",
    "verdict": "Verdict",
    "images": "Images",
    "reading": "Reading of the study",
}


def _changes(before: _Seen, after: _Seen) -> Iterable[Effect]:
    for about, name in _NAMES.items():
        was, becomes = getattr(before, about), getattr(after, about)
        if was != becomes:
            yield Effect(about, f"{name}: {was} → {becomes}", was, becomes)
        elif about in ("patient", "procedures"):
            yield Effect(about, f"{name}, unchanged: {was}", was, becomes)


def _seen(study: Study) -> _Seen:
    rows = Study.objects.select_related("patient__survivor__authority", "patient__authority")
    study = rows.get(pk=study.pk)
    row = StudyException.objects.filter(study=study).first()
    shown = f"hidden ({Hidden(study.hidden).label})" if study.hidden else "shown"
    noun = "image" if study.instance_count == 1 else "images"
    return _Seen(
        patient=_patient(study),
        procedures=", ".join(sorted(_procedure(one) for one in procedures_of(study))) or "none",
        exception=_standing(row) if row else "none",
        verdict=study.verdict.replace("_", " "),
        images=f"{shown}, {study.series_count} series, {study.instance_count} {noun}",
        reading=study.reading_status.replace("_", " "),
    )


def _standing(row: StudyException) -> str:
    decided = f", by {row.resolution.replace('_', ' ')}" if row.resolution else ""
    return ExceptionStatus(row.status).value + (decided if row.status == ExceptionStatus.RESOLVED else "")


def _patient(study: Study) -> str:
    if study.patient is None:
        return f"{NOBODY} ({person_names.readable(study.patient_name)}, {study.header_patient_id or 'no ID'})"
    shown = study.patient.current
    return f"{person_names.readable(shown.name)} ({shown.value}^^^{shown.authority.namespace})"


def _procedure(procedure: RequestedProcedure) -> str:
    number = procedure.accession_number or procedure.order.accession_number
    return f"{procedure.description or procedure.code or 'procedure'} of order {number or 'without a number'}"


def _of_the_part(decision: Decision) -> list[Effect]:
    """What becomes of the study that a split makes, or that its undo takes back."""
    if decision.kind != DecisionKind.SPLIT:
        return []
    part = Study.objects.get(public_id=decision.parameters["study"])
    if decision.undone_at is not None:
        text = f"The study {part.study_instance_uid} is gone; its series are back in this one"
        return [Effect("part", text)]
    seen = _seen(part)
    text = (
        f"{part.series_count} series with {part.instance_count} images become the study"
        f" {part.study_instance_uid} of {seen.patient}; its verdict is {seen.verdict}, its procedures: "
        f"{seen.procedures}. Images that come later for these series go there. Files stay as they are"
    )
    return [Effect("part", text, "", part.study_instance_uid)]


def _of_an_order(decision: Decision) -> list[Effect]:
    if decision.kind != DecisionKind.CREATE_ORDER:
        return []
    if decision.undone_at is not None:
        return [Effect("order", "The order that the decision placed is cancelled")]
    code = decision.parameters["procedure_code"]
    return [Effect("order", f"An order for {code} is placed here, planned under this study's UID")]


def _undo(decision: Decision, before: _Seen) -> Effect:
    restored = [f"patient {before.patient}", f"procedures {before.procedures}"]
    restored.append(f"exception {before.exception}")
    if decision.kind == DecisionKind.SPLIT:
        restored.append("all series in one study")
    if decision.kind == DecisionKind.REJECT:
        restored.append("the images in all lists")
    if decision.kind == DecisionKind.CREATE_ORDER:
        restored.append("the order cancelled")
    return Effect("undo", "Undo brings back: " + "; ".join(restored))
