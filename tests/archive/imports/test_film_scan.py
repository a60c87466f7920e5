"""Scanned film and paper: which objects they become (PS3.3 A.8, A.45.1)."""

from io import BytesIO
from pathlib import Path

import numpy
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import FileDataset

from archive.imports import film_scan
from archive.imports.film_scan import Claims, Scan
from ledger.errors import Invalid

CLAIMS = Claims("P1", "BARS^ANNA", "20190506", issuer="GENHOSP", birth_date="19700102", sex="F")
DATE_TIME = 306


def opened(scan: Scan) -> FileDataset:
    return dcmread(BytesIO(scan.dataset), force=True)


def test_a_tiff_of_like_pages_is_one_multi_frame_object(tmp_path: Path) -> None:
    pages = [Image.new("L", (5, 3), shade) for shade in (10, 200)]
    exif = Image.Exif()
    exif[DATE_TIME] = "2020:02:03 04:05:06"
    pages[0].save(tmp_path / "film.tif", save_all=True, append_images=pages[1:], exif=exif)
    (scan,) = film_scan.objects_of(tmp_path / "film.tif", CLAIMS)
    made = opened(scan)
    assert scan.sop_class_uid == made.SOPClassUID == film_scan.GRAYSCALE_BYTE
    assert (made.NumberOfFrames, made.Rows, made.Columns, made.ConversionType) == (2, 3, 5, "DF")
    assert made.PixelData == bytes([10] * 15 + [200] * 15)
    assert list(made.PageNumberVector) == [1, 2]
    assert (made.DateOfSecondaryCapture, made.TimeOfSecondaryCapture) == ("20200203", "040506")
    assert (made.PatientID, made.IssuerOfPatientID, made.StudyDate) == ("P1", "GENHOSP", "20190506")


def test_pages_that_differ_become_an_object_each(tmp_path: Path) -> None:
    Image.new("L", (5, 3)).save(tmp_path / "a.tif", save_all=True, append_images=[Image.new("RGB", (2, 2))])
    made = [opened(scan) for scan in film_scan.objects_of(tmp_path / "a.tif", CLAIMS)]
    assert [one.PhotometricInterpretation for one in made] == ["MONOCHROME2", "RGB"]
    assert {one.SOPClassUID for one in made} == {film_scan.SINGLE_FRAME}
    assert len({one.SOPInstanceUID for one in made}) == 2


def test_sixteen_bits_are_kept(tmp_path: Path) -> None:
    Image.fromarray(numpy.array([[1, 40_000]], dtype="<u2")).save(tmp_path / "a.png")
    (scan,) = film_scan.objects_of(tmp_path / "a.png", CLAIMS)
    made = opened(scan)
    assert (made.BitsStored, made.PixelData) == (16, b"\x01\x00\x40\x9c")


def test_a_pdf_is_encapsulated_with_its_date(tmp_path: Path) -> None:
    content = b"%PDF-1.4\n1 0 obj<</CreationDate (D:20210304050607Z)>>endobj\n%%EOF"
    (tmp_path / "letter.pdf").write_bytes(content)
    (scan,) = film_scan.objects_of(tmp_path / "letter.pdf", CLAIMS)
    made = opened(scan)
    assert (made.SOPClassUID, made.Modality) == (film_scan.ENCAPSULATED_PDF, "DOC")
    assert made.EncapsulatedDocument[: made.EncapsulatedDocumentLength] == content
    assert (made.AcquisitionDateTime, made.ConversionType) == ("20210304050607", "SD")


def test_the_same_file_is_the_same_object_and_another_patients_is_not(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes((tmp_path / "a.jpg").read_bytes())
    other = Claims("P2", "BARS^ANNA", "20190506")
    first, again, others = (
        film_scan.objects_of(tmp_path / name, claims)[0]
        for name, claims in [("a.jpg", CLAIMS), ("b.jpg", CLAIMS), ("a.jpg", other)]
    )
    assert first == again
    assert first.sop_instance_uid != others.sop_instance_uid
    assert CLAIMS.study_instance_uid != other.study_instance_uid


@pytest.mark.parametrize("content", [b"", b"MZ", b"\x89PNG\r\n\x1a\nxx", b"II*\0\xff\xff\xff\xff"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(Invalid, match="Scan it again"):
        film_scan.objects_of(tmp_path / "a.tif", CLAIMS)


def test_a_picture_that_needs_too_much_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film_scan, "LARGEST_PIXELS", 100)
    Image.new("1", (100, 100)).save(tmp_path / "a.png")
    with pytest.raises(Invalid):
        film_scan.objects_of(tmp_path / "a.png", CLAIMS)
