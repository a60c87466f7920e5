"""Part 10 files are read with tolerance and written strictly (PS3.10 7.1); F51: no foreign preamble."""

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.dataset.dataset_error import DatasetError
from archive.dataset.part10 import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    build_preamble_and_meta,
    map_dataset,
    open_part10,
)
from archive.dataset.transfer_syntax import (
    DEFLATED,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from archive.dataset.uid import valid_uid
from tests.archive.dataset.builders import CT, JPEG, element, encoded, image, implicit, stored


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_what_it_builds_is_read_by_us_and_by_pydicom(tmp_path: Path) -> None:
    data = build_preamble_and_meta(CT, "1.2.3.4", EXPLICIT_LITTLE_ENDIAN, "CT1") + encoded(image())
    part10 = open_part10(written(tmp_path / "a.dcm", data))
    assert data[part10.dataset_offset :] == encoded(image())
    assert part10.has_preamble and not part10.guessed
    assert part10.meta == {
        "MediaStorageSOPClassUID": CT,
        "MediaStorageSOPInstanceUID": "1.2.3.4",
        "TransferSyntaxUID": EXPLICIT_LITTLE_ENDIAN,
        "ImplementationClassUID": IMPLEMENTATION_CLASS_UID,
        "ImplementationVersionName": IMPLEMENTATION_VERSION_NAME,
        "SourceApplicationEntityTitle": "CT1",
    }
    dataset = pydicom.dcmread(BytesIO(data))
    assert dataset.preamble == bytes(128)
    assert dataset.file_meta.FileMetaInformationGroupLength == part10.dataset_offset - 144
    assert dataset.file_meta.FileMetaInformationVersion == b"\0\1"
    assert dataset.PatientID == "P1"


def test_our_own_names_fit_the_standard() -> None:
    assert valid_uid(IMPLEMENTATION_CLASS_UID)
    assert int(IMPLEMENTATION_CLASS_UID.removeprefix("2.25.")) < 1 << 128
    assert len(IMPLEMENTATION_VERSION_NAME) <= 16


def test_it_builds_nothing_from_bad_uids() -> None:
    for uids in (("../x", "1.2", "1.2"), (CT, "", "1.2"), (CT, "1.2", "1.2\n")):
        with pytest.raises(DatasetError):
            build_preamble_and_meta(*uids, "CT1")


def test_a_title_that_is_missing_or_too_long_breaks_nothing(tmp_path: Path) -> None:
    for title, kept in (("", None), ("A" * 20, "A" * 16), ("Ä", "?")):
        data = build_preamble_and_meta(CT, "1.2.3.4", EXPLICIT_LITTLE_ENDIAN, title) + encoded(image())
        part10 = open_part10(written(tmp_path / "a.dcm", data))
        assert part10.meta.get("SourceApplicationEntityTitle") == kept


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN])
def test_a_bare_dataset_is_guessed(tmp_path: Path, syntax: str) -> None:
    part10 = open_part10(written(tmp_path / "a.dcm", encoded(image(), syntax)))
    assert (part10.transfer_syntax, part10.dataset_offset, part10.guessed) == (syntax, 0, True)


META = element(0x00020010, "UI", JPEG.encode())


@pytest.mark.parametrize(
    "head",
    [
        META,
        b"DICM" + META,
        bytes(128) + b"DICM" + META,
        bytes(128) + b"DICM" + element(0x00020000, "UL", b"\xff\0\0\0") + META,  # wrong group length
        bytes(128) + b"DICM" + implicit(0x00020010, JPEG.encode()),
        b"MZ" + bytes(126) + b"DICM" + META,
    ],
    ids=["no preamble", "DICM at 0", "no group length", "wrong group length", "implicit meta", "program"],
)
def test_odd_file_meta_information_is_read(tmp_path: Path, head: bytes) -> None:
    part10 = open_part10(written(tmp_path / "a.dcm", head + encoded(image())))
    assert (part10.transfer_syntax, part10.dataset_offset, part10.guessed) == (JPEG, len(head), False)


def test_dicm_by_chance_at_128_is_no_preamble(tmp_path: Path) -> None:
    data = element(0x00080005, "CS", b"ISO_IR 100") + element(0x00080080, "LO", b"X" * 102 + b"DICMA1")
    assert data[128:132] == b"DICM" or data.index(b"DICM") != 128
    shift = 128 - data.index(b"DICM")
    data = element(0x00080005, "CS", b"ISO_IR 100") + element(
        0x00080080, "LO", b"X" * (102 + shift) + b"DICMA1"
    )
    part10 = open_part10(written(tmp_path / "a.dcm", data + element(0x00100020, "LO", b"P1")))
    assert (part10.dataset_offset, part10.transfer_syntax) == (0, EXPLICIT_LITTLE_ENDIAN)


@pytest.mark.parametrize(
    "data",
    [b"", b"FORMAT dicom\n", b"PK\3\4" + bytes(200), bytes(300), bytes(128) + b"DICM" + META, META[:9]],
)
def test_what_is_no_dicom_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DatasetError):
        open_part10(written(tmp_path / "a.dcm", data))


def test_a_lost_file_is_no_broken_dataset(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_part10(tmp_path / "lost.dcm")


def test_a_deflated_file_is_mapped_inflated(tmp_path: Path) -> None:
    part10 = open_part10(stored(tmp_path / "a.dcm", image(), DEFLATED))
    with map_dataset(part10) as (buffer, start):
        assert buffer[start:] == encoded(image())


@given(st.binary(max_size=300))
def test_noise_raises_nothing_else(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    for content in (data, bytes(128) + b"DICM" + data, b"\2\0" + data):
        try:
            open_part10(written(tmp_path_factory.getbasetemp() / "noise.dcm", content))
        except DatasetError:
            pass
