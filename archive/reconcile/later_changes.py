"""What became of a study's orders and of its patient's record since: a person looks at it, no link breaks.

The verdict compares images with what was said when they came, so a match outlives a cancel and a corrected
record. Where either leaves nothing of what the images were made for, that is an exception of its own kind.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Q

from archive.models import Decision, ExceptionKind, Hidden, Rejection, RejectionState, Study
from archive.reconcile.candidates import Person
from archive.reconcile.finding import Finding
from archive.reconcile.identity_evidence import demographics
from archive.reconcile.name_agreement import fits_name
from archive.reconcile.reconcile_policy import Policy
from archive.reconcile.study_evidence import Identity
from archive.rejections.rejection_titles import REJECTION_TITLES
from ledger import written_dates
from worklist.models import FormerDescription, Patient, ScheduledProcedureStep, StatusEvent
from worklist.patients import person_names

_PAST: Final = {StatusEvent.Kind.CANCEL: "cancelled", StatusEvent.Kind.DISCONTINUE: "discontinued"}


@dataclass(frozen=True)
class LaterChange:
    """Why a person has to look at a linked study. `key` names the change: decisions keep which they knew."""

    kind: ExceptionKind
    key: str
    text: str
    findings: tuple[Finding, ...]


def of(study: Study, policy: Policy) -> list[LaterChange]:
    """The changes under a study, those of its patient first."""
    found = [*_held_notes(study), *_replaced(study, policy), *_cancelled(study, policy)]
    return [*found, *_after_rejection(study)]


def _after_rejection(study: Study) -> Iterator[LaterChange]:
    """Images that came after a person had rejected the study: they are hidden with it, and may be good."""
    if study.hidden != Hidden.REJECTED:
        return
    row = Decision.objects.filter(study=study, kind="reject", undone_at=None).order_by("pk").last()
    if row is not None and study.last_received_at > row.at:
        yield LaterChange(
            ExceptionKind.IMAGES_AFTER_REJECTION,
            f"images:{study.last_received_at.isoformat()}",
            "Images came after the study was rejected, and are hidden with it. If they are good, undo the"
            " rejection and reject only the others.",
            (),
        )


def _held_notes(study: Study) -> Iterator[LaterChange]:
    """Rejection notes that name what they may not hide by themselves."""
    moved = study.series.exclude(moved_from=None).values("moved_from__study_instance_uid")
    uids = Q(study_instance_uid=study.study_instance_uid) | Q(study_instance_uid__in=moved)
    for row in Rejection.objects.filter(uids, state=RejectionState.HELD).order_by("pk"):
        title = REJECTION_TITLES[row.code]
        text = f"A rejection note from {row.source or 'a file'} ({title}) needs review: {row.text}."
        yield LaterChange(ExceptionKind.NOTE_HELD, f"note:{row.public_id}", text, ())


def _cancelled(study: Study, policy: Policy) -> Iterator[LaterChange]:
    """Orders that were cancelled, and steps, though the study is of them: ORC-1 CA or DC, or a person.

    What a person or a device discontinues was begun, and its images are what came of it.
    """
    procedures, zone = list(study.procedures.values_list("pk", flat=True)), ZoneInfo(study.facility.time_zone)
    rows = StatusEvent.objects.filter(order__procedures__in=procedures, kind__in=_PAST, undone_by="")
    for event in rows.select_related("order", "step").distinct().order_by("stamp", "pk"):
        if not _ends_the_exam(event, procedures):
            continue
        done = _PAST[StatusEvent.Kind(event.kind)]
        number = event.order.accession_number or "without a number"
        when = written_dates.zoned(event.occurred_at, zone)
        by = f" by {event.actor}" if event.actor else ""
        reason = f": {event.reason}" if event.reason else ""
        count = "1 image is" if study.instance_count == 1 else f"{study.instance_count} images are"
        yield LaterChange(
            ExceptionKind.CANCELLED_AFTER_IMAGES,
            f"cancelled:{event.public_id}",
            f"Order {number} was {done} {when}{by}{reason}. {count} linked to it.",
            (policy.finding("order_status", "images", f"{done} {when}", (0.0, "cancelled after")),),
        )


def _ends_the_exam(event: StatusEvent, procedures: list[int]) -> bool:
    if event.kind == StatusEvent.Kind.DISCONTINUE:
        return event.step is None and not event.source.startswith("user:")
    if event.step is None:
        return True
    others = ScheduledProcedureStep.objects.filter(procedure=event.step.procedure_id)
    cancelled = StatusEvent.objects.filter(step__in=others, kind=StatusEvent.Kind.CANCEL, undone_by="")
    return event.step.procedure_id in procedures and not others.exclude(acts__in=cancelled).exists()


def _replaced(study: Study, policy: Policy) -> Iterator[LaterChange]:
    """The patient's record, or that into which it was merged, tells of another than when the images came.

    Nothing of the name is left, nor the birth date. An unknown patient who is named is none; nor is one whom
    the images name so themselves.
    """
    patient = study.patient
    if patient is None:
        return
    current, replaced = patient.current, _when_it_came(study, patient)
    former = replaced or (patient if current != patient else None)
    if former is None or any(fits_name(one, former.name) for one in policy.placeholder_names):
        return
    now, was, seen = _described(current), _described(former), _seen(study)
    found = demographics(was, Person(records=(now,)), policy)
    if _is_another(found) and _is_another(demographics(seen, Person(records=(now,)), policy)):
        by = f"replaced:{replaced.pk}" if replaced else f"merged:{patient.pk}:{current.pk}"
        yield LaterChange(
            ExceptionKind.IDENTITY_REPLACED,
            f"{by}:{current.name}:{current.birth_date}",
            f"When the images came, patient {patient.value} was {_whom(was)}; now it is {_whom(now)}."
            " Confirm whose images these are.",
            tuple(found),
        )


def _described(record: Patient | FormerDescription) -> Identity:
    return Identity(name=record.name, birth_date=record.birth_date, sex=record.sex)


def _seen(study: Study) -> Identity:
    return Identity(name=study.patient_name, birth_date=study.birth_date, sex=study.sex)


def _whom(person: Identity) -> str:
    name = person_names.isolated(person_names.readable(person.name))
    return f"{name}, born {written_dates.of_dicom(person.birth_date)}" if person.birth_date else name


def _when_it_came(study: Study, patient: Patient) -> FormerDescription | None:
    """What a record said when a study came, if it says something else since."""
    rows = FormerDescription.objects.filter(patient=patient, replaced_at__gte=study.first_received_at)
    return rows.order_by("pk").first()


def _is_another(found: list[Finding]) -> bool:
    """Whether nothing but a sex, which is that of every second patient, is left."""
    by_field = {one.field: one for one in found}
    return by_field["patient_name"].agreement == 0 and by_field["birth_date"].contradicts
