"""A modality's rejection note, sent through real ports (IHE RAD-66)."""

import uuid
from pathlib import Path

import pytest
from pydicom import dcmread

from archive.dataset import made_dataset
from archive.dataset.part10 import build_preamble_and_meta
from archive.dataset.transfer_syntax import EXPLICIT_LITTLE_ENDIAN
from archive.rejections.received_notes import KEY_OBJECT
from tests.archive.rejections.notes import note
from tests.clients.images import make_study
from tests.clients.system import System, wait_for

pytestmark = [pytest.mark.needs("storescu"), pytest.mark.timeout(300)]


@pytest.mark.parametrize("is_first", [True, False])
def test_what_a_note_names_is_hidden_whatever_came_first(
    system: System, tmp_path: Path, *, is_first: bool
) -> None:
    accession = "W" + uuid.uuid4().hex[:9].upper()
    images, notes = tmp_path / "images", tmp_path / "notes"
    uid = make_study(images, accession, count=2)
    first, _ = sorted(images.rglob("*.dcm")) or sorted(path for path in images.rglob("*") if path.is_file())
    head = dcmread(first)
    own = f"2.25.{uuid.uuid4().int}"
    dataset = note(
        [(uid, head.SeriesInstanceUID, head.SOPInstanceUID)],
        StudyInstanceUID=uid,
        SeriesInstanceUID=f"{own}.1",
        SOPInstanceUID=own,
        PatientName=head.PatientName,
        PatientID=head.PatientID,
        IssuerOfPatientID=head.get("IssuerOfPatientID", ""),
        PatientBirthDate=head.PatientBirthDate,
    )
    notes.mkdir()
    meta = build_preamble_and_meta(KEY_OBJECT, own, EXPLICIT_LITTLE_ENDIAN, "CT1")
    (notes / "note.dcm").write_bytes(meta + made_dataset.encode(dataset))
    for folder in (notes, images) if is_first else (images, notes):
        sent = system.dcmtk("storescu", "+sd", str(folder))
        assert sent.returncode == 0, sent.stderr

    def counts() -> tuple[int | None, int | None]:
        study = system.study(uid)
        return study.get("series_count"), study.get("instance_count")

    assert wait_for(lambda: counts() == (2, 2), 30), "an image, and the note in its own series"
    assert wait_for(lambda: system.study(uid)["verdict"] != "pending", 30)
    assert counts() == (2, 2)
