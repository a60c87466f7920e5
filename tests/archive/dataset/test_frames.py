"""Frames of stored objects (PS3.5 8 and A.4, PS3.18 8.7.3)."""

from pathlib import Path
from random import Random
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended

from archive.dataset.dataset_error import DatasetError
from archive.dataset.frames import NoSuchFrame, frame, frame_count, little_endian, media_type
from archive.dataset.part10 import open_part10
from archive.dataset.transfer_syntax import (
    DEFLATED,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from tests.archive.dataset.builders import JPEG, image, needs_real_files, real_files, stored
from tests.archive.dataset.test_walk import REFUSED, mutated

NATIVE_TYPE = "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"


def encapsulated(data: bytes, frames: int, **attributes: Any) -> Dataset:
    dataset = image(PixelData=data, NumberOfFrames=frames, **attributes)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset


@pytest.mark.parametrize(
    "transfer_syntax", [IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED]
)
def test_native_frames_are_little_endian(tmp_path: Path, transfer_syntax: str) -> None:
    pixels = bytes(range(96))
    path = stored(tmp_path / "a.dcm", image(PixelData=pixels, NumberOfFrames=3), transfer_syntax)
    assert frame_count(path) == 3
    for number in (1, 2, 3):
        assert frame(path, number) == (pixels[32 * number - 32 : 32 * number], NATIVE_TYPE)


def test_big_endian_words_hold_two_pixels(tmp_path: Path) -> None:
    """A frame of 9 bytes in OW begins in the middle of a word (PS3.5 8.1.1)."""
    dataset = image(Rows=3, Columns=3, BitsAllocated=8, NumberOfFrames=3, PixelData=bytes(range(28)))
    path = stored(tmp_path / "a.dcm", dataset, EXPLICIT_BIG_ENDIAN)
    assert [frame(path, n)[0] for n in (1, 2, 3)] == [bytes(range(n, n + 9)) for n in (0, 9, 18)]


def test_single_bit_frames_that_begin_inside_a_byte(tmp_path: Path) -> None:
    """PS3.5 8.1.1: the first pixel is the lowest bit, and frames aren't padded."""
    bits = Random(1).choices((0, 1), k=27)
    pixels = sum(bit << n for n, bit in enumerate(bits)).to_bytes(4, "little")
    dataset = image(PixelData=pixels, Rows=3, Columns=3, BitsAllocated=1, BitsStored=1, NumberOfFrames=3)
    path = stored(tmp_path / "a.dcm", dataset)
    for number in (1, 2, 3):
        data = frame(path, number)[0]
        value = int.from_bytes(data, "little")
        assert [value >> n & 1 for n in range(9)] == bits[9 * number - 9 : 9 * number]
        assert (len(data), value >> 9) == (2, 0)


def test_floating_point_pixels(tmp_path: Path) -> None:
    """PS3.3 C.7.6.24"""
    dataset = image(PixelData=None, BitsAllocated=32)
    dataset.FloatPixelData = bytes(range(64))
    assert frame(stored(tmp_path / "a.dcm", dataset), 1)[0] == bytes(range(64))


FRAMES = [b"\xff\xd8one\xff\xd9", b"\xff\xd8second\xff\xd9", b"\xff\xd8number three\xff\xd9"]


@pytest.mark.parametrize("has_table", [True, False])
@pytest.mark.parametrize("fragments", [1, 2])
def test_encapsulated_frames(tmp_path: Path, has_table: bool, fragments: int) -> None:
    """PS3.5 A.4, with and without Basic Offset Table"""
    data = encapsulate(FRAMES, fragments_per_frame=fragments, has_bot=has_table)
    path = stored(tmp_path / "a.dcm", encapsulated(data, 3), JPEG)
    for number, wanted in enumerate(FRAMES, 1):
        data, media = frame(path, number)
        assert data.rstrip(b"\0") == wanted
        assert media == f"image/jpeg; transfer-syntax={JPEG}"


def test_frames_by_the_extended_offset_table(tmp_path: Path) -> None:
    """PS3.3 C.7.6.3.1.8"""
    data, offsets, lengths = encapsulate_extended(FRAMES)
    dataset = encapsulated(data, 3, ExtendedOffsetTable=offsets, ExtendedOffsetTableLengths=lengths)
    path = stored(tmp_path / "a.dcm", dataset, JPEG)
    assert [frame(path, n)[0].rstrip(b"\0") for n in (1, 2, 3)] == FRAMES


@pytest.mark.parametrize("number", [-1, 0, 2])
def test_there_is_no_such_frame(tmp_path: Path, number: int) -> None:
    path = stored(tmp_path / "a.dcm", image())
    with pytest.raises(NoSuchFrame):
        frame(path, number)


def test_a_video_has_no_single_frames(tmp_path: Path) -> None:
    path = stored(tmp_path / "a.dcm", encapsulated(encapsulate([b"video"]), 100), "1.2.840.10008.1.2.4.102")
    assert frame_count(path) == 100
    with pytest.raises(NoSuchFrame):
        frame(path, 1)


def test_an_object_without_pixels_has_no_frames(tmp_path: Path) -> None:
    path = stored(tmp_path / "a.dcm", image(**dict.fromkeys(("PixelData", "Rows", "Columns"))))
    with pytest.raises(DatasetError, match="no pixel data"):
        frame_count(path)


def test_a_lying_offset_table_raises_nothing_else(tmp_path: Path) -> None:
    data = bytearray(encapsulate(FRAMES, has_bot=True))
    data[12:20] = b"\xff" * 8
    path = stored(tmp_path / "a.dcm", encapsulated(bytes(data), 3), JPEG)
    for number in (1, 2, 3):
        try:
            frame(path, number)
        except DatasetError:
            pass


def test_words_are_swapped_by_vr() -> None:
    """PS3.5 7.3"""
    assert little_endian(b"\1\2\3\4\5", "OW") == b"\2\1\4\3\5"
    assert little_endian(b"\1\2\3\4\5", "OL") == b"\4\3\2\1\5"
    assert little_endian(b"\1\2\3\4\5", "OB") == b"\1\2\3\4\5"


@pytest.mark.parametrize(
    ("transfer_syntax", "wanted"),
    [
        (IMPLICIT_LITTLE_ENDIAN, NATIVE_TYPE),
        ("1.2.840.10008.1.2.4.80", "image/jls; transfer-syntax=1.2.840.10008.1.2.4.80"),
        ("1.2.840.10008.1.2.4.90", "image/jp2; transfer-syntax=1.2.840.10008.1.2.4.90"),
        ("1.2.840.10008.1.2.5", "image/dicom-rle; transfer-syntax=1.2.840.10008.1.2.5"),
        ("1.2.840.10008.1.2.4.107", "video/mp4; transfer-syntax=1.2.840.10008.1.2.4.107"),
        ("1.2.3", "application/octet-stream; transfer-syntax=1.2.3"),
    ],
)
def test_media_types(transfer_syntax: str, wanted: str) -> None:
    """PS3.18 8.7.3"""
    assert media_type(transfer_syntax) == wanted


@needs_real_files
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_real_frames_agree_with_pydicom() -> None:
    compared = 0
    for path in real_files():
        if path.name in REFUSED:
            continue
        dataset = pydicom.dcmread(path, force=True)
        if "PixelData" not in dataset or "expb" in path.name or "big" in path.name.lower():
            continue
        count = frame_count(path)
        data, media = frame(path, count)
        if media == NATIVE_TYPE:
            if dataset.BitsAllocated > 1:
                assert data == dataset.PixelData[len(data) * (count - 1) : len(data) * count], path.name
        else:
            found = pydicom.encaps.get_frame(dataset.PixelData, count - 1, number_of_frames=count)
            assert data == found, path.name
        compared += 1
    assert compared > 100


@needs_real_files
@pytest.mark.timeout(180)
def test_changed_real_files_raise_nothing_else(tmp_path: Path) -> None:
    random = Random(20260404)
    for path in real_files()[::3]:
        data, start = path.read_bytes(), open_part10(path).dataset_offset
        for _ in range(2):
            changed = tmp_path / "changed.dcm"
            changed.write_bytes(mutated(data, start, random))
            try:
                frame(changed, 1)
            except DatasetError:
                pass
