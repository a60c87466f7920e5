"""Discs: what a DICOMDIR lists, what else is there, and ZIP files of strangers."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from archive.imports import disc, zipped_disc
from ledger.errors import Invalid
from tests.archive.dataset.builders import image, stored


def burned(folder: Path) -> Path:
    """A disc with two images and the DICOMDIR that DCMTK makes of them (PS3.10 8, PS3.3 F)."""
    folder.mkdir()
    for number in (1, 2):
        made = image(
            SOPInstanceUID=f"1.2.3.{number}", PatientID="X1", PatientName="BARS^ANNA", StudyID="1",
            StudyDate="20190506", StudyTime="0900", SeriesNumber="1", InstanceNumber=str(number),
            StudyDescription="CHEST", AccessionNumber="",
        )  # fmt: skip
        stored(folder / f"IM{number}", made)
    command = ["dcmmkdir", "--general-purpose", "--invent", "+D", "DICOMDIR", "IM1", "IM2"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=30)
    return folder


needs_dcmmkdir = pytest.mark.skipif(shutil.which("dcmmkdir") is None, reason="no dcmmkdir (DCMTK)")


@needs_dcmmkdir
def test_a_dicomdir_is_read_and_what_it_leaves_out_is_looked_at(tmp_path: Path) -> None:
    folder = burned(tmp_path / "cd")
    (folder / "IM1").rename(folder / "im1.;1")  # as some systems show ISO 9660
    (folder / "IM2").unlink()
    (folder / "VIEWER.EXE").write_bytes(b"MZ")
    (folder / "link").symlink_to("/etc/hostname")
    found = disc.read(folder)
    assert found.has_directory
    assert [path.name for path in found.listed] == ["im1.;1"]
    assert found.missing == ("IM2",)
    assert "VIEWER.EXE" in [path.name for path in found.others]
    assert "link" not in [path.name for path in found.others]


def test_a_damaged_dicomdir_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 64)
    (tmp_path / "IM1").write_bytes(b"x")
    found = disc.read(tmp_path)
    assert [path.name for path in found.others] == ["IM1"]
    assert not found.has_directory
    assert len(found.faults) == 1


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out", "C:/out", "..\\out", "a/" * 20 + "b"])
def test_a_zip_file_writes_nothing_outside_its_folder(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "cd.zip", "w") as zipped:
        zipped.writestr("IM1", b"x")
        zipped.writestr(name, b"x")
    with pytest.raises(Invalid, match="outside"):
        zipped_disc.unpack(tmp_path / "cd.zip", tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["cd.zip"]


def test_a_zip_bomb_and_a_damaged_zip_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cd.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("IM1", bytes(100_000))
    with pytest.raises(Invalid, match="more than 50,000 bytes"):
        zipped_disc.unpack(path, tmp_path / "folder", largest=50_000)
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(Invalid, match="damaged"):
        zipped_disc.unpack(path, tmp_path / "folder")


def test_a_zip_file_that_lies_about_its_sizes_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "cd.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("IM1", bytes(100_000))
    path.write_bytes(path.read_bytes().replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(Invalid):
        zipped_disc.unpack(path, tmp_path / "folder", largest=50_000)
