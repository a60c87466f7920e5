"""Series that a split has moved: every resource shows them in their new study, all else is as received."""

import json
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.db import transaction
from pydicom import dcmread

from accounts.models import User
from archive.decisions.decision_frame import decide, revision
from archive.decisions.reject import Reject
from archive.decisions.split import Split
from archive.models import StoredFile, Study
from archive.reconcile import reconcile_job
from archive.storage.volumes import path_of
from ledger import jobs
from ledger.models import Job
from tests.actors import acting
from tests.archive.dataset.builders import EXPLICIT_BIG_ENDIAN, IMPLICIT_LITTLE_ENDIAN, encoded, image
from tests.archive.objects import indexed, received, take

pytestmark = pytest.mark.django_db
Get = Callable[..., Any]
DEFLATED = "1.2.840.10008.1.2.1.99"
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
    path = f"studies/{uid}/series/1.2.3.2/instances/{instance}"
    answer = get(path, "application/dicom; transfer-syntax=*")
    content = body(answer)
    if "Content-Length" in answer:
        assert int(answer["Content-Length"]) == len(content)
    sent = dcmread(BytesIO(content))
    stored = dcmread(path_of(StoredFile.objects.get(instance__sop_instance_uid=instance)))
    assert (sent.StudyInstanceUID, stored.StudyInstanceUID) == (uid, "1.2.3")
    (kept,) = sent.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert list(kept) == [stored["StudyInstanceUID"]]
    stored.StudyInstanceUID = uid
    del sent.OriginalAttributesSequence
    assert sent == stored and sent.file_meta == stored.file_meta
    (model,) = json.loads(body(get(f"{path}/metadata")))
    assert model["0020000D"]["Value"] == [uid]
    assert get(f"studies/1.2.3/series/1.2.3.2/instances/{instance}").status_code == 404


def test_a_search_finds_each_series_in_its_study(part: Study, get: Get) -> None:
    found = json.loads(body(get("series")))
    studies = {one["0020000E"]["Value"][0]: one["0020000D"]["Value"][0] for one in found}
    assert studies == {"1.2.3.1": "1.2.3", "1.2.3.2": part.study_instance_uid}
    assert len(json.loads(body(get(f"studies/{part.study_instance_uid}/instances")))) == 4


def test_a_rejected_study_is_at_no_door(part: Study, get: Get, user: User) -> None:
    path = f"studies/{part.study_instance_uid}"
    with transaction.atomic():
        decide(Reject("113001"), study=part, reason="moved", by=acting(user), expected=revision(part))
    assert get(path, 'multipart/related; type="application/dicom"; transfer-syntax=*').status_code == 404
    assert get(f"{path}/metadata").status_code == get(f"{path}/series/1.2.3.2/metadata").status_code == 404
    assert [one["0020000D"]["Value"] for one in json.loads(body(get("studies")))] == [["1.2.3"]]
    assert get(f"{path}/series").status_code == 204
