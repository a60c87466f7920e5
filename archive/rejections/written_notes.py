"""Rejection notes of our own decisions: Key Objects in the study that they are on (PS3.3 A.35.4; RAD-66).

A job writes them, outside any transaction, and a full disk delays them only. The undo of the decision hides
the note, which is kept.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db.models import QuerySet
from pydicom.dataset import Dataset

from archive.dataset import made_dataset
from archive.dataset.made_dataset import text
from archive.dataset.part10 import IMPLEMENTATION_VERSION_NAME
from archive.index import given_uids, indexer
from archive.models import Decision, Instance, Rejection, RejectionState, Series, Study
from archive.rejections.received_notes import KEY_OBJECT
from archive.rejections.rejection_titles import REJECTION_TITLES
from archive.storage import generated_objects
from archive.storage.intake import NotKept
from ledger import jobs
from worklist.orders import generated_ids

logger = logging.getLogger(__name__)

KIND: Final = "archive.rejection_note"
_AGAIN: Final = timedelta(seconds=60)


class Reference(NamedTuple):
    """An object that a note names."""

    series: str
    instance: str
    sop_class: str
    is_image: bool


def write(decision: Decision, code: str) -> None:
    """Ask for the note of a decision, in its transaction."""
    row, _ = Rejection.objects.get_or_create(
        decision=decision,
        defaults={
            "study_instance_uid": decision.study.study_instance_uid,
            "code": code,
            "state": RejectionState.IN_FORCE,
        },
    )
    jobs.enqueue(KIND, row.public_id)


def withdraw(decision: Decision) -> None:
    """Hide the note of a decision that is undone; one that is not written yet never will be."""
    row = Rejection.objects.filter(decision=decision).first()
    if row is None:
        return
    row.state = RejectionState.TAKEN_BACK
    row.save(update_fields=["state"])
    _hide(row)


def _hide(row: Rejection) -> None:
    notes = Instance.objects.filter(sop_instance_uid=instance_uid(row))
    if notes.update(rejection=row):
        indexer.recount(Series.objects.filter(instances__in=notes))


def instance_uid(row: Rejection) -> str:
    """The SOP Instance UID of a rejection's note."""
    return generated_ids.study_instance_uid("rejection note", row.public_id)


def prepare(claim: jobs.Claim) -> Rejection | None:
    """Make and keep the note; raises `jobs.Retry` while it can't be."""
    row = _find(claim.key)
    if row is None or row.state == RejectionState.TAKEN_BACK or generated_objects.is_kept(instance_uid(row)):
        return row
    found = references(row)
    if not found:
        return None
    outcome = generated_objects.keep(
        made_dataset.encode(build(row, found)), sop_class_uid=KEY_OBJECT, sop_instance_uid=instance_uid(row)
    )
    if isinstance(outcome, NotKept):
        logger.warning("rejection note %s is not kept: %s", row.public_id, outcome.comment)
        raise jobs.Retry(outcome.comment, _AGAIN)
    return row


def apply(claim: jobs.Claim, prepared: Any) -> None:
    """Note where it is; hide it if the decision was undone meanwhile."""
    if prepared is None:
        return
    row = Rejection.objects.select_for_update().get(pk=prepared.pk)
    row.note = Instance.objects.filter(sop_instance_uid=instance_uid(row)).first()
    row.save(update_fields=["note"])
    if row.state == RejectionState.TAKEN_BACK:
        _hide(row)


def _find(public_id: str) -> Rejection | None:
    return Rejection.objects.select_related("decision__study").filter(public_id=public_id).first()


def references(row: Rejection) -> Sequence[Reference]:
    """What a decision rejects: the images that it names, else the series that it moved, else the study."""
    decision = row.decision
    assert decision is not None
    moved = decision.parameters.get("study")
    rows = _moved(moved, decision.parameters["series"]) if moved else _of(decision.study)
    if row.objects_named.exists():
        rows = rows.filter(sop_instance_uid__in=row.objects_named.values("sop_instance_uid"))
    if images := decision.parameters.get("images"):
        rows = rows.filter(sop_instance_uid__in=images)
    named = _before if moved else _now
    rows = rows.select_related("series__study").only(
        "sop_class_uid", "sop_instance_uid", "given_uid", "rows", "series__series_instance_uid",
        "series__given_uid", "series__moved_from", "series__study__study_instance_uid",
    )  # fmt: skip
    return [
        Reference(*named(one, decision.study), one.sop_class_uid, one.rows is not None)
        for one in rows.iterator(chunk_size=2000)
    ]


def _of(study: Study) -> QuerySet[Instance]:
    return generated_objects.instances_of_others(study)


def _moved(part: str, series: Sequence[str]) -> QuerySet[Instance]:
    """What a split has moved, also where another one has moved it on meanwhile."""
    found: set[int] = set()
    parts = set(Study.objects.filter(public_id=part).values_list("pk", flat=True))
    while parts - found:
        found |= parts
        parts = set(Study.objects.filter(split_from__in=parts).values_list("pk", flat=True))
    rows = Instance.objects.filter(series__study__in=found, series__series_instance_uid__in=series)
    return rows.exclude(calling_ae_title=settings.AE_TITLE).order_by("series_id", "pk")


def _now(one: Instance, study: Study) -> tuple[str, str]:
    """The UIDs of series and instance."""
    assert one.series is not None
    return one.series.uid, one.uid


def _before(one: Instance, study: Study) -> tuple[str, str]:
    """Those that they had in the study that a split has moved them out of."""
    assert one.series is not None
    series, uid = one.series.series_instance_uid, one.sop_instance_uid
    if one.series.moved_from_id == study.pk:
        return series, uid
    return given_uids.given(study.study_instance_uid, series), given_uids.given(study.study_instance_uid, uid)


# The object


def build(row: Rejection, found: Sequence[Reference]) -> Dataset:
    """The Key Object, in the study of the decision and under the identity of its headers."""
    assert row.decision is not None
    study, at = row.decision.study, row.decision.at
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = KEY_OBJECT, instance_uid(row)
    dataset.PatientName, dataset.PatientID = text(study.patient_name), text(study.header_patient_id, 64)
    if study.issuer_of_patient_id:
        dataset.IssuerOfPatientID = text(study.issuer_of_patient_id, 64)
    dataset.PatientBirthDate, dataset.PatientSex = study.birth_date, study.sex
    dataset.StudyInstanceUID = study.study_instance_uid
    dataset.StudyDate, dataset.StudyTime = study.study_date, study.study_time
    dataset.StudyID, dataset.AccessionNumber = text(study.study_id, 16), text(study.accession_number, 16)
    dataset.ReferringPhysicianName = text(study.referring_physician)
    dataset.Modality = "KO"
    dataset.SeriesInstanceUID = generated_ids.study_instance_uid("rejections", study.study_instance_uid)
    dataset.SeriesNumber, dataset.InstanceNumber = "9003", str(row.pk)
    dataset.SeriesDescription = "Rejection notes"
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.ContentDate, dataset.ContentTime = at.strftime("%Y%m%d"), at.strftime("%H%M%S")
    dataset.TimezoneOffsetFromUTC = "+0000"
    dataset.Manufacturer = IMPLEMENTATION_VERSION_NAME
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = [_code(row.code, REJECTION_TITLES[row.code])]
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2010"
    dataset.ContentTemplateSequence = [template]
    dataset.CurrentRequestedProcedureEvidenceSequence = [_evidence(study.study_instance_uid, found)]
    dataset.ContentSequence = [_description(row), *map(_content, found)]
    return dataset


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _description(row: Rejection) -> Dataset:
    """What was wrong, and the reason that the person gave (TID 2010, row 6)."""
    assert row.decision is not None
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence = [_code("113012", "Key Object Description")]
    item.TextValue = ": ".join(filter(None, [row.cause, text(row.decision.reason)]))
    return item


def _content(one: Reference) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "IMAGE" if one.is_image else "COMPOSITE"
    item.ReferencedSOPSequence = [_reference(one)]
    return item


def _reference(one: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.sop_class, one.instance
    return item


def _evidence(study_instance_uid: str, found: Sequence[Reference]) -> Dataset:
    """Hierarchical SOP Instance References (PS3.3 C.17.2.1)."""
    series: dict[str, list[Dataset]] = {}
    for one in found:
        series.setdefault(one.series, []).append(_reference(one))
    study = Dataset()
    study.StudyInstanceUID, study.ReferencedSeriesSequence = study_instance_uid, []
    for uid, objects in series.items():
        item = Dataset()
        item.SeriesInstanceUID, item.ReferencedSOPSequence = uid, objects
        study.ReferencedSeriesSequence.append(item)
    return study
