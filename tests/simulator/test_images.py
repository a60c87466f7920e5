"""The modalities' objects are DICOM that pydicom reads, carry what the console has, and are light."""

import io
from datetime import datetime, timedelta, timezone

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from simulator import catalogue, images
from simulator.console import Header
from simulator.images import Exam

NINE = datetime(2026, 3, 2, 9, 0, 30, 250_000, tzinfo=timezone(timedelta(hours=1)))
HEADER = Header(
    patient_id="4711",
    patient_name="Yamada^Tarou=山田^太郎=やまだ^たろう",
    birth_date="19700102",
    sex="M",
    character_set=("", "ISO 2022 IR 87"),
    accession_number="00123",
    study_instance_uid="2.25.77",
    requested_procedure_id="RP123",
    scheduled_procedure_step_id="SP123",
    description="CT chest",
    referrer="Smith^Anna",
)


def made(modality: str, **changes: object) -> list[Dataset]:
    """The objects of a study of this modality, written as files and read again."""
    procedure = next(one for one in catalogue.PROCEDURES if one.modality == modality)
    exam = Exam("12345670042", HEADER, procedure, catalogue.STATIONS[modality], NINE)
    exam = Exam(**{**vars(exam), **changes})
    found = []
    for ds in images.make(exam):
        file = io.BytesIO()
        ds.save_as(file, enforce_file_format=True)
        file.seek(0)
        found.append(pydicom.dcmread(file))
    return found


@pytest.mark.parametrize("modality", catalogue.STATIONS)
def test_objects_carry_patient_order_and_time(modality: str) -> None:
    objects = made(modality)

    assert len({ds.SOPInstanceUID for ds in objects}) == len(objects)
    for ds in objects:
        assert str(ds.PatientName) == HEADER.patient_name
        assert (ds.PatientID, ds.IssuerOfPatientID) == ("4711", "GENHOSP")
        assert (ds.PatientBirthDate, ds.PatientSex) == ("19700102", "M")
        assert ds.StudyInstanceUID == "2.25.77"
        assert ds.Modality == modality
        assert ds.StationName == catalogue.STATIONS[modality]
        assert (ds.StudyDate, ds.StudyTime) == ("20260302", "090030.250000")
        assert ds.TimezoneOffsetFromUTC == "+0100"
        assert ds.RequestAttributesSequence[0].ScheduledProcedureStepID == "SP123"


@pytest.mark.parametrize("modality", catalogue.STATIONS)
def test_a_study_is_light(modality: str) -> None:
    sizes = [len(ds.PixelData) for ds in made(modality)]

    assert sum(sizes) < 1_300_000
    assert len(sizes) <= 16


@pytest.mark.parametrize("modality", catalogue.STATIONS)
def test_a_picture_shows_something_and_says_that_it_is_simulated(modality: str) -> None:
    ds = made(modality)[-1]
    picture = ds.pixel_array.astype(float)
    if picture.ndim == 3:
        picture = picture[..., 0]
    corner = picture[-16:-3, 6:70]

    assert picture.shape == (ds.Rows, ds.Columns)
    assert picture.std() > 20
    assert np.mean(corner >= 0.7 * corner.max()) > 0.1


def test_ct_is_in_hounsfield_units() -> None:
    ds = made("CT")[3]
    units = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)

    assert units.min() < -900
    assert 600 < units.max() < 1500


def test_ct1_compresses_and_the_picture_is_the_same() -> None:
    plain, packed = made("CT"), made("CT", compressed=True)

    assert {ds.file_meta.TransferSyntaxUID for ds in packed} == {RLELossless}
    assert all((a.pixel_array == b.pixel_array).all() for a, b in zip(plain, packed, strict=True))
    assert [ds.SOPInstanceUID for ds in plain] == [ds.SOPInstanceUID for ds in packed]


def test_mr1_sends_many_small_objects_in_two_series() -> None:
    objects = made("MR")

    assert len(objects) == 16
    assert len({ds.SeriesInstanceUID for ds in objects}) == 2
    assert {ds.file_meta.TransferSyntaxUID for ds in objects} == {ImplicitVRLittleEndian}
    assert max(len(ds.PixelData) for ds in objects) < 80_000


def test_us1_sends_a_clip_in_jpeg() -> None:
    clip, *stills = made("US")

    assert clip.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert clip.NumberOfFrames == images.FRAMES
    assert clip.pixel_array.shape == (images.FRAMES, clip.Rows, clip.Columns, 3)
    assert len(stills) == 2
    assert all("NumberOfFrames" not in ds for ds in stills)


def test_cr1_sends_the_accession_number_late() -> None:
    assert [ds.AccessionNumber for ds in made("CR")] == ["", "00123"]


def test_the_same_exam_gives_the_same_objects() -> None:
    for one, other in zip(made("MR"), made("MR"), strict=True):
        assert one.SOPInstanceUID == other.SOPInstanceUID
        assert one.PixelData == other.PixelData
