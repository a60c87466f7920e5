"""Copies of one object in several transfer syntaxes are one object; what differs when decoded is another."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from archive.dataset.part10 import open_part10
from archive.models import Instance, Quarantined
from archive.pixels import decoded_likeness, render_pool
from archive.storage.intake import Accepted, NotKept, Outcome, Reason, Repeated
from tests.archive.dataset.builders import EXPLICIT_LITTLE_ENDIAN, encoded, image
from tests.archive.objects import files_in, take

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]

LOSSLESS = [RLELossless, JPEG2000Lossless, JPEGLSLossless]


def ramp(first: int = 0, *, frames: int = 1, colours: int = 1) -> Dataset:
    """Frames of 64 × 64 pixels that begin with this value and go up."""
    values = np.arange(frames * 4096 * colours, dtype=np.uint16) % 251
    values[-1] += first
    dataset = image(
        Rows=64,
        Columns=64,
        NumberOfFrames=frames,
        SamplesPerPixel=colours,
        BitsAllocated=16 if colours == 1 else 8,
        BitsStored=12 if colours == 1 else 8,
        HighBit=11 if colours == 1 else 7,
        PixelRepresentation=0,
        PhotometricInterpretation="MONOCHROME2" if colours == 1 else "RGB",
        PixelData=(values if colours == 1 else values.astype(np.uint8)).tobytes(),
    )
    if colours > 1:
        dataset.PlanarConfiguration = 0
    return dataset


def packed(path: Path, dataset: Dataset, syntax: str) -> Path:
    """The object compressed, as a Part 10 file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = EXPLICIT_LITTLE_ENDIAN
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)
    return path


def take_packed(path: Path, dataset: Dataset, syntax: str) -> Outcome:
    """Take in the object compressed."""
    part10 = open_part10(packed(path, dataset, syntax))
    return take(path.read_bytes()[part10.dataset_offset :], transfer_syntax=syntax)


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("shape", [{"frames": 1}, {"frames": 3}, {"colours": 3}], ids=str)
def test_a_compressed_copy_is_a_repeat_whichever_comes_first(
    tmp_path: Path, syntax: str, shape: dict[str, int]
) -> None:
    assert isinstance(take(encoded(ramp(**shape))), Accepted)
    assert isinstance(take_packed(tmp_path / "copy", ramp(**shape), syntax), Repeated)
    assert isinstance(take_packed(tmp_path / "other", ramp(1, **shape), syntax), NotKept)
    assert (Instance.objects.get().times_received, len(files_in("volumes"))) == (2, 1)
    assert Quarantined.objects.get().reason == Quarantined.Reason.CONFLICT


def test_a_native_copy_of_a_compressed_object_is_a_repeat(tmp_path: Path) -> None:
    assert isinstance(take_packed(tmp_path / "first", ramp(), RLELossless), Accepted)
    assert isinstance(take(encoded(ramp())), Repeated)
    assert isinstance(take_packed(tmp_path / "second", ramp(), JPEGLSLossless), Repeated)
    assert not Quarantined.objects.exists()


def test_other_fragments_of_equal_pixels_are_a_repeat(tmp_path: Path) -> None:
    """An encoder need not give the same bytes twice."""
    take_packed(tmp_path / "first", ramp(), JPEGLSLossless)
    again = ramp()
    packed(tmp_path / "again", again, JPEGLSLossless)
    frame = get_frame(again.PixelData, 0, number_of_frames=1)
    again.PixelData = encapsulate([frame[:2] + b"\xff\xfe\0\4hi" + frame[2:]])  # with a comment
    again["PixelData"].is_undefined_length = True
    outcome = take(encoded(again), transfer_syntax=JPEGLSLossless)
    assert isinstance(outcome, Repeated)


@pytest.mark.parametrize("syntax", [JPEGLSNearLossless, JPEGBaseline8Bit])
def test_what_can_not_be_decoded_is_refused_and_kept(syntax: str) -> None:
    take(encoded(ramp()))
    rubbish = ramp()
    rubbish.PixelData = encapsulate([b"no codestream at all"])
    rubbish["PixelData"].VR = "OB"
    rubbish["PixelData"].is_undefined_length = True
    outcome = take(encoded(rubbish), transfer_syntax=syntax)
    assert isinstance(outcome, NotKept) and outcome.reason is Reason.CONFLICT
    assert Quarantined.objects.count() == Instance.objects.get().times_received == 1


def test_no_frame_is_begun_after_the_time_is_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take(encoded(ramp()))
    monkeypatch.setattr(decoded_likeness, "PATIENCE", -1)
    outcome = take_packed(tmp_path / "copy", ramp(), RLELossless)
    assert isinstance(outcome, NotKept) and outcome.reason is Reason.CONFLICT


def test_a_sender_is_told_to_come_again_where_no_decoder_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(encoded(ramp()))

    def busy(path: Path, frame: int) -> bytes:
        raise render_pool.Busy

    with monkeypatch.context() as patched:
        patched.setattr(render_pool, "decoded", busy)
        outcome = take_packed(tmp_path / "copy", ramp(), RLELossless)
    assert isinstance(outcome, NotKept) and outcome.reason is Reason.OUT_OF_RESOURCES
    assert not Quarantined.objects.exists() and len(files_in("volumes")) == 1
    assert isinstance(take_packed(tmp_path / "again", ramp(), RLELossless), Repeated)
