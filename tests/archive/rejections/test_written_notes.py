"""The rejection notes of our own decisions: what they name, and that an undo takes them back."""

from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from archive.decisions.decision_frame import decide, revision
from archive.decisions.decision_type import DecisionType
from archive.decisions.reject import Reject
from archive.decisions.reject_images import RejectImages
from archive.decisions.reject_series import RejectSeries
from archive.decisions.split import Split
from archive.decisions.undo import undo
from archive.models import Decision, Instance, StoredFile, Study, StudyException
from archive.rejections.received_notes import KEY_OBJECT
from archive.rejections.written_notes import KIND
from archive.storage import volumes
from ledger import jobs
from ledger.models import Job
from tests.actors import acting
from tests.archive.hospital import Hospital
from tests.archive.objects import indexed
from tests.archive.rejections.test_received_notes import arrive, image

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]


def work() -> None:
    for job in Job.objects.filter(kind=KIND, state="new"):
        assert jobs.run(job.pk), Job.objects.get(pk=job.pk).last_error
    indexed()


def notes(**shown: Any) -> list[Instance]:
    return list(Instance.objects.filter(sop_class_uid=KEY_OBJECT, **shown))


@pytest.mark.parametrize(
    ("decision", "code", "named"),
    [
        (Reject("113037", "Positioning"), "113037", ["1.1.1", "1.1.2", "1.1.3"]),
        (RejectImages(["1.1.1"], "113001"), "113001", ["1.1.1"]),
        (RejectSeries(["1.2.3.2"], "113001"), "113001", ["1.1.3"]),
        (Split(["1.2.3.2"]), "113038", ["1.1.3"]),
    ],
)
def test_a_decision_writes_a_note_which_its_undo_takes_back(
    hospital: Hospital, user: User, decision: DecisionType, code: str, named: list[str]
) -> None:
    from pydicom import dcmread

    arrive(image(1), image(2), image(3, "1.2.3.2"))
    study = hospital.judged(Study.objects.get())

    def do() -> Decision:
        with transaction.atomic():
            return decide(decision, study=study, reason="blurred", by=acting(user), expected=revision(study))

    def take_back() -> None:
        with transaction.atomic():
            undo(exception=StudyException.objects.get(study=study), reason="no", by=acting(user))

    do()
    work()
    (one,) = notes(rejection=None)
    assert one.series is not None and one.series.study == study, "in the study that was decided on"
    dataset = dcmread(volumes.path_of(StoredFile.objects.select_related("volume").get(instance=one)))
    assert (dataset.ConceptNameCodeSequence[0].CodeValue, dataset.PatientID) == (code, "P1")
    (evidence,) = dataset.CurrentRequestedProcedureEvidenceSequence
    objects = [item for series in evidence.ReferencedSeriesSequence for item in series.ReferencedSOPSequence]
    assert evidence.StudyInstanceUID == "1.2.3"
    assert sorted(item.ReferencedSOPInstanceUID for item in objects) == named
    images = [item for item in dataset.ContentSequence if item.ValueType == "IMAGE"]
    assert len(images) == len(named)
    take_back()
    assert notes(rejection=None) == [] and len(notes()) == 1
    do()
    take_back()
    work()
    assert notes(rejection=None) == [], "one that is undone before it is written is not written"
    study.refresh_from_db()
    assert (study.instance_count, study.hidden) == (3, "")


def test_a_note_names_what_a_split_moved_by_the_uids_that_peers_know(hospital: Hospital, user: User) -> None:
    from pydicom import dcmread

    arrive(image(1), image(2, "1.2.3.2"), image(3, "1.2.3.3"))
    study = hospital.judged(Study.objects.get())

    def do(decision: DecisionType, on: Study) -> Study:
        with transaction.atomic():
            made = decide(decision, study=on, reason="why", by=acting(user), expected=revision(on))
        return Study.objects.get(public_id=made.parameters.get("study", on.public_id))

    part = do(Split(["1.2.3.2", "1.2.3.3"]), study)
    known = {row.sop_instance_uid: row.uid for row in Instance.objects.filter(series__study=part)}
    do(Split([Instance.objects.get(sop_instance_uid="1.1.3").series.uid]), part)  # type: ignore[union-attr]
    do(Reject("113001", "Positioning"), part)
    work()
    named = {}
    for note in notes():
        assert note.series is not None
        dataset = dcmread(volumes.path_of(StoredFile.objects.select_related("volume").get(instance=note)))
        (evidence,) = dataset.CurrentRequestedProcedureEvidenceSequence
        objects = [
            one for series in evidence.ReferencedSeriesSequence for one in series.ReferencedSOPSequence
        ]
        key = dataset.ConceptNameCodeSequence[0].CodeValue, evidence.StudyInstanceUID
        named[key] = sorted(one.ReferencedSOPInstanceUID for one in objects)
    assert named == {
        ("113038", "1.2.3"): ["1.1.2", "1.1.3"],
        ("113038", part.study_instance_uid): [known["1.1.3"]],
        ("113001", part.study_instance_uid): [known["1.1.2"]],
    }
