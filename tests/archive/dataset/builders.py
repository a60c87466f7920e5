"""Small datasets, made by hand where they must be wrong and by pydicom where they must be right."""

from copy import deepcopy
from io import BytesIO
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID

from archive.dataset.element_coding import LONG_FORM
from archive.dataset.transfer_syntax import (
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)

REAL_FILES = Path(__file__).parents[3] / ".." / "shared" / "data" / "dicom"
needs_real_files = pytest.mark.skipif(not REAL_FILES.is_dir(), reason="no folder of real DICOM files")

CT = "1.2.840.10008.5.1.4.1.1.2"
UNDEFINED = 0xFFFFFFFF
JPEG = "1.2.840.10008.1.2.4.50"


def real_files() -> list[Path]:
    """All real files; those that are text in spite of their name are left out."""
    if not REAL_FILES.is_dir():
        return []
    return [path for path in sorted(REAL_FILES.rglob("*")) if path.is_file() and path.suffix != ".dicom"]


def element(tag: int, vr: str, value: bytes, length: int | None = None, order: str = "<") -> bytes:
    """One explicit VR element (PS3.5 7.1.2), with a false `length` if wanted."""
    length = len(value) if length is None else length
    head = pack(f"{order}HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr.encode() in LONG_FORM or vr not in _SHORT:
        return head + pack(f"{order}HL", 0, length) + value
    return head + pack(f"{order}H", length) + value


_SHORT = [
    "AE",
    "AS",
    "AT",
    "CS",
    "DA",
    "DS",
    "DT",
    "FL",
    "FD",
    "IS",
    "LO",
    "LT",
    "PN",
    "SH",
    "SL",
    "SS",
    "ST",
    "TM",
    "UI",
    "UL",
    "US",
]


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    """One implicit VR element (PS3.5 7.1.3)."""
    return pack("<HHL", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def item(content: bytes, length: int | None = None) -> bytes:
    """One item (PS3.5 7.5.1); of undefined length it is closed by its delimiter."""
    length = len(content) if length is None else length
    end = pack("<HHL", 0xFFFE, 0xE00D, 0) if length == UNDEFINED else b""
    return pack("<HHL", 0xFFFE, 0xE000, length) + content + end


SEQUENCE_END = pack("<HHL", 0xFFFE, 0xE0DD, 0)


def nested(depth: int, *, undefined: bool = True) -> bytes:
    """A sequence in a sequence in a sequence (PS3.5 7.5)."""
    content = b""
    if not undefined:
        for _ in range(depth):
            content = element(0x00081140, "SQ", item(content))
        return content
    opening = element(0x00081140, "SQ", b"", UNDEFINED) + item(b"", UNDEFINED)[:8]
    return opening * depth + (item(b"", UNDEFINED)[8:] + SEQUENCE_END) * depth


def image(**attributes: Any) -> Dataset:
    """A CT image of 4 × 4 pixels with one of every kind of nesting in its header."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SOPClassUID = CT
    dataset.SOPInstanceUID = "1.2.3.4"
    dataset.StudyDate = "20260401"
    dataset.StudyTime = "101500"
    dataset.AccessionNumber = "A17"
    dataset.Modality = "CT"
    dataset.PatientName = "Müller^Jörg=山田^太郎=やまだ^たろう"
    dataset.PatientID = "P1"
    dataset.IssuerOfPatientID = "HOSP"
    other = Dataset()
    other.PatientID = "P0"
    other.IssuerOfPatientID = "OLD"
    dataset.OtherPatientIDsSequence = [other]
    dataset.StudyInstanceUID = "1.2.3"
    dataset.SeriesInstanceUID = "1.2.3.1"
    dataset.SeriesNumber = 2
    request = Dataset()
    request.ScheduledProcedureStepID = "SPS1"
    request.RequestedProcedureID = "RP1"
    request.AccessionNumber = "A17"
    issuer = Dataset()
    issuer.LocalNamespaceEntityID = "RIS"
    request.IssuerOfAccessionNumberSequence = [issuer]
    dataset.RequestAttributesSequence = [request]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows = dataset.Columns = 4
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.PixelData = bytes(range(32))
    dataset["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    return dataset


def encoded(dataset: Dataset, transfer_syntax: str = EXPLICIT_LITTLE_ENDIAN) -> bytes:
    """A dataset as it comes over the wire: no preamble, no File Meta Information."""
    file = BytesIO()
    dataset.save_as(
        file,
        implicit_vr=transfer_syntax == IMPLICIT_LITTLE_ENDIAN,
        little_endian=transfer_syntax != EXPLICIT_BIG_ENDIAN,
        enforce_file_format=False,
    )
    return file.getvalue()


def stored(path: Path, dataset: Dataset, transfer_syntax: str = EXPLICIT_LITTLE_ENDIAN) -> Path:
    """A dataset as a Part 10 file; pydicom writes words as they are, so big endian ones are swapped here."""
    if transfer_syntax == EXPLICIT_BIG_ENDIAN and "PixelData" in dataset:
        dataset = deepcopy(dataset)
        pixels = bytearray(dataset.PixelData)
        pixels[0::2], pixels[1::2] = pixels[1::2], pixels[0::2]
        dataset.PixelData = bytes(pixels)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    dataset.save_as(path, enforce_file_format=True)
    return path
