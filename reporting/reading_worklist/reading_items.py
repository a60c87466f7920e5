"""Which reports are to be made: items follow the studies, their links and their orders.

An item is made for each requested procedure of a judged study, or one for all of them where the site says so
(`reports`), and for the study itself where no procedure is known. What somebody has begun to write or say is
never moved or withdrawn silently: its author is asked.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Q

from archive.imports import import_acts
from archive.modality import DOCUMENTS, NOT_ACQUIRED
from archive.models import Hidden, Instance, ReadingStatus, Series, Study, Verdict
from archive.reconcile import apply_verdict
from ledger import clock, events
from reporting import reporting_events
from reporting.models import (
    Dictation,
    HoldReason,
    ReadingItem,
    Recheck,
    RecheckOutcome,
    Report,
    ReportVersion,
)
from reporting.reading_worklist import reading_status
from reporting.reporting_section import ReportingSection
from reporting.reports import frozen_identity, report_versions
from reporting.reports.frozen_identity import Whose
from reporting.reports.outside_reports import READ_OUTSIDE
from reporting.signals import version_confirmed
from reporting.turnaround import milestones
from worklist.models import Patient, PatientLink, Priority, RequestedProcedure
from worklist.orders.order_aggregate import OrderAggregate
from worklist.patients.patient_records import PatientRecord
from worklist.worklist_policy import WorklistPolicy

Keys = dict[str, list[RequestedProcedure]]
"""What a study's items are made for: by the key of each, the procedures that its report answers."""
RECHECK_WITHIN: Final = timedelta(hours=24)
_OTHER_PATIENT: Final = "The study was given to another patient after the signature."
_OTHER_ORDER: Final = "The study was linked otherwise after the signature."
_BEGUN_FOR_OTHER_PATIENT: Final = "The study was given to another patient after this was begun."
_BEGUN_FOR_OTHER_ORDER: Final = "The study was linked otherwise after this was begun."
_NAMED: Final = "The patient is another record since the signature, with another name or birth date."
_REPLACED: Final = "The patient's record tells of somebody else since the signature."
_UNNAMED: Final = "It was taken back, after the signature, who the patient is."
_PHANTOM: Final = "The images were taken for phantom or test images after the signature."
_BEGUN_FOR_PHANTOM: Final = "The images were taken for phantom or test images after this was begun."
_OF_PATIENT: Final = (_OTHER_PATIENT, _NAMED, _UNNAMED, _REPLACED)
"""Causes that a signer has to be told of, whatever is open already."""
OUTSIDE_CHANGED: Final = "An outside report of the exam was corrected or withdrawn after the signature."
_QUESTIONS: Final = (_BEGUN_FOR_OTHER_PATIENT, _BEGUN_FOR_OTHER_ORDER, _BEGUN_FOR_PHANTOM)


def follow_study(sender: object, *, study: Study, **others: Any) -> None:
    """Bring the items of a locked study in line with its verdict and its links."""
    if not Verdict.objects.filter(study=study).exists():
        return
    if study.hidden == Hidden.EXPIRED:
        _end_unread(study)
        return
    keys = _keys(study)
    for item in ReadingItem.objects.filter(studies=study).select_related("facility").order_by("pk"):
        if item.key not in keys:
            _let_go(item, study, keys)
    for key, procedures in keys.items():
        _attach(key, procedures, study)
    reading_status.settle_study(study)


def _end_unread(study: Study) -> None:
    """The images are kept no longer: what nobody has begun ends, what is written or signed stays as it is."""
    for item in ReadingItem.objects.filter(studies=study).order_by("pk"):
        item = _locked(item.pk)
        ends = (ReadingStatus.WITHDRAWN, *reading_status.SIGNED)
        if item.status in ends or is_begun(item) or item.studies.filter(hidden="").exists():
            continue
        item.withdrawn_reason = "its images are kept no longer"
        reading_status.change(
            item, ReadingStatus.WITHDRAWN, event=reporting_events.WITHDRAWN, reason=item.withdrawn_reason
        )


def follow_orders(
    sender: object, *, orders: Sequence[OrderAggregate], renamed: Collection[int] = (), **others: Any
) -> None:
    """Bring the urgency and the words of the orders' items in line with them."""
    people = {order.order.patient_id for order in orders if order.order.patient_id}
    if not people.isdisjoint(renamed):
        _recheck_whose(sorted(people))
    procedures = [one.id for order in orders if not order.is_new for one in order.procedures]
    if not procedures:
        return
    rows = ReadingItem.procedures.through.objects.filter(requestedprocedure__in=procedures)
    for key in sorted(set(rows.values_list("readingitem_id", flat=True))):
        item = _locked(key)
        _describe(item)
        item.save()


def follow_patients(
    sender: object, *, patients: Sequence[PatientRecord], renamed: Collection[int] = (), **others: Any
) -> None:
    """Ask the author of what is begun, and the signer, where a merge has changed whose it is shown as."""
    keys = [patient.id for patient in patients]
    rows = ReadingItem.objects.filter(patient__in=keys, status__in=reading_status.OPEN)
    for key in sorted(set(rows.values_list("pk", flat=True))):
        item = _locked(key)
        item.revision += 1
        if is_begun(item):
            item.patient_question = "The patient's record was merged or changed meanwhile."
        item.save()
    linked = PatientLink.objects.filter(Q(retired__in=keys) | Q(survivor__in=keys))
    if not set(keys).isdisjoint(renamed) or linked.exists():
        _recheck_whose(keys)


def _recheck_whose(keys: Sequence[int]) -> None:
    """Ask the signers of reports of these persons, where a record was linked or says something else since."""
    people = Patient.objects.filter(pk__in=keys)
    roots = {record.survivor_id or record.pk for record in people} | set(keys)
    records = Patient.objects.filter(Q(pk__in=roots) | Q(survivor__in=roots))
    rows = ReadingItem.objects.filter(patient__in=records.values("pk"), status__in=reading_status.SIGNED)
    for key in sorted(set(rows.values_list("pk", flat=True))):
        item = _locked(key)
        version = report_versions.newest(item)
        if version is not None and item.patient is not None:
            _recheck_version(item, version, item.patient.current)


def _recheck_version(item: ReadingItem, version: ReportVersion, shown: Patient) -> None:
    named = report_versions.signed_for(version)
    whose = frozen_identity.to_patient(frozen_identity.of_version(version), shown)
    of_name = Q(cause__contains=_NAMED) | Q(cause__contains=_UNNAMED)
    asked = Recheck.objects.filter(of_name, item=item, raised_at__gte=version.signed_at)
    last = asked.filter(outcome=RecheckOutcome.STILL_VALID).order_by("pk").last()
    if whose is not Whose.SAME:
        if not frozen_identity.is_for(version, shown):
            raise_recheck(item, _why_asked(named, shown))
    elif _undo_rechecks(item, _NAMED, _REPLACED, _OTHER_PATIENT):
        _tell_again(version)  # it may have waited
    elif last and _NAMED in last.cause:
        raise_recheck(item, _UNNAMED)
    elif named is not None and _is_temporary(named):
        _tell_again(version)  # under a number that those above know


def _tell_again(version: ReportVersion | None) -> None:
    if version is not None and version.released_at:
        version_confirmed.send(sender=None, version=version)


def _why_asked(named: Patient | None, shown: Patient) -> str:
    if named is None or named.current.pk != shown.pk:
        return _OTHER_PATIENT
    return _NAMED if named.pk != shown.pk else _REPLACED


def _is_temporary(named: Patient) -> bool:
    return named.authority.namespace == WorklistPolicy.current().temporary_authority


def _undo_rechecks(item: ReadingItem, *causes: str) -> int:
    """Take back what was asked for causes that are gone; how many. What has another cause too stays open."""
    found = 0
    for row in Recheck.objects.filter(item=item, closed_at=None):
        left = row.cause
        for cause in causes:
            left = " ".join(left.replace(cause, "").split())
        if left == row.cause:
            continue
        found += 1
        if left:
            row.cause = left
        else:
            row.closed_at, row.outcome = clock.now(), RecheckOutcome.UNDONE
        row.save()
    return found


def is_begun(item: ReadingItem) -> bool:
    """Whether somebody has written or said anything about it."""
    has_audio = Dictation.objects.filter(item=item).exclude(state="discarded").exists()
    report = Report.objects.filter(item=item).first()
    return has_audio or bool(report and any(text.strip() for text in report.sections.values()))


def image_count(item: ReadingItem) -> int:
    """How many objects its studies hold that others made; reports of ours are none of them."""
    rows = Instance.objects.filter(series__study__in=item.studies.all(), rejection=None)
    return rows.exclude(calling_ae_title=settings.AE_TITLE).count()


def raise_recheck(item: ReadingItem, cause: str) -> None:
    """Ask the signer of the newest version whether it still holds, once.

    A doubt whose it is is added, and so is that others take back what they reported.
    """
    version = report_versions.newest(item)
    there = Recheck.objects.filter(item=item, closed_at=None).first()
    if version is None or there is not None:
        if there and _is_to_be_added(there.cause, cause):
            there.cause = f"{there.cause} {cause}"[:200]
            there.save()
        return
    now = clock.now()
    Recheck.objects.create(
        item=item, signer=version.signed_by, cause=cause[:200], raised_at=now, due_at=now + RECHECK_WITHIN
    )
    events.record(
        reporting_events.RECHECK_RAISED, about=reading_status.things(item), occurred_at=now, reason=cause
    )


def _is_to_be_added(told: str, cause: str) -> bool:
    if cause == OUTSIDE_CHANGED:
        return cause not in told
    return cause in _OF_PATIENT and not any(one in told for one in _OF_PATIENT)


def _locked(key: int) -> ReadingItem:
    """An item alone, without its studies: whoever asks holds what changed it, and the studies are left."""
    rows = ReadingItem.objects.select_for_update(of=("self",)).select_related("facility", "patient")
    return rows.get(pk=key)


def _keys(study: Study) -> Keys:
    """The items that a study is to have.

    One that is hidden has none: a person rejected it, or its series are back where they came from. Nor has
    one that the site's rule takes for a phantom or a test, nor one that was split off and may be anybody's.
    What is only written about an exam, such as a dose report, joins what is read of that exam; alone it is
    nothing to read. What was brought for comparison only is read where it is linked to an order, and where it
    was in the list before.
    """
    if study.hidden or apply_verdict.is_kept_apart(study) or apply_verdict.is_undecided_part(study):
        return {}
    procedures = list(study.procedures.select_related("order").order_by("pk"))
    keys: Keys = {f"procedure:{one.public_id}": [one] for one in procedures}
    if len(keys) and ReportingSection.current().reports == "one":
        keys = {_joint_key(study, keys): procedures}
    if not keys and _is_prior_only(study):
        return {}
    keys = keys or {f"study:{study.study_instance_uid}": []}
    if Series.objects.filter(study=study).exclude(modality__in=NOT_ACQUIRED).exists():
        return keys
    there = set(
        ReadingItem.objects.filter(key__in=keys, procedures__isnull=False).values_list("key", flat=True)
    )
    return {key: some for key, some in keys.items() if key in there}


def _is_prior_only(study: Study) -> bool:
    """Whether a study without an order was brought to be compared with, and nothing else was ever wanted."""
    there = ReadingItem.objects.filter(key=f"study:{study.study_instance_uid}")
    is_in_list = there.exclude(status=ReadingStatus.WITHDRAWN).exists()
    return not is_in_list and import_acts.is_for_comparison(study)


def _joint_key(study: Study, keys: Keys) -> str:
    """The key of the one item of several procedures: that of the item that there is, else of the first."""
    wanted = [one for some in keys.values() for one in some]
    rows = ReadingItem.objects.filter(procedures__in=wanted).exclude(status=ReadingStatus.WITHDRAWN)
    found = rows.filter(studies=study).order_by("pk").first() or rows.order_by("pk").first()
    if found and (found.key in keys or found.studies.exclude(pk=study.pk).exists()):
        return found.key
    return next(iter(keys))


def _take_procedures(item: ReadingItem, procedures: Sequence[RequestedProcedure]) -> None:
    """The item answers these, and those of its other studies where one report is made of several."""
    wanted = {one.pk for one in procedures}
    if ReportingSection.current().reports == "one":
        rows = RequestedProcedure.objects.filter(studies__in=item.studies.all())
        wanted |= set(rows.values_list("pk", flat=True))
    lost = set(item.procedures.values_list("pk", flat=True)) - wanted
    if lost and item.status in reading_status.SIGNED:
        raise_recheck(item, _OTHER_ORDER)
    item.procedures.set(wanted)


def _attach(key: str, procedures: Sequence[RequestedProcedure], study: Study) -> None:
    item = ReadingItem.objects.filter(key=key).first()
    if item is None:
        _make(key, procedures, study)
        return
    item = _locked(item.pk)
    item.studies.add(study)
    if procedures:
        _take_procedures(item, procedures)
    _follow_patient(item, study)
    is_again = _forget_question(item)
    if item.status in reading_status.OPEN and not item.patient_question:
        item.begun_key, item.begun_for = "", None
    _describe(item)
    item.save()
    if is_again:
        _tell_again(report_versions.newest(item))
    is_answered = item.withdrawn_reason.startswith(READ_OUTSIDE)
    if item.status == ReadingStatus.WITHDRAWN and not item.retracted and not is_answered:
        reading_status.change(item, ReadingStatus.READY, event=reporting_events.READY)
    elif item.status in reading_status.SIGNED and image_count(item) > item.seen_images:
        raise_recheck(item, "Images came after the signature.")
    elif item.hold_reason == HoldReason.IMAGES_MISSING and image_count(item) > item.seen_images:
        _end_hold(item)


def _end_hold(item: ReadingItem) -> None:
    """Images came that were waited for: whoever reads on sees whether they are all."""
    now = clock.now()
    item.hold_reason = item.hold_note = ""
    item.revision += 1
    item.save()
    reading_status.note_owner(item, now)
    events.record(
        reporting_events.RESUMED, about=reading_status.things(item), occurred_at=now, reason="images came"
    )


def _make(key: str, procedures: Sequence[RequestedProcedure], study: Study) -> None:
    first = Verdict.objects.filter(study=study).order_by("number").values_list("made_at", flat=True).first()
    moments = [moment for moment in (first, study.first_quiet_at) if moment]
    ready_at = max(moments, default=clock.now())
    item = ReadingItem(
        key=key,
        facility=study.facility,
        patient=study.patient,
        status=ReadingStatus.READY,
        ready_at=ready_at,
        due_at=ready_at,
    )
    item.save()
    item.studies.add(study)
    item.procedures.set(procedures)
    _describe(item)
    item.save()
    reading_status.note_owner(item, ready_at)
    events.record(reporting_events.READY, about=reading_status.things(item), occurred_at=ready_at)


def _follow_patient(item: ReadingItem, study: Study) -> None:
    """Show the item under the study's patient; what is begun is asked about, what is signed rechecked."""
    if item.patient_id == study.patient_id:
        return
    is_other = _is_other(item, study)
    _note_asked(item, study)
    item.patient = study.patient
    item.revision += 1
    if is_other and item.status in reading_status.SIGNED:
        raise_recheck(item, _OTHER_PATIENT)
    elif is_other and is_begun(item):
        item.patient_question = _BEGUN_FOR_OTHER_PATIENT


def _is_other(item: ReadingItem, study: Study) -> bool:
    """Whether the study's patient is somebody else than whom the item was shown as.

    While one of them is unknown the images tell who it is: a link that finds this person changes nothing.
    """
    if item.patient_id == study.patient_id:
        return False
    if item.patient is None and study.patient is not None:
        return not _finds(item, study, study.patient)
    if item.patient is not None and study.patient is None and item.status not in reading_status.SIGNED:
        images = report_versions.of_images(study)
        return frozen_identity.to_patient(images, item.patient) is not Whose.SAME
    return True


def _finds(item: ReadingItem, study: Study, patient: Patient) -> bool:
    """Whether this is whom the images name, and whom the report was signed for."""
    version = report_versions.newest(item) if item.status in reading_status.SIGNED else None
    named = frozen_identity.of_version(version) if version else report_versions.of_images(study)
    return frozen_identity.to_patient(named, patient) is Whose.SAME


def _goes_out(item: ReadingItem, study: Study) -> bool:
    """Whether the report waited for this order: it goes out now, and its undo is a change of its own."""
    is_signed = item.status in reading_status.SIGNED
    return is_signed and item.patient is None and study.patient is not None and not _is_other(item, study)


def _note_asked(item: ReadingItem, study: Study) -> None:
    """Keep for whom and for which order it was begun or signed, before its author or its signer is asked."""
    if item.begun_key or _goes_out(item, study):
        return
    if item.status in reading_status.SIGNED or is_begun(item):
        item.begun_key, item.begun_for = item.key, item.patient


def _forget_question(item: ReadingItem) -> bool:
    """A question goes with its cause: what was begun is of the same patient and order again."""
    if not item.begun_key or (item.begun_key, item.begun_for_id) != (item.key, item.patient_id):
        return False
    item.begun_key, item.begun_for = "", None
    if item.patient_question in _QUESTIONS:
        item.patient_question = ""
    return bool(_undo_rechecks(item, _OTHER_PATIENT, _OTHER_ORDER, _PHANTOM))


def _let_go(item: ReadingItem, study: Study, keys: Keys) -> None:
    """The study is no longer this item's: it follows the study if it is begun, else it goes."""
    item = _locked(item.pk)
    _note_asked(item, study)
    free = [key for key in keys if not ReadingItem.objects.filter(key=key).exists()]
    is_phantom = apply_verdict.is_kept_apart(study)
    if item.status in reading_status.SIGNED:
        other = _OTHER_PATIENT if _is_other(item, study) else _OTHER_ORDER
        raise_recheck(item, _PHANTOM if is_phantom else other)
        if len(free) == 1:
            _rename(item, free[0], keys)
        item.save()
        return
    alone = not item.studies.exclude(pk=study.pk).exists()
    if study.hidden and not alone:
        item.studies.remove(study)
        _describe(item)
        item.revision += 1
        item.save()
        return
    if alone and len(free) == 1 and len(keys) == 1 and item.status != ReadingStatus.WITHDRAWN:
        _rename(item, free[0], keys)
        return
    if is_begun(item):
        item.patient_question = _BEGUN_FOR_PHANTOM if is_phantom else _BEGUN_FOR_OTHER_ORDER
        item.revision += 1
        item.save()
        return
    if keys:
        item.studies.remove(study)
    if alone and item.status != ReadingStatus.WITHDRAWN:
        item.withdrawn_reason = _why_withdrawn(study, keys)
        reason = item.withdrawn_reason
        reading_status.change(item, ReadingStatus.WITHDRAWN, event=reporting_events.WITHDRAWN, reason=reason)


def _why_withdrawn(study: Study, keys: Keys) -> str:
    if keys:
        return "its study was linked to another order"
    if apply_verdict.is_kept_apart(study):
        return "its study holds phantom or test images"
    if not study.hidden and apply_verdict.is_undecided_part(study):
        return "it was split off, and nobody has said whose it is"
    if not study.hidden and import_acts.is_for_comparison(study):
        return "its study was imported for comparison only"
    return "its study was rejected" if study.hidden else "its study holds no images any more"


def _rename(item: ReadingItem, key: str, keys: Keys) -> None:
    item.key = key
    item.procedures.set(keys[key])
    item.revision += 1
    item.save()


def _describe(item: ReadingItem) -> None:
    """Take over the words and the urgency of the orders, else those of the images. The caller saves."""
    procedures = list(item.procedures.select_related("order"))
    studies = list(item.studies.all())
    item.priority = Priority.most_urgent(one.order.priority for one in procedures)
    item.band = 0 if item.priority == Priority.STAT else 1
    item.due_at = item.ready_at + ReportingSection.current().target(item.priority)
    kinds = sorted({kind for study in studies for kind in study.modalities} - DOCUMENTS)
    item.modality = "/".join(kinds)[:16]
    item.body_part = next((one.body_part for one in procedures if one.body_part), "")[:64]
    words = [one.description or one.code for one in procedures] or [study.description for study in studies]
    item.description = ", ".join(filter(None, words))[:255]
    milestones.describe(item)
