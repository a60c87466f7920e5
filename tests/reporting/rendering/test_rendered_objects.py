"""The SR and the encapsulated PDF are what the standard says, to independent programs too."""

import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from archive.dataset.part10 import build_preamble_and_meta
from archive.models import Instance, Series, Study
from reporting.rendering import encapsulated_pdf, rendered_objects, sr
from reporting.rendering.composition import compose
from tests.reporting.rendering.builders import SECTIONS, World

pytestmark = pytest.mark.django_db
DCIODVFY = Path(sys.executable).with_name("dciodvfy")
KINDS = ["preliminary", "final", "addendum", "correction", "retraction"]


def made(world: World, kind: str = "final", **values: object) -> dict[str, Dataset]:
    """Both objects of a version in its first study, as read from their bytes."""
    version = world.sign(kind, **values)
    document = compose(version)
    place = rendered_objects.places(document)[0]
    both = {"SR": sr.build(document, place, version), "DOC": encapsulated_pdf.build(document, place)}
    found = {}
    for modality, dataset in both.items():
        raw = rendered_objects.encode(dataset)
        found[modality] = read_dataset(io.BytesIO(raw), is_implicit_VR=False, is_little_endian=True)
    return found


def written(dataset: Dataset, folder: Path) -> Path:
    path = folder / f"{dataset.Modality}.dcm"
    syntax = "1.2.840.10008.1.2.1"
    head = build_preamble_and_meta(dataset.SOPClassUID, dataset.SOPInstanceUID, syntax, "RISPACS")
    path.write_bytes(head + rendered_objects.encode(dataset))
    assert dcmread(path).SOPInstanceUID == dataset.SOPInstanceUID
    return path


def texts(dataset: Dataset) -> dict[str, str]:
    return {
        item.ConceptNameCodeSequence[0].CodeValue: item.ContentSequence[0].TextValue
        for item in dataset.ContentSequence
        if item.ValueType == "CONTAINER"
    }


def test_the_sr_has_the_sections_by_their_codes(world: World) -> None:
    """TID 2000; CID 7001."""
    report = made(world)["SR"]
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "2000"
    found = texts(report)
    assert list(found) == ["55752-0", "55111-9", "18834-2", "59776-5", "19005-8"]
    assert found["59776-5"] == SECTIONS["findings"].replace("\n", "\r\n")
    assert (report.PatientName, report.PatientID, report.AccessionNumber) == (
        "Doe^Jane^^Dr.=鈴木^一郎",
        "4711",
        "A1",
    )
    request = report.ReferencedRequestSequence[0]
    assert request.PlacerOrderNumberImagingServiceRequest == "PA1"
    assert request.RequestedProcedureID == "RPA1"


def test_a_preliminary_report_is_not_verified(world: World) -> None:
    """PS3.3 C.17.2: verified is what somebody is accountable for."""
    both = made(world, "preliminary")
    assert (both["SR"].VerificationFlag, both["SR"].PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert "VerifyingObserverSequence" not in both["SR"]
    assert both["DOC"].VerificationFlag == "UNVERIFIED"
    final = made(world)["SR"]
    assert (final.VerificationFlag, final.CompletionFlag) == ("VERIFIED", "COMPLETE")
    assert final.VerifyingObserverSequence[0].VerifyingObserverName == "Anna"
    assert final.VerifyingObserverSequence[0].VerificationDateTime == "20260302090200+0100"


def test_a_later_version_names_the_one_before(world: World) -> None:
    first = made(world)["SR"]
    second = made(world, "addendum", text="More.")["SR"]
    (study,) = second.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    assert study.StudyInstanceUID == "1.2.840.1"
    assert series.SeriesInstanceUID == first.SeriesInstanceUID != second.SeriesInstanceUID
    assert [one.SeriesDescription for one in (first, second)] == [
        "Report, version 1",
        "Report with addendum, version 2",
    ]
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert texts(second)["55107-7"].startswith("More.\r\nSigned by Anna")


def test_controls_and_backslashes_do_no_harm(world: World) -> None:
    world.facility.name = "Klinik\\Nord\r\n"
    world.facility.save()
    report = made(world, sections={"findings": "a\x00b\\c\x1b"})["SR"]
    assert report.InstitutionName == "Klinik/Nord"
    assert texts(report)["59776-5"] == "a[U+0000]b\\c[U+001B]"


def add_study_and_image(world: World) -> None:
    other = Study.objects.create(
        facility=world.facility,
        study_instance_uid="1.2.840.2",
        first_received_at=world.study.first_received_at,
        last_received_at=world.study.last_received_at,
    )
    world.item.studies.add(other)
    series = Series.objects.create(study=world.study, series_instance_uid="1.2.840.1.1", modality="CT")
    Instance.objects.create(
        sop_instance_uid="1.2.840.1.1.1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        study_instance_uid="1.2.840.1",
        series_instance_uid="1.2.840.1.1",
        series=series,
        received_at=world.study.last_received_at,
    )


def test_it_names_its_images_and_its_copies(world: World) -> None:
    add_study_and_image(world)
    report = made(world)["SR"]
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert evidence.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.840.1.1.1"
    (copy,) = report.IdenticalDocumentsSequence
    assert {copy.StudyInstanceUID, report.StudyInstanceUID} == {"1.2.840.1", "1.2.840.2"}


@pytest.mark.parametrize("kind", KINDS)
def test_dciodvfy_finds_no_error(world: World, tmp_path: Path, kind: str) -> None:
    if not DCIODVFY.exists():
        pytest.skip("dciodvfy isn't installed")
    add_study_and_image(world)
    world.sign()
    for dataset in made(world, kind, text="More.").values():
        path = written(dataset, tmp_path)
        result = subprocess.run([DCIODVFY, path], capture_output=True, text=True, check=False)
        assert "Error" not in result.stderr, result.stderr


@pytest.mark.needs("dsrdump")
def test_dsrdump_reads_the_sr(world: World, tmp_path: Path) -> None:
    program = shutil.which("dsrdump")
    path = written(made(world)["SR"], tmp_path)
    result = subprocess.run([program, "+Pl", path], capture_output=True, text=True, check=True)
    assert "Größe 12 µm." in result.stdout and "VERIFIED" in result.stdout
