"""DCMTK's and pynetdicom's requestors against the acceptor."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom import AE, AllStoragePresentationContexts

from interfaces.dicom.upper_layer.acceptor import Acceptor

from .acceptor_peer import CT, MWL, World, spooled, until

TOOLS = ("echoscu", "findscu", "storescu", "dcmsend")

needs_dcmtk = pytest.mark.skipif(
    os.environ.get("CI") != "true" and not all(map(shutil.which, TOOLS)), reason="DCMTK is not installed"
)


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def address(acceptor: Acceptor) -> tuple[str, str]:
    return "127.0.0.1", str(acceptor.port)


def image(number: int, size: int = 40_000) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = f"1.2.3.{number}"
    dataset.StudyInstanceUID = "1.2.3"
    dataset.SeriesInstanceUID = "1.2.4"
    dataset.Modality = "CT"
    dataset.PatientID = "X"
    dataset.Rows, dataset.Columns = size // 2000, 1000
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = os.urandom(size)
    dataset["PixelData"].VR = "OW"
    return dataset


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("images")
    for number in range(10):
        dataset = image(number, 40_000 + 300_000 * (number == 9))
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(directory / f"{number}.dcm", enforce_file_format=True)
    return directory


@needs_dcmtk
def test_echoscu(acceptor: Acceptor, world: World) -> None:
    run("echoscu", "-aec", "RIS", "--repeat", "5", *address(acceptor))
    run("echoscu", "-aec", "RIS", "-pts", "30", "-ppc", "128", *address(acceptor))
    run("echoscu", "-aec", "RIS", "--abort", *address(acceptor))
    until(lambda: len(world.ended) == 3)
    assert [facts.outcome for facts in world.ended] == ["released", "released", "aborted by peer"]


@needs_dcmtk
def test_findscu(acceptor: Acceptor, world: World) -> None:
    output = run("findscu", "-v", "-W", "-aec", "RIS", "-k", "PatientID=Q", *address(acceptor))
    assert all(f"Q{number}" in output for number in range(3))
    world.matches = 1000
    output = run("findscu", "-v", "-W", "-aec", "RIS", "--cancel", "2", "-k", "PatientID", *address(acceptor))
    assert "Cancel" in output


@needs_dcmtk
@pytest.mark.parametrize("options", [(), ("-pdu", "4096"), ("--max-send-pdu", "4096"), ("-R",)])
def test_storescu(acceptor: Acceptor, world: World, images: Path, options: tuple[str, ...]) -> None:
    """Without -R it proposes more than 100 contexts."""
    run("storescu", "-aec", "RIS", *options, *address(acceptor), "+sd", images)
    assert len(world.received) == 10
    for got in world.received:
        sent = (images / f"{got.instance_uid.rpartition('.')[2]}.dcm").read_bytes()
        assert sent.endswith(got.dataset)
    until(lambda: world.ended)
    assert world.ended[0].outcome == "released"


@needs_dcmtk
def test_storescu_abort(acceptor: Acceptor, world: World, images: Path) -> None:
    run("storescu", "-aec", "RIS", "--abort", *address(acceptor), images / "1.dcm")
    until(lambda: world.ended)
    assert world.ended[0].outcome == "aborted by peer"
    assert spooled(acceptor) == []


@needs_dcmtk
def test_dcmsend(acceptor: Acceptor, world: World, images: Path) -> None:
    run("dcmsend", "-aec", "RIS", *address(acceptor), "+sd", images)
    assert len(world.received) == 10
    run("dcmsend", "-aec", "RIS", "--multi-associations", *address(acceptor), "+sd", images)
    assert len(world.received) == 20


def test_pynetdicom_stores_in_each_native_syntax(acceptor: Acceptor, world: World, tmp_path: Path) -> None:
    for syntax in (
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ):
        ae = AE("PYNET")
        ae.add_requested_context(CTImageStorage, syntax)
        association = ae.associate("127.0.0.1", acceptor.port, ae_title="RIS")
        assert association.is_established
        dataset = image(1)
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        assert association.send_c_store(dataset).Status == 0
        association.release()
        assert association.is_released
        stored = tmp_path / "stored.dcm"
        stored.write_bytes(world.received[-1].file)
        again = dcmread(stored)
        assert again.file_meta.TransferSyntaxUID == syntax
        assert again.PatientID == "X"


def test_pynetdicom_proposes_128_contexts(acceptor: Acceptor, world: World) -> None:
    ae = AE("PYNET")
    ae.requested_contexts = AllStoragePresentationContexts[:128]
    association = ae.associate("127.0.0.1", acceptor.port, ae_title="RIS")
    assert association.is_established
    assert len(association.accepted_contexts) == 128
    association.abort()
    until(lambda: world.ended)
    assert world.ended[0].outcome == "aborted by peer"


@pytest.fixture
def finder(acceptor: Acceptor) -> Iterator[AE]:
    ae = AE("PYNET")
    ae.add_requested_context(MWL)
    yield ae


def test_pynetdicom_finds(acceptor: Acceptor, finder: AE, world: World) -> None:
    association = finder.associate("127.0.0.1", acceptor.port, ae_title="RIS")
    query = Dataset()
    query.PatientID = "P"
    answers = list(association.send_c_find(query, MWL))
    assert [identifier.PatientID for _, identifier in answers[:-1]] == ["P0", "P1", "P2"]
    assert answers[-1][0].Status == 0
    association.release()


def test_pynetdicom_cancels(acceptor: Acceptor, finder: AE, world: World) -> None:
    world.matches, world.pace = 10_000, 0.01
    association = finder.associate("127.0.0.1", acceptor.port, ae_title="RIS")
    query = Dataset()
    query.PatientID = "P"
    statuses = []
    for status, _ in association.send_c_find(query, MWL, msg_id=3):
        statuses.append(status.Status)
        if len(statuses) == 3:
            association.send_c_cancel(3, query_model=MWL)
    assert statuses[-1] == 0xFE00
    association.release()


@pytest.mark.parametrize(("called", "result"), [("RIS", True), ("OTHER", False)])
def test_pynetdicom_is_rejected_for_another_title(acceptor: Acceptor, called: str, result: bool) -> None:
    ae = AE("PYNET")
    ae.add_requested_context(CT)
    association = ae.associate("127.0.0.1", acceptor.port, ae_title=called)
    assert association.is_established is result
    assert association.is_rejected is not result
    if result:
        association.release()
