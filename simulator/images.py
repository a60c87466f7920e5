"""Studies as DICOM objects (PS3.3): CT, MR, ultrasound and radiographs, each with its station's quirks.

CT1 compresses every second study (RLE). MR1 sends many small objects in Implicit VR. US1 sends a clip and two
stills in JPEG baseline. CR1 leaves the accession number out of the first image.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    MRImageStorage,
    RLELossless,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from simulator import phantoms
from simulator.catalogue import Procedure
from simulator.console import Header

ROOT = "1.2.826.0.1.3680043.8.498."
"""Pydicom's root for UIDs of its users."""
SLICES = {"CT": 6, "MR": 8}
"""Of a CT series, and of each of the two series of an MR study."""
FRAMES = 10


@dataclass(frozen=True)
class Exam:
    """A study to be made: what the header says, what is done, when, and the key from which UIDs follow."""

    key: str
    header: Header
    procedure: Procedure
    station: str
    began: datetime
    compressed: bool = False


def make(exam: Exam) -> Iterator[Dataset]:
    """The objects of a study, one after the other."""
    noise = np.random.default_rng(abs(hash_of(exam.key)))
    yield from _MAKE[exam.procedure.modality](exam, noise)


def hash_of(key: str) -> int:
    """A number that follows from a key, the same in every process."""
    return int.from_bytes(key.encode()[-8:], "big")


def study_uid(key: str) -> str:
    """The Study Instance UID of a console that has none from the worklist."""
    return str(generate_uid(ROOT, [key, "study"]))


def _ct(exam: Exam, noise: np.random.Generator) -> Iterator[Dataset]:
    frame = generate_uid(ROOT, [exam.key, "frame"])
    for number in range(1, SLICES["CT"] + 1):
        depth = 2 * (number - 0.5) / SLICES["CT"] - 1
        picture = phantoms.ct(exam.procedure.body_part, depth, noise)
        ds = _object(exam, CTImageStorage, ExplicitVRLittleEndian, 1, number)
        _plane(ds, frame, 1.5, -30.0 * number, 5)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.KVP, ds.XRayTubeCurrent, ds.ExposureTime, ds.ConvolutionKernel = 120, 180, 500, "B30f"
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = -1024, 1, "HU"
        ds.WindowCenter, ds.WindowWidth = {"HEAD": (40, 90), "CHEST": (-400, 1500)}.get(
            exam.procedure.body_part, (50, 400)
        )
        _grey(ds, np.clip(picture + 1024, 0, 4095), 12)
        if exam.compressed:
            ds.compress(RLELossless, generate_instance_uid=False)
        yield ds


def _mr(exam: Exam, noise: np.random.Generator) -> Iterator[Dataset]:
    frame = generate_uid(ROOT, [exam.key, "frame"])
    for series, (echo, times) in enumerate({"T1": (500, 12), "T2": (4200, 96)}.items(), start=1):
        for number in range(1, SLICES["MR"] + 1):
            depth = 2 * (number - 0.5) / SLICES["MR"] - 1
            picture = phantoms.mr(exam.procedure.body_part, depth, echo, noise)
            ds = _object(exam, MRImageStorage, ImplicitVRLittleEndian, series, number)
            ds.SeriesDescription = f"{echo} {exam.procedure.body_part.lower()}"
            _plane(ds, frame, 1.2, 5.5 * number, 5)
            ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
            ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions = (
                "SE",
                "SK" if echo == "T2" else "NONE",
                "",
            )
            ds.MRAcquisitionType, ds.EchoTrainLength = "2D", 9 if echo == "T2" else 1
            ds.RepetitionTime, ds.EchoTime = times
            ds.MagneticFieldStrength, ds.FlipAngle = 1.5, 90
            ds.WindowCenter, ds.WindowWidth = 450, 900
            _grey(ds, np.clip(picture, 0, 1023), 12)
            yield ds


def _cr(exam: Exam, noise: np.random.Generator) -> Iterator[Dataset]:
    for number, view in enumerate(("PA" if exam.procedure.body_part == "CHEST" else "AP", "LL"), start=1):
        picture = phantoms.cr(exam.procedure.body_part, number == 2, noise)
        seen = exam if number > 1 else replace(exam, header=replace(exam.header, accession_number=""))
        ds = _object(seen, ComputedRadiographyImageStorage, ExplicitVRLittleEndian, number, 1)
        ds.SeriesDescription = f"{exam.procedure.body_part.lower()} {view}"
        ds.ImageType = ["ORIGINAL", "PRIMARY"]
        ds.ViewPosition, ds.PlateID = view, f"P{number}"
        ds.ImagerPixelSpacing = [0.8, 0.8]
        ds.PatientOrientation = ["L", "F"] if number == 1 else ["A", "F"]
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
        ds.WindowCenter, ds.WindowWidth = 1700, 3200
        _grey(ds, picture, 12)
        yield ds


def _us(exam: Exam, noise: np.random.Generator) -> Iterator[Dataset]:
    for number, count in enumerate((FRAMES, 1, 1), start=1):
        kind = UltrasoundMultiFrameImageStorage if count > 1 else UltrasoundImageStorage
        ds = _object(exam, kind, JPEGBaseline8Bit, 1, number)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0001"]
        ds.PatientOrientation = ""
        frames = [phantoms.us(exam.procedure.body_part, n + 2 * number, FRAMES, noise) for n in range(count)]
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "YBR_FULL_422", 0
        ds.Rows, ds.Columns = frames[0].shape
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
        if count > 1:
            ds.NumberOfFrames, ds.FrameTime, ds.CineRate = count, 50, 20
            ds.FrameIncrementPointer = 0x00181063
        written = [_jpeg(frame) for frame in frames]
        ratio = 3 * frames[0].size * count / sum(map(len, written))
        ds.LossyImageCompression, ds.LossyImageCompressionMethod = "01", "ISO_10918_1"
        ds.LossyImageCompressionRatio = f"{ratio:.1f}"
        ds.PixelData = encapsulate(written)
        ds["PixelData"].VR = "OB"
        yield ds


_MAKE: dict[str, Callable[[Exam, np.random.Generator], Iterator[Dataset]]] = {
    "CT": _ct,
    "MR": _mr,
    "CR": _cr,
    "US": _us,
}


def _object(exam: Exam, kind: UID, syntax: UID, series: int, number: int) -> Dataset:
    """The attributes that all objects have: patient, study, series, equipment, SOP common."""
    ds, header, began = Dataset(), exam.header, exam.began
    ds.SpecificCharacterSet = (
        list(header.character_set) if isinstance(header.character_set, tuple) else header.character_set
    )
    ds.SOPClassUID, ds.SOPInstanceUID = kind, generate_uid(ROOT, [exam.key, str(series), str(number)])
    ds.StudyInstanceUID = header.study_instance_uid
    ds.SeriesInstanceUID = generate_uid(ROOT, [exam.key, str(series)])
    ds.PatientID, ds.PatientName, ds.IssuerOfPatientID = header.patient_id, header.patient_name, "GENHOSP"
    ds.PatientBirthDate, ds.PatientSex = header.birth_date, header.sex
    ds.AccessionNumber, ds.ReferringPhysicianName = header.accession_number, header.referrer
    ds.StudyDescription, ds.StudyID = header.description, header.requested_procedure_id[-16:] or "1"
    date, time = began.strftime("%Y%m%d"), began.strftime("%H%M%S.%f")
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = date
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = time
    ds.TimezoneOffsetFromUTC = began.strftime("%z")
    ds.Modality, ds.StationName = exam.procedure.modality, exam.station
    ds.Manufacturer, ds.ManufacturerModelName = "Simulated", f"Simulator {exam.procedure.modality}"
    ds.InstitutionName, ds.SoftwareVersions, ds.DeviceSerialNumber = "General Hospital", "1", exam.station
    ds.SeriesNumber, ds.InstanceNumber = series, number
    ds.SeriesDescription, ds.ProtocolName = exam.procedure.description, exam.procedure.description
    ds.BodyPartExamined = exam.procedure.body_part
    if exam.procedure.side:
        ds.Laterality = exam.procedure.side
    ds.BurnedInAnnotation = "NO"
    ds.RequestAttributesSequence = _request(header)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = kind
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def _request(header: Header) -> list[Dataset]:
    """The Request Attributes Sequence (PS3.3 table 10-9), of what came from the worklist."""
    if not header.scheduled_procedure_step_id:
        return []
    item = Dataset()
    item.RequestedProcedureID = header.requested_procedure_id
    item.ScheduledProcedureStepID = header.scheduled_procedure_step_id
    return [item]


def _plane(ds: Dataset, frame: str, spacing: float, z: float, thickness: float) -> None:
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator, ds.PatientPosition = frame, "", "HFS"
    ds.PixelSpacing, ds.SliceThickness, ds.SliceLocation = [spacing, spacing], thickness, z
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-150, -150, z], [1, 0, 0, 0, 1, 0]
    ds.AcquisitionNumber = 1


def _grey(ds: Dataset, picture: phantoms.Picture, bits: int) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = picture.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, bits, bits - 1, 0
    ds.PixelData = picture.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"


def _jpeg(frame: np.ndarray) -> bytes:
    """JPEG baseline (process 1) of a grey frame, in colour with 4:2:2 as most ultrasound machines send it."""
    buffer = io.BytesIO()
    Image.fromarray(frame, "L").convert("RGB").save(buffer, "JPEG", quality=70, subsampling="4:2:2")
    return buffer.getvalue()
