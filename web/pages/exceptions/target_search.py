"""Find other steps and patients that a study could belong to: by accession number, identifier or name."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from accounts import access
from archive.models import Study
from archive.reconcile import person_comparison
from archive.reconcile.finding import Finding
from web.kernel import formats
from worklist.models import Patient, ScheduledProcedureStep
from worklist.patients import patient_search as patients
from worklist.schedule import day_schedule

MOST: Final = 20


@dataclass(frozen=True)
class Hit:
    """A step, or a patient alone where `step` is empty."""

    step: str
    patient: str
    record: str
    name: str
    born: str
    sex: str
    identifier: str
    accession_number: str = ""
    order: str = ""
    description: str = ""
    modality: str = ""
    station: str = ""
    due: datetime | None = None
    status: str = ""
    differs: str = ""
    """In what the images say another person."""


@dataclass(frozen=True)
class Hits:
    """What a text finds."""

    text: str
    steps: Sequence[Hit] = ()
    patients: Sequence[Hit] = ()


def text_of(text: str) -> str:
    """A text as it is searched for; too little finds nothing."""
    cleaned = "".join(letter for letter in text[:200] if letter.isprintable()).strip()
    return cleaned if len(cleaned) >= 2 else ""


def hits(text: str, user: Any, study: Study, but: Collection[str] = ()) -> Hits:
    """The steps due last, and the patients, whom a text names, `but` for some steps; none for no text."""
    if not text:
        return Hits("")
    steps = day_schedule.steps(day_schedule.Keys(text=text), user=user, order="-time")
    steps = steps.exclude(public_id__in=but).select_related(
        "procedure__order__patient__authority", "procedure__order__patient__survivor__authority"
    )
    people = patients.meant(text, timezone.localdate())
    mine = access.visible(people, user).select_related("authority").order_by("name_key", "pk")
    exams, patients_found = list(steps[:MOST]), list(mine[:MOST])
    of_exams = [row.procedure.order.patient for row in exams]
    differ = person_comparison.contradictions(study, [*filter(None, of_exams), *patients_found])
    return Hits(
        text, [_step(row, differ) for row in exams], [_patient(row, differ) for row in patients_found]
    )


def likely(study: Study, user: Any, but: Collection[str] = ()) -> list[Hit]:
    """The patients whom the headers say, `but` for some, where the study is nobody's yet."""
    if study.patient_id is not None:
        return []
    rows = access.visible(person_comparison.likely(study), user).exclude(public_id__in=but)
    return [_patient(row, {}) for row in rows[:MOST]]


_Differing = Mapping[int, Sequence[Finding]]


def _step(row: ScheduledProcedureStep, differ: _Differing) -> Hit:
    procedure, order = row.procedure, row.procedure.order
    return Hit(
        step=row.public_id,
        **_person(order.patient, differ),
        accession_number=procedure.accession_number or order.accession_number,
        order=order.public_id,
        description=procedure.description or row.description,
        modality=row.modality,
        station=row.station_ae_title,
        due=row.due,
        status=row.status,
    )


def _patient(row: Patient, differ: _Differing) -> Hit:
    return Hit(step="", **_person(row, differ))


def _person(record: Patient | None, differ: _Differing) -> dict[str, Any]:
    if record is None:
        return dict.fromkeys(("patient", "record", "name", "born", "sex", "identifier"), "")
    shown = record.current
    return {
        "patient": shown.public_id,
        "record": record.public_id,
        "name": formats.shown(shown.name),
        "born": formats.date(shown.birth_date),
        "sex": shown.sex,
        "differs": person_comparison.words(differ.get(record.pk, ())),
        "identifier": f"{shown.value}^^^{shown.authority.namespace}",
    }
