"""Series that a split has moved: every resource shows them in their new study, all else is as received."""

import json
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.db import transaction
from pydicom import Dataset, dcmread

from accounts.models import User
from archive.decisions.decision_frame import decide, revision
from archive.decisions.reject import Reject
from archive.decisions.split import Split
from archive.decisions.undo import undo
from archive.models import (
    FormerUid,
    Instance,
    ObjectVersion,
    Quarantined,
    Series,
    StoredFile,
    Study,
    StudyException,
)
from archive.reconcile import reconcile_job
from archive.storage.intake import NotKept, Repeated
from archive.storage.volumes import path_of
from ledger import jobs
from ledger.models import Job
from tests.actors import acting
from tests.archive.dataset.builders import EXPLICIT_BIG_ENDIAN, IMPLICIT_LITTLE_ENDIAN, encoded, image
from tests.archive.objects import indexed, received, take

pytestmark = pytest.mark.django_db
Get = Callable[..., Any]
DEFLATED = "1.2.840.10008.1.2.1.99"
UIDS = "0020000D", "0020000E", "00080018"
SYNTAXES = {
    "1.2.3.4": "1.2.840.10008.1.2.1",
    "1.2.3.5": IMPLICIT_LITTLE_ENDIAN,
    "1.2.3.6": EXPLICIT_BIG_ENDIAN,
    "1.2.3.7": DEFLATED,
}


@pytest.fixture
def part(home: None, user: User) -> Study:
    for instance, syntax in SYNTAXES.items():
        series = "1.2.3.2"
        dataset = encoded(image(SOPInstanceUID=instance, SeriesInstanceUID=series), syntax)
        if syntax == DEFLATED:
            deflate = zlib.compressobj(wbits=-15)
            dataset = deflate.compress(dataset) + deflate.flush()
        take(dataset, instance=instance, transfer_syntax=syntax)
    received(SOPInstanceUID="1.2.3.8", SeriesInstanceUID="1.2.3.1")
    indexed()
    study = Study.objects.get()
    with transaction.atomic():
        jobs.enqueue(reconcile_job.KIND, study.study_instance_uid)
    jobs.run(Job.objects.get(kind=reconcile_job.KIND).pk)
    with transaction.atomic():
        decision = decide(Split(["1.2.3.2"]), study=study, reason="two patients", by=acting(user))
    return Study.objects.get(public_id=decision.parameters["study"])


def body(answer: Any) -> bytes:
    assert answer.status_code == 200, answer.status_code
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)


@pytest.mark.parametrize("instance", SYNTAXES)
def test_a_moved_object_goes_out_under_its_new_study(part: Study, get: Get, instance: str) -> None:
    uid = part.study_instance_uid
    row = Instance.objects.select_related("series").get(sop_instance_uid=instance)
    assert row.series is not None
    assert row.uid.startswith("2.25.") and row.series.uid.startswith("2.25.") and row.uid != row.series.uid
    path = f"studies/{uid}/series/{row.series.uid}/instances/{row.uid}"
    answer = get(path, "application/dicom; transfer-syntax=*")
    content = body(answer)
    if "Content-Length" in answer:
        assert int(answer["Content-Length"]) == len(content)
    sent = dcmread(BytesIO(content))
    stored = dcmread(path_of(StoredFile.objects.get(instance__sop_instance_uid=instance)))
    assert (sent.StudyInstanceUID, stored.StudyInstanceUID) == (uid, "1.2.3")
    (kept,) = sent.OriginalAttributesSequence[0].ModifiedAttributesSequence
    names = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
    assert list(kept) == [stored[name] for name in names]
    stored.StudyInstanceUID, stored.SeriesInstanceUID, stored.SOPInstanceUID = uid, row.series.uid, row.uid
    del sent.OriginalAttributesSequence
    assert sent == stored and sent.file_meta.MediaStorageSOPInstanceUID == row.uid
    assert sent.file_meta.TransferSyntaxUID == stored.file_meta.TransferSyntaxUID
    (model,) = json.loads(body(get(f"{path}/metadata")))
    assert [model[tag]["Value"] for tag in UIDS] == [[uid], [row.series.uid], [row.uid]]
    for of, series, name in (("1.2.3", "1.2.3.2", instance), (uid, "1.2.3.2", instance)):
        assert get(f"studies/{of}/series/{series}/instances/{name}").status_code == 404


def test_a_copy_of_what_was_moved_is_known_again(part: Study, get: Get) -> None:
    row = Instance.objects.select_related("series").get(sop_instance_uid="1.2.3.4")
    assert row.series is not None
    path = f"studies/{part.study_instance_uid}/series/{row.series.uid}/instances/{row.uid}"
    sent = Dataset(dcmread(BytesIO(body(get(path, "application/dicom; transfer-syntax=*")))))
    assert take(encoded(sent), instance=row.uid) == Repeated()
    sent.PatientName = "SOMEBODY^ELSE"
    del sent.OriginalAttributesSequence
    assert take(encoded(sent), instance=row.uid) == Repeated(), "as we may have sent it"
    sent.Manufacturer = "ANOTHER"
    answer = take(encoded(sent), instance=row.uid)
    assert isinstance(answer, NotKept) and "given here" in answer.comment
    assert Quarantined.objects.count() == 1 and not ObjectVersion.objects.exists()
    assert take(encoded(image(SOPInstanceUID="1.2.3.4", SeriesInstanceUID="1.2.3.2"))) == Repeated()
    assert Instance.objects.count() == len(SYNTAXES) + 1


def test_a_copy_under_any_uid_that_was_ever_given_is_known_again(part: Study, get: Get, user: User) -> None:
    row = Instance.objects.select_related("series").get(sop_instance_uid="1.2.3.4")
    assert row.series is not None
    path = f"studies/{part.study_instance_uid}/series/{row.series.uid}/instances/{row.uid}"
    sent = Dataset(dcmread(BytesIO(body(get(path, "application/dicom; transfer-syntax=*")))))
    with transaction.atomic():
        undo(
            exception=StudyException.objects.get(study__study_instance_uid="1.2.3"),
            reason="no",
            by=acting(user),
        )
    assert take(encoded(sent), instance=row.uid) == Repeated()
    assert Instance.objects.count() == len(SYNTAXES) + 1 and FormerUid.objects.count() == len(SYNTAXES)


@pytest.mark.parametrize("name", ["ÄNNE", "ANNE"])
def test_what_moved_together_names_each_other_by_the_new_uids(part: Study, get: Get, name: str) -> None:
    state = image(SOPInstanceUID="1.2.3.20", SeriesInstanceUID="1.2.3.2", Modality="PR")
    inside, outside = (
        referenced(uid, series) for uid, series in (("1.2.3.4", "1.2.3.2"), ("1.2.3.8", "1.2.3.1"))
    )
    state.ReferencedSeriesSequence = [inside, outside]
    evidence = [Dataset(), Dataset()]
    for item, one in zip(evidence, (inside, outside), strict=True):
        item.StudyInstanceUID, item.ReferencedSeriesSequence = "1.2.3", [one]
    state.CurrentRequestedProcedureEvidenceSequence = evidence
    state.PatientName = name
    take(encoded(state), instance="1.2.3.20")
    indexed()
    moved = Instance.objects.select_related("series").get(sop_instance_uid="1.2.3.20")
    assert moved.series is not None
    new = Instance.objects.get(sop_instance_uid="1.2.3.4").uid, moved.series.uid
    path = f"studies/{part.study_instance_uid}/series/{moved.series.uid}/instances/{moved.uid}"
    sent = dcmread(BytesIO(body(get(path, "application/dicom; transfer-syntax=*"))))
    for one in sent, Dataset.from_json(json.loads(body(get(f"{path}/metadata")))[0]):
        series = one.ReferencedSeriesSequence
        assert [uids(item) for item in series] == [new, ("1.2.3.8", "1.2.3.1")]
        studies = [item.StudyInstanceUID for item in one.CurrentRequestedProcedureEvidenceSequence]
        assert studies == [part.study_instance_uid, "1.2.3"]
        assert one.SOPInstanceUID == moved.uid and one.PatientName == name


def referenced(instance: str, series: str) -> Dataset:
    item, one = Dataset(), Dataset()
    one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", instance
    item.SeriesInstanceUID, item.ReferencedSOPSequence = series, [one]
    return item


def uids(item: Dataset) -> tuple[str, str]:
    return item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID, item.SeriesInstanceUID


def test_a_search_finds_each_series_in_its_study(part: Study, get: Get) -> None:
    found = json.loads(body(get("series")))
    studies = {one["0020000E"]["Value"][0]: one["0020000D"]["Value"][0] for one in found}
    moved = Series.objects.get(study=part).uid
    assert studies == {"1.2.3.1": "1.2.3", moved: part.study_instance_uid} and moved != "1.2.3.2"
    assert len(json.loads(body(get(f"studies/{part.study_instance_uid}/series/{moved}/instances")))) == 4
    assert get("instances?SOPInstanceUID=1.2.3.4").status_code == 204
    assert len(json.loads(body(get(f"studies/{part.study_instance_uid}/instances")))) == 4


def test_a_rejected_study_is_at_no_door(part: Study, get: Get, user: User) -> None:
    path, moved = f"studies/{part.study_instance_uid}", Series.objects.get(study=part).uid
    with transaction.atomic():
        decide(Reject("113001"), study=part, reason="moved", by=acting(user), expected=revision(part))
    assert get(path, 'multipart/related; type="application/dicom"; transfer-syntax=*').status_code == 404
    assert get(f"{path}/metadata").status_code == get(f"{path}/series/{moved}/metadata").status_code == 404
    assert [one["0020000D"]["Value"] for one in json.loads(body(get("studies")))] == [["1.2.3"]]
    assert get(f"{path}/series").status_code == 204
