"""Rejection notes that come in: what a Key Object says, and the rows that are made of it while it is indexed.

A note is a Key Object Selection whose title is one of PS3.16 CID 7011 (IHE RAD TF-2, RAD-66). What it names
stands in its Current Requested Procedure Evidence Sequence; an item without series, or a series without
objects, names all of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db.models import Q

from archive.dataset import dicom_json
from archive.dataset.dataset_error import DatasetError
from archive.dataset.header import Header
from archive.dataset.uid import valid_uid
from archive.index.header_values import HeaderValues
from archive.models import Instance, RejectedObject, Rejection, RejectionState
from archive.rejections.rejection_titles import REJECTION_TITLES
from ledger import jobs

KEY_OBJECT: Final = "1.2.840.10008.5.1.4.1.1.88.59"
KIND: Final = "archive.rejections"
"""The job that applies them, by the Study Instance UID that headers name."""
LARGEST: Final = 32 << 20
MOST_OBJECTS: Final = 100_000
MOST_STUDIES: Final = 100
_TITLE, _CODE, _SCHEME = "0040A043", "00080100", "00080102"
_EVIDENCE, _SERIES_SEQUENCE, _SOP_SEQUENCE = "0040A375", "00081115", "00081199"
_STUDY, _SERIES, _SOP = "0020000D", "0020000E", "00081155"
_IDENTITY: Final = ("header_patient_id", "issuer_of_patient_id", "patient_name", "birth_date")
_LIVE: Final = (RejectionState.NEW, RejectionState.IN_FORCE)


@dataclass
class Named:
    """What a note names of one study: all of it, or objects by the UIDs of series and instance."""

    is_whole: bool = False
    objects: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class ReceivedNote:
    """A rejection note: its title's code, whose objects it says that it names, and what it names."""

    code: str
    identity: dict[str, str]
    studies: dict[str, Named]


def read(path: Path, header: Header) -> ReceivedNote | None:
    """The note that a stored Key Object is; None where it is none, or nothing can be made of it."""
    if header["instance"]["sop_class_uid"] != KEY_OBJECT or path.stat().st_size > LARGEST:
        return None
    try:
        model = dicom_json.metadata(path, lambda where: where).model
    except DatasetError:
        return None
    title: Mapping[str, Any] = next(_items(model, _TITLE), {})
    code = _text(title, _CODE)
    if code not in REJECTION_TITLES or _text(title, _SCHEME) != "DCM":
        return None
    says = HeaderValues.of_object(header)
    return ReceivedNote(code, {name: getattr(says, name) for name in _IDENTITY}, _studies(model))


def _studies(model: dicom_json.Json) -> dict[str, Named]:
    found: dict[str, Named] = {}
    count = 0
    for study in _items(model, _EVIDENCE):
        uid = _text(study, _STUDY)
        if not valid_uid(uid) or (uid not in found and len(found) == MOST_STUDIES):
            continue
        named = found.setdefault(uid, Named())
        is_whole = True
        for series_uid, sop_uid in _objects(study):
            is_whole = False
            if count < MOST_OBJECTS:
                named.objects.append((series_uid, sop_uid))
                count += 1
        named.is_whole |= is_whole
    return found


def _objects(study: dicom_json.Json) -> Iterable[tuple[str, str]]:
    """The UIDs of series and instance, the latter empty where the whole series is named."""
    for series in _items(study, _SERIES_SEQUENCE):
        series_uid = _text(series, _SERIES)
        uids = [_text(item, _SOP) for item in _items(series, _SOP_SEQUENCE)]
        for uid in uids or [""]:
            if valid_uid(uid) or (not uids and valid_uid(series_uid)):
                yield series_uid if valid_uid(series_uid) else "", uid
            else:
                yield "", "0.0"  # named in a way that names nothing: never everything instead


def _items(model: Mapping[str, Any], tag: str) -> Iterator[Any]:
    values = model.get(tag, {}).get("Value", [])
    return iter([one for one in values if isinstance(one, dict)])


def _text(model: Mapping[str, Any], tag: str) -> str:
    values = model.get(tag, {}).get("Value", [])
    return str(values[0]).strip(" \0") if values else ""


def keep(notes: Sequence[tuple[Instance, ReceivedNote]]) -> None:
    """Make the rows of notes that were just indexed, and ask for the job that applies them."""
    for instance, note in notes:
        if Rejection.objects.filter(note=instance).exists():
            continue
        for uid, named in _as_received(note.studies).items():
            row = Rejection.objects.create(
                study_instance_uid=uid,
                code=note.code,
                note=instance,
                source=instance.calling_ae_title,
                identity=note.identity,
                is_whole=named.is_whole,
            )
            RejectedObject.objects.bulk_create(
                (
                    RejectedObject(rejection=row, series_instance_uid=series, sop_instance_uid=sop)
                    for series, sop in dict.fromkeys(named.objects)
                ),
                batch_size=500,
            )
            jobs.enqueue(KIND, uid)


def _as_received(studies: Mapping[str, Named]) -> dict[str, Named]:
    """What a note names by the UIDs under which it is shown, by those of the headers.

    They differ where a split has moved an object, or a header was taken that names another study.
    """
    found: dict[str, Named] = {}
    for uid, named in studies.items():
        shown = Instance.objects.filter(series__study__study_instance_uid=uid)
        moved = shown.exclude(study_instance_uid=uid)
        if not named.is_whole:
            whole = {series for series, sop in named.objects if not sop}
            single = {sop for _, sop in named.objects if sop}
            received = Q(sop_instance_uid__in=single) | Q(series_instance_uid__in=whole)
            given = Q(given_uid__in=single) | Q(series__given_uid__in=whole)
            moved = moved.filter(given | (Q(given_uid="") & received))
        columns = ("study_instance_uid", "series_instance_uid", "sop_instance_uid", "given_uid")
        rows = list(moved.values_list(*columns)[:MOST_OBJECTS])
        for study, series, sop, _ in rows:
            found.setdefault(study, Named()).objects.append((series, sop))
        known = {given or sop for *_, sop, given in rows}
        left = [pair for pair in named.objects if pair[1] not in known]
        if left or not rows or shown.filter(study_instance_uid=uid).exists():
            kept = found.setdefault(uid, Named())
            kept.is_whole |= named.is_whole
            kept.objects += left
    return found


def hide(instances: Sequence[Instance]) -> set[int]:
    """Hide what earlier notes name of these instances, until the job has looked at whose they are.

    The keys of those that are hidden.
    """
    uids = {one.study_instance_uid for one in instances}
    rows = {row.pk: row for row in Rejection.objects.filter(study_instance_uid__in=uids, state__in=_LIVE)}
    hidden: set[int] = set()
    if not rows:
        return hidden
    named = RejectedObject.objects.filter(
        rejection__in=rows, sop_instance_uid__in=["", *(one.sop_instance_uid for one in instances)]
    ).order_by("rejection_id")
    by_object: dict[tuple[str, str, str], int] = {}
    for found in named:
        study = rows[found.rejection_id].study_instance_uid
        series = "" if found.sop_instance_uid else found.series_instance_uid
        by_object.setdefault((study, series, found.sop_instance_uid), found.rejection_id)
    for row in rows.values():
        if row.is_whole:
            by_object.setdefault((row.study_instance_uid, "", ""), row.pk)
    for one in instances:
        study, series, sop = one.study_instance_uid, one.series_instance_uid, one.sop_instance_uid
        keys = ((study, "", sop), (study, series, ""), (study, "", ""))
        hides = next((by_object[key] for key in keys if key in by_object), None)
        if hides is not None and one.sop_class_uid != KEY_OBJECT and not _is_ours(one):
            Instance.objects.filter(pk=one.pk).update(rejection=hides)
            hidden.add(one.pk)
    for uid in {row.study_instance_uid for row in rows.values()}:
        jobs.enqueue(KIND, uid)
    return hidden


def _is_ours(instance: Instance) -> bool:
    return bool(instance.calling_ae_title == settings.AE_TITLE)
