"""Scanned film and paper as DICOM: Secondary Capture and Encapsulated PDF (PS3.3 A.8, A.45.1).

Whose it is and of what day a person has typed; to the verdict these are claims like those of any header. UIDs
follow from them and from the file's bytes, so that the same file brought again is the same object.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy
from PIL import ExifTags, Image, ImageOps
from pydicom.dataset import Dataset

from archive.dataset import made_dataset
from archive.dataset.dataset_error import DatasetError, guarded
from archive.dataset.made_dataset import text
from archive.dataset.part10 import IMPLEMENTATION_VERSION_NAME
from ledger.errors import Invalid
from worklist.orders import generated_ids

SINGLE_FRAME: Final = "1.2.840.10008.5.1.4.1.1.7"
GRAYSCALE_BYTE: Final = "1.2.840.10008.5.1.4.1.1.7.2"
GRAYSCALE_WORD: Final = "1.2.840.10008.5.1.4.1.1.7.3"
TRUE_COLOR: Final = "1.2.840.10008.5.1.4.1.1.7.4"
ENCAPSULATED_PDF: Final = "1.2.840.10008.5.1.4.1.1.104.1"
LARGEST_FILE: Final = 256 << 20
LARGEST_PIXELS: Final = 256 << 20
"""Bytes of the pixels of all pages: six chest films of 4096 by 5120 in 16 bits."""
MOST_PAGES: Final = 500
_FORMATS: Final = ("JPEG", "PNG", "TIFF")
_GRAY: Final = frozenset({"1", "L", "LA"})
_WORDS: Final = frozenset({"I;16", "I;16B", "I;16L"})
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_EXIF_DATE: Final = re.compile(r"(\d{4}):(\d\d):(\d\d)[ T](\d\d):(\d\d):(\d\d)")
_PDF_DATE: Final = re.compile(rb"/CreationDate\s*\(D:(\d{8})(\d{6})")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a person says of a scan. Dates are YYYYMMDD; `is_film` tells film from paper (C.8.6.1).

    `scanned_on` is for files that do not tell it themselves.
    """

    patient_id: str
    patient_name: str
    study_date: str
    issuer: str = ""
    birth_date: str = ""
    sex: str = ""
    accession_number: str = ""
    description: str = ""
    is_film: bool = True
    scanned_on: str = ""

    @property
    def study_instance_uid(self) -> str:
        """The same for all that is said of the same exam."""
        said = (self.patient_id, self.issuer, self.patient_name, self.birth_date, self.sex)
        exam = (self.study_date, self.accession_number, self.description)
        return generated_ids.study_instance_uid("scanned study", *said, *exam)


@dataclass(frozen=True, slots=True)
class Scan:
    """An object that was made of a scan: its UIDs, and its bytes in Explicit VR Little Endian."""

    sop_class_uid: str
    sop_instance_uid: str
    dataset: bytes


@dataclass(frozen=True, slots=True)
class _Page:
    """The pixels of a page: rows by columns, of 8 or 16 bits or three colours of 8."""

    pixels: "numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.uint8 | numpy.uint16]]"

    @property
    def likeness(self) -> tuple[tuple[int, ...], str]:
        """Pages that have this in common can be frames of one object."""
        return self.pixels.shape, self.pixels.dtype.str


def objects_of(path: Path, claims: Claims) -> list[Scan]:
    """The objects of a JPEG, PNG, TIFF or PDF file: one, or one a page where pages differ in size or depth.

    Raises `Invalid`, with what to do, for all other files and for those that are damaged or too large, and
    OSError where the file can't be read.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise Invalid(f"The file has more than {LARGEST_FILE:,} bytes. Scan it in parts.")
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if b"%PDF-" in content[:1024]:
        return [_encoded(_pdf(content, claims, sha256))]
    try:
        with guarded("picture can't be read"):
            scanned_at, pages = _read(path)
    except DatasetError:
        raise Invalid("No JPEG, PNG, TIFF or PDF file, or a damaged one. Scan it again.") from None
    alike = len({page.likeness for page in pages}) == 1
    groups = [pages] if alike else [[page] for page in pages]
    return [
        _encoded(_capture(group, claims, f"{sha256}/{index}", scanned_at, index))
        for index, group in enumerate(groups, 1)
    ]


# Reading


def _read(path: Path) -> tuple[str, list[_Page]]:
    """When it was scanned, as YYYYMMDDHHMMSS or nothing, and the pages."""
    with Image.open(path, formats=_FORMATS) as image:
        scanned_at = _scanned_at(image)
        pages = list(_pages(image))
    return scanned_at, pages


def _scanned_at(image: Image.Image) -> str:
    exif = image.getexif()
    taken = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
    found = _EXIF_DATE.match(str(taken or exif.get(ExifTags.Base.DateTime, "")))
    return "".join(found.groups()) if found else ""


def _pages(image: Image.Image) -> Iterator[_Page]:
    left = LARGEST_PIXELS
    for index in range(MOST_PAGES + 1):
        try:
            image.seek(index)
        except EOFError:
            return
        left -= image.width * image.height * (2 if image.mode in _WORDS else 3)
        if left < 0 or index == MOST_PAGES:
            raise DatasetError("picture too large")
        yield _Page(_pixels(image))


def _pixels(
    image: Image.Image,
) -> "numpy.ndarray[tuple[int, ...], numpy.dtype[numpy.uint8 | numpy.uint16]]":
    """The pixels as they are to be seen, upright, with black as zero."""
    if image.mode in ("I", "F"):
        raise DatasetError("picture of 32 bits")
    upright = ImageOps.exif_transpose(image)
    if image.mode in _WORDS:
        words = numpy.asarray(upright).astype("<u2")
        tags = getattr(image, "tag_v2", {})
        return 65535 - words if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else words
    return numpy.asarray(upright.convert("L" if image.mode in _GRAY else "RGB"))


# Making


def _capture(pages: list[_Page], claims: Claims, name: str, scanned_at: str, number: int) -> Dataset:
    """Secondary Capture of one page, or Multi-frame Secondary Capture of several (A.8.1, A.8.3 to A.8.5)."""
    pixels = pages[0].pixels
    is_color, bits = pixels.ndim == 3, pixels.dtype.itemsize * 8
    several = TRUE_COLOR if is_color else GRAYSCALE_WORD if bits > 8 else GRAYSCALE_BYTE
    dataset = _start(claims, several if len(pages) > 1 else SINGLE_FRAME, "OT", name, number)
    dataset.ConversionType = "DF" if claims.is_film else "SD"
    if scanned_at := scanned_at or claims.scanned_on:
        dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = scanned_at[:8], scanned_at[8:]
    dataset.PatientOrientation = ""
    dataset.BurnedInAnnotation = "YES"
    dataset.SamplesPerPixel = 3 if is_color else 1
    dataset.PhotometricInterpretation = "RGB" if is_color else "MONOCHROME2"
    if is_color:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    if len(pages) > 1:
        _add_frames(dataset, len(pages), is_color=is_color)
    content = b"".join(page.pixels.tobytes() for page in pages)
    dataset.add_new("PixelData", "OW", content + b"\0" * (len(content) % 2))
    return dataset


def _add_frames(dataset: Dataset, count: int, *, is_color: bool) -> None:
    """Multi-frame, SC Multi-frame Image and SC Multi-frame Vector (C.7.6.6, C.8.6.3, C.8.6.4)."""
    dataset.NumberOfFrames = str(count)
    dataset.FrameIncrementPointer = 0x00182001
    dataset.PageNumberVector = [str(page) for page in range(1, count + 1)]
    if not is_color:
        dataset.PresentationLUTShape = "IDENTITY"
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"


def _pdf(content: bytes, claims: Claims, name: str) -> Dataset:
    """Encapsulated PDF (A.45.1, C.24)."""
    dataset = _start(claims, ENCAPSULATED_PDF, "DOC", name, 1)
    found = _PDF_DATE.search(content)
    dataset.ConversionType = "SD"
    dataset.AcquisitionDateTime = b"".join(found.groups()).decode() if found else claims.scanned_on
    dataset.ContentDate = dataset.ContentTime = ""
    dataset.BurnedInAnnotation = "YES"
    dataset.DocumentTitle = text(claims.description)
    dataset.ConceptNameCodeSequence = []
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(content)
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    return dataset


def _start(claims: Claims, class_uid: str, modality: str, name: str, number: int) -> Dataset:
    """Patient, study, series, equipment and SOP common (C.7, C.12.1)."""
    study_uid = claims.study_instance_uid
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = class_uid
    dataset.SOPInstanceUID = generated_ids.study_instance_uid("scan", study_uid, name)
    dataset.PatientName, dataset.PatientID = text(claims.patient_name), text(claims.patient_id, 64)
    if claims.issuer:
        dataset.IssuerOfPatientID = text(claims.issuer, 64)
    dataset.PatientBirthDate, dataset.PatientSex = claims.birth_date, claims.sex
    dataset.StudyInstanceUID = study_uid
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = claims.study_date, "", ""
    dataset.StudyDescription = text(claims.description, 64)
    dataset.AccessionNumber = text(claims.accession_number, 16)
    dataset.ReferringPhysicianName = ""
    dataset.Modality = modality
    dataset.SeriesInstanceUID = generated_ids.study_instance_uid("scan series", study_uid, name.split("/")[0])
    dataset.SeriesNumber, dataset.InstanceNumber = "", str(number)
    dataset.Manufacturer = IMPLEMENTATION_VERSION_NAME
    return dataset


def _encoded(dataset: Dataset) -> Scan:
    return Scan(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), made_dataset.encode(dataset))
