"""Small DICOM objects, made here so that a clone can be tested with nothing else."""

import time
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def make_study(folder: Path, accession: str, *, count: int = 3, side: int = 64, **header: Any) -> str:
    """Write a CT study of `count` files below `folder`; `header` overrides attributes. Its UID."""
    folder.mkdir(parents=True, exist_ok=True)
    study = header.pop("StudyInstanceUID", None) or generate_uid()
    series = generate_uid()
    for number in range(1, count + 1):
        dataset = _image(side)
        dataset.update(_identity(accession))
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.SOPInstanceUID = generate_uid()
        dataset.InstanceNumber = number
        dataset.ImagePositionPatient = [0, 0, number]
        for name, value in header.items():
            setattr(dataset, name, value)
        meta = dataset.file_meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return str(study)


def _identity(accession: str) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = "BARS^ANNA", "P" + accession
    dataset.IssuerOfPatientID, dataset.PatientBirthDate, dataset.PatientSex = "GENHOSP", "19700102", "F"
    dataset.AccessionNumber, dataset.StudyID = accession, "1"
    dataset.StudyDate = dataset.SeriesDate = time.strftime("%Y%m%d")
    dataset.StudyTime = time.strftime("%H%M%S")
    dataset.Modality, dataset.StationName, dataset.Manufacturer = "CT", "CT1", ""
    dataset.ReferringPhysicianName = dataset.PositionReferenceIndicator = ""
    dataset.SeriesNumber = 1
    return dataset


def _image(side: int) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Rows = dataset.Columns = side
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.KVP = 0, 1, 120
    dataset.PixelSpacing, dataset.SliceThickness = [1, 1], 1
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.FrameOfReferenceUID = generate_uid()
    dataset.PixelData = bytes((j // 2) % 256 if j % 2 == 0 else j % 16 for j in range(side * side * 2))
    return dataset
