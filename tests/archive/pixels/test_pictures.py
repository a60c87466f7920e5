"""Pictures of images in every transfer syntax that can be encoded here, and of every real file."""

import io
import json
import os
import signal
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from archive.dataset.dataset_error import DatasetError
from archive.dataset.transfer_syntax import DEFLATED
from archive.pixels import render_worker
from archive.pixels.frame_decoder import decode
from archive.pixels.picture import draw
from archive.pixels.picture_request import PNG, Wanted
from tests.archive.dataset.builders import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    image,
    needs_real_files,
    real_files,
    stored,
)

RAMP = np.arange(64 * 64, dtype=np.int32).reshape(64, 64)


def grey(values: Any, **attributes: Any) -> Dataset:
    values = np.asarray(values)
    bits = values.dtype.itemsize * 8
    dataset = image(
        Rows=values.shape[-2],
        Columns=values.shape[-1],
        BitsAllocated=bits,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelRepresentation=int(values.dtype.kind == "i"),
        PixelData=values.tobytes(),
    )
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def colour(values: Any, **attributes: Any) -> Dataset:
    values = np.asarray(values, np.uint8)
    kind = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    return grey(values[..., 0], **{**kind, "PixelData": values.tobytes(), **attributes})


def shown(path: Path, **wanted: Any) -> Any:
    picture = Image.open(
        io.BytesIO(draw(decode(path, wanted.get("frame", 0)), Wanted(media_type=PNG, **wanted)))
    )
    return np.asarray(picture)


@pytest.mark.parametrize(
    "syntax", [IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED]
)
@pytest.mark.parametrize("kind", [np.int16, np.uint16])
def test_native_pixels_are_shown(tmp_path: Path, syntax: str, kind: Any) -> None:
    path = stored(tmp_path / "object", grey((RAMP - 1000 * (kind is np.int16)).astype(kind)), syntax)

    picture = shown(path)
    assert picture.shape == (64, 64) and picture[0, 0] == 0 and picture[-1, -1] == 255
    assert (np.diff(picture.ravel().astype(int)) >= 0).all()


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_pixels_are_shown_as_native_ones(tmp_path: Path, syntax: str) -> None:
    plain = grey(RAMP.astype(np.uint16))
    expected = shown(stored(tmp_path / "plain", deepcopy(plain)))
    plain.file_meta = _meta()
    plain.compress(syntax, generate_instance_uid=False)
    plain.save_as(tmp_path / "compressed", enforce_file_format=True)

    assert (shown(tmp_path / "compressed") == expected).all()


def test_lossy_colours_are_shown(tmp_path: Path) -> None:
    values = np.zeros((64, 64, 3), np.uint8)
    values[:32, :, 0], values[32:, :, 2] = 255, 255
    file = io.BytesIO()
    Image.fromarray(values).save(file, "JPEG", quality=95)
    dataset = colour(values, PhotometricInterpretation="YBR_FULL_422")
    dataset.PixelData = encapsulate([file.getvalue()])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta = _meta()
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(tmp_path / "object", enforce_file_format=True)

    picture = shown(tmp_path / "object").astype(int)
    assert abs(picture[10, 10] - (255, 0, 0)).max() < 12 and abs(picture[50, 10] - (0, 0, 255)).max() < 12


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_come_plane_by_plane_or_not(tmp_path: Path, planar: int) -> None:
    values = np.random.default_rng(1).integers(0, 255, (8, 8, 3), np.uint8)
    dataset = colour(values, PlanarConfiguration=planar)
    if planar:
        dataset.PixelData = values.transpose(2, 0, 1).tobytes()

    assert (shown(stored(tmp_path / "object", dataset)) == values).all()


def test_a_palette_is_applied(tmp_path: Path) -> None:
    dataset = grey(np.array([[0, 1], [2, 3]], np.uint8), PhotometricInterpretation="PALETTE COLOR")
    for name, entries in (("Red", (0, 255, 0, 0)), ("Green", (0, 0, 255, 0)), ("Blue", (0, 0, 0, 255))):
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [4, 0, 16])
        data = np.array(entries, np.uint16) * 257
        setattr(dataset, f"{name}PaletteColorLookupTableData", data.tobytes())

    picture = shown(stored(tmp_path / "object", dataset))
    assert picture.tolist() == [[[0, 0, 0], [255, 0, 0]], [[0, 255, 0], [0, 0, 255]]]


def test_grey_follows_rescale_window_and_photometric_interpretation(tmp_path: Path) -> None:
    """PS3.3 C.11.1.1.2, C.11.2.1.2 and C.7.6.3.1.2."""
    values = np.array([[0, 100], [1000, 2000]], np.uint16)
    dataset = grey(
        values, RescaleSlope=1, RescaleIntercept=-1000, WindowCenter=[40, 300], WindowWidth=[400, 1]
    )
    path = stored(tmp_path / "object", dataset)
    assert shown(path).tolist() == [[0, 0], [102, 255]]
    assert shown(path, window=(1000.0, 2.0, "linear-exact")).tolist() == [[0, 0], [0, 128]]
    assert shown(path, window=(0.0, 1.0, "sigmoid")).tolist() == [[0, 0], [128, 255]]
    dataset.PhotometricInterpretation = "MONOCHROME1"
    assert shown(stored(tmp_path / "other", dataset)).tolist() == [[255, 255], [153, 0]]


def test_a_table_of_values_of_interest_is_applied(tmp_path: Path) -> None:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [4, 10, 8], [255, 170, 85, 0]
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    dataset = grey(np.array([[0, 10], [12, 99]], np.uint16), VOILUTSequence=Sequence([item]))

    assert shown(stored(tmp_path / "object", dataset)).tolist() == [[255, 255], [85, 0]]


def test_what_lies_above_bits_stored_is_not_shown(tmp_path: Path) -> None:
    dataset = grey(np.array([[0x8001, 0x0FFF]], np.uint16), BitsStored=12, HighBit=11)

    assert shown(stored(tmp_path / "object", dataset)).tolist() == [[0, 255]]


def test_each_frame_has_its_own_window(tmp_path: Path) -> None:
    """PS3.3 C.7.6.16.2.10."""
    values = np.stack([np.full((2, 2), 10, np.uint16), np.full((2, 2), 20, np.uint16)])
    dataset = grey(values[0], NumberOfFrames=2, PixelData=values.tobytes())
    dataset.PerFrameFunctionalGroupsSequence = Sequence([_window(10, 1), _window(40, 10)])
    path = stored(tmp_path / "object", dataset)

    assert shown(path, frame=1).max() == 255
    assert shown(path, frame=2).max() == 0
    assert decode(path).number == 1
    with pytest.raises(DatasetError):
        decode(path, 3)


def test_oblong_pixels_are_shown_in_proportion(tmp_path: Path) -> None:
    path = stored(tmp_path / "object", grey(RAMP.astype(np.uint16), PixelSpacing=[2, 1]))

    assert shown(path).shape == (128, 64)
    assert shown(path, box=(32, 32)).shape == (32, 16)


def test_a_huge_image_is_not_decoded(tmp_path: Path) -> None:
    dataset = grey(np.zeros((1, 1), np.uint8), Rows=65535, Columns=65535)
    dataset.PixelData = encapsulate([b"\xff\xd8" + bytes(100)])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta = _meta()
    dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
    dataset.save_as(tmp_path / "object", enforce_file_format=True)

    with pytest.raises(DatasetError, match="size"):
        decode(tmp_path / "object")


# The process


def test_a_decoder_that_crashes_or_never_ends_costs_only_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    line = request(Path("/nowhere"))
    monkeypatch.setattr(render_worker, "SECONDS", 1)
    for harm in (_crash, _endless, _greedy):
        monkeypatch.setattr(render_worker, "_picture", harm)
        began = time.monotonic()
        assert render_worker._in_child(line) == render_worker._FAILED
        assert time.monotonic() - began < 5
    monkeypatch.setattr(render_worker, "_picture", lambda path, wanted: b"drawn")
    assert render_worker._in_child(line) == b"+drawn"


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE_ENDIAN, DEFLATED])
def test_within_its_limits_it_draws(tmp_path: Path, syntax: str) -> None:
    path = stored(tmp_path / "object", grey(RAMP.astype(np.uint16)), syntax)

    assert render_worker._in_child(request(path))[:3] == b"+\xff\xd8"


def request(path: Path) -> bytes:
    return json.dumps([str(path), Wanted().to_json()]).encode()


def _crash(path: Path, wanted: Wanted) -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def _endless(path: Path, wanted: Wanted) -> bytes:
    while True:
        pass


def _greedy(path: Path, wanted: Wanted) -> bytes:
    return bytes(3 << 30)


# Real files


BROKEN = {"JPEG-lossy", "JPEG2000-embedded-sequence-delimiter"}
"""Files whose codestream no decoder reads."""


@needs_real_files
def test_every_real_image_is_shown() -> None:
    unshown, count = set(), 0
    for path in real_files():
        try:
            assert shown(path, box=(32, 32)).size
            count += 1
        except DatasetError as error:
            if error.reason == "pixels can't be decoded":
                unshown.add(path.stem.rpartition("test_files_")[2])
    assert unshown <= BROKEN and count > 150


def _meta() -> Any:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = EXPLICIT_LITTLE_ENDIAN
    return meta


def _window(centre: float, width: float) -> Dataset:
    values = Dataset()
    values.WindowCenter, values.WindowWidth = centre, width
    item = Dataset()
    item.FrameVOILUTSequence = Sequence([values])
    return item
