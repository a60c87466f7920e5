"""What compressed frames are, whatever their file says (ISO/IEC 10918-1, 14495-1, 15444-1)."""

from pathlib import Path

import pytest
from pydicom.encaps import encapsulate

from archive.dataset.codestream import compression_of
from archive.dataset.part10 import open_part10
from tests.archive.dataset.builders import REAL_FILES, needs_real_files, stored
from tests.archive.dataset.test_frames import encapsulated


@pytest.mark.parametrize(
    ("marker", "named", "actual"),
    [
        (0xC0, "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.50"),
        (0xC0, "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.51"),
        (0xC3, "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.57"),
        (0xC3, "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.70"),
        (0xD8, "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.70"),
        (0xC0, "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.80"),
    ],
)
def test_frames_are_said_to_be_what_they_are(tmp_path: Path, marker: int, named: str, actual: str) -> None:
    codestream = b"\xff\xd8\xff\xe0\x00\x04ab" + bytes([0xFF, marker, 0, 11]) + bytes(20)
    path = stored(tmp_path / "a.dcm", encapsulated(encapsulate([codestream]), 1), named)

    assert compression_of(path, named).transfer_syntax == actual


@needs_real_files
@pytest.mark.parametrize(
    ("name", "is_ambiguous"),
    [
        ("JLSL_RGB_ILV0", True),
        ("JLSL_RGB_ILV1", False),
        ("JLSL_RGB_ILV2", False),
        ("SC_jpeg_no_color_transform", True),
        ("SC_jpeg_no_color_transform_2", False),
        ("SC_rgb_dcmtk__eb_cr", False),
        ("SC_rgb_dcmtk__eb_cy_np", False),
        ("J2K_pixelrep_mismatch", True),
        ("693_J2KR", False),
        ("JPEG2000", False),
        ("RG1_J2KI", False),
        ("HTJ2K_08_RGB", False),
    ],
)
def test_what_decoders_misread_is_known(name: str, is_ambiguous: bool) -> None:
    (path,) = REAL_FILES.rglob(f"*_{name}.dcm")
    syntax = open_part10(path).transfer_syntax

    assert compression_of(path, syntax).is_ambiguous is is_ambiguous
