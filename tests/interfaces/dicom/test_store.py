"""C-STORE (PS3.4 annex B) by DCMTK and by hand against a real `manage.py dicom`."""

import threading
import time
from pathlib import Path

import pytest
from django.db import connection
from pydicom.uid import RLELossless

from accounts.models import SiteSection
from archive.index import indexer
from archive.models import Instance, Quarantined, StoredFile, Study
from archive.storage import volumes
from ledger import heartbeat
from tests.archive.dataset.builders import CT, EXPLICIT_LITTLE_ENDIAN, encoded, image, stored
from tests.archive.objects import files_in
from tests.archive.storage.test_compressed_copies import packed, ramp
from tests.clients.images import make_study
from tests.clients.raw_store import RawStore, Rejected
from tests.dicom_port import DicomDoor, door, settled
from worklist.models import Station

__all__ = ["door"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.needs("storescu", "dcmsend", "echoscu")]


@pytest.fixture
def running(door: DicomDoor) -> DicomDoor:
    door.start()
    return door


def test_a_study_sent_by_dcmtk_is_stored_and_indexed(running: DicomDoor, tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", "A1", count=5)
    sent = running.dcmtk("storescu", "--scan-directories", str(tmp_path / "study"))
    assert sent.returncode == 0, sent.stderr
    indexer.batch()
    row = Study.objects.get()
    assert (row.study_instance_uid, row.instance_count, row.patient_name) == (study, 5, "BARS^ANNA")
    for file in StoredFile.objects.select_related("volume"):
        assert volumes.path_of(file).stat().st_size == file.size
    settled(running)
    assert not list((running.home / "spool").glob("*.part"))


def test_dcmsend_gets_the_same_answers(running: DicomDoor, tmp_path: Path) -> None:
    make_study(tmp_path / "study", "A1", count=3)
    for _ in range(2):
        sent = running.dcmtk("dcmsend", "--scan-directories", str(tmp_path / "study"))
        assert sent.returncode == 0, sent.stderr
    assert Instance.objects.count() == 3
    assert set(Instance.objects.values_list("times_received", flat=True)) == {2}


def test_the_bytes_are_those_that_were_sent(running: DicomDoor) -> None:
    dataset = encoded(image())
    with RawStore(running.port, CT, EXPLICIT_LITTLE_ENDIAN) as peer:
        assert peer.store("1.2.3.4", dataset) == (0, "")
    file = StoredFile.objects.select_related("volume").get()
    assert volumes.path_of(file).read_bytes()[file.dataset_offset :] == dataset


def test_a_compressed_copy_is_confirmed_and_another_image_refused(running: DicomDoor, tmp_path: Path) -> None:
    with RawStore(running.port, CT, EXPLICIT_LITTLE_ENDIAN) as peer:
        assert peer.store("1.2.3.4", encoded(ramp())) == (0, "")
    for number, expected in enumerate((True, False)):
        path = packed(tmp_path / f"{number}.dcm", ramp(number), RLELossless)
        sent = running.dcmtk("storescu", "-v", "--propose-rle", str(path))
        assert ("Received Store Response (Success)" in sent.stdout + sent.stderr) is expected
    assert (Instance.objects.get().times_received, Quarantined.objects.count()) == (2, 1)


@pytest.mark.parametrize(
    ("instance", "dataset", "status"),
    [
        ("1.2.3.5", encoded(image()), 0xA900),
        ("../../x", encoded(image()), 0xC000),
        ("1.2.3.4", encoded(image())[:-10], 0xC000),
        ("1.2.3.4", encoded(image(StudyInstanceUID="")), 0xC000),
        ("1.2.3.4", b"rubbish" * 9, 0xC000),
    ],
)
def test_what_is_refused_is_told_and_kept(
    running: DicomDoor, instance: str, dataset: bytes, status: int
) -> None:
    with RawStore(running.port, CT, EXPLICIT_LITTLE_ENDIAN) as peer:
        got, comment = peer.store(instance, dataset)
        assert (got, bool(comment)) == (status, True)
        assert peer.store("1.2.3.4", encoded(image())) == (0, "")  # the association goes on
    assert Quarantined.objects.count() == len(files_in("quarantine")) == 1


def test_many_at_once(running: DicomDoor) -> None:
    """Associations of several modalities don't get in each other's way."""
    statuses: list[int] = []

    def send(peer_number: int) -> None:
        with RawStore(running.port, CT, EXPLICIT_LITTLE_ENDIAN, calling=f"CT{peer_number}") as peer:
            for number in range(10):
                uid = f"1.9.{peer_number}.{number}"
                statuses.append(peer.store(uid, encoded(image(SOPInstanceUID=uid)))[0])

    threads = [threading.Thread(target=send, args=(number,)) for number in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [0] * 50
    assert Instance.objects.count() == len(files_in("volumes")) == 50


# Who may (PS3.8 9.3.4)


@pytest.fixture
def strict(door: DicomDoor) -> DicomDoor:
    SiteSection.objects.update_or_create(name="dicom", defaults={"content": {"accept_unknown": False}})
    Station.objects.create(ae_title="CT1", services=["worklist", "store"], hosts=["127.0.0.0/8"])
    Station.objects.create(ae_title="RIS1", services=["worklist"])
    Station.objects.create(ae_title="FAR1", services=["store"], hosts=["192.0.2.1"])
    door.start()
    return door


@pytest.mark.parametrize(
    ("calling", "welcome"), [("CT1", True), ("XX1", False), ("RIS1", False), ("FAR1", False)]
)
def test_only_stations_that_may_store_are_let_in(strict: DicomDoor, calling: str, welcome: bool) -> None:
    if welcome:
        with RawStore(strict.port, CT, EXPLICIT_LITTLE_ENDIAN, calling=calling) as peer:
            assert peer.store("1.2.3.4", encoded(image())) == (0, "")
    else:
        with pytest.raises(Rejected, match="00010103"):
            RawStore(strict.port, CT, EXPLICIT_LITTLE_ENDIAN, calling=calling)


def test_a_station_that_may_only_query_is_let_in_for_an_echo(strict: DicomDoor) -> None:
    assert strict.dcmtk("echoscu", calling="RIS1").returncode == 0
    assert strict.dcmtk("echoscu", calling="XX1").returncode != 0


def test_another_called_ae_title_is_not_ours(running: DicomDoor) -> None:
    with pytest.raises(Rejected, match="00010107"):
        RawStore(running.port, CT, EXPLICIT_LITTLE_ENDIAN, called="OTHER")


# Life of the process


def test_it_shows_a_sign_of_life_and_ends_when_told_to(running: DicomDoor) -> None:
    deadline = time.monotonic() + 10
    while heartbeat.state("dicom") != "ok":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert running.stop() == 0


def test_a_message_in_flight_is_answered_before_it_ends(running: DicomDoor) -> None:
    with RawStore(running.port, CT, EXPLICIT_LITTLE_ENDIAN) as peer:
        assert peer.store("1.2.3.4", encoded(image())) == (0, "")
        stopper = threading.Thread(target=running.stop)
        stopper.start()
        stopper.join(20)
        assert not stopper.is_alive()
        peer.sock.close()
        raise_free(peer)


def raise_free(peer: RawStore) -> None:
    """The association is gone already: nothing to release."""
    peer.release = lambda: None  # type: ignore[method-assign]


@pytest.mark.skipif("sqlite" in connection.vendor, reason="SQLite can't be away")
def test_a_database_that_was_away_is_found_again_without_a_restart(running: DicomDoor) -> None:
    with RawStore(running.port, CT, EXPLICIT_LITTLE_ENDIAN) as peer:
        assert peer.store("1.2.3.4", encoded(image()))[0] == 0
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert peer.store("1.2.3.5", encoded(image(SOPInstanceUID="1.2.3.5")))[0] == 0
        name = connection.settings_dict["NAME"]
        _allow_connections(name, False)
        try:
            assert peer.store("1.2.3.6", encoded(image(SOPInstanceUID="1.2.3.6")))[0] == 0xA700
        finally:
            _allow_connections(name, True)
        assert peer.store("1.2.3.6", encoded(image(SOPInstanceUID="1.2.3.6")))[0] == 0
    assert Instance.objects.count() == len(files_in("volumes")) == 3


def _allow_connections(name: str, allow: bool) -> None:
    """Open or close a database for others; from another one, since our own connection is cut with them."""
    import psycopg2

    settings = connection.settings_dict
    where = {"host": settings["HOST"], "port": settings["PORT"] or 5432, "user": settings["USER"]}
    elsewhere = psycopg2.connect(dbname="postgres", password=settings["PASSWORD"] or None, **where)
    elsewhere.autocommit = True
    connection.close()
    with elsewhere.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {allow}')
        if not allow:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
    elsewhere.close()


# File import


def test_files_are_imported_the_same_way(door: DicomDoor, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    make_study(folder, "A1", count=2)
    (folder / "bare").write_bytes(encoded(image()))  # neither preamble nor File Meta Information
    program = stored(folder / "program.dcm", image(SOPInstanceUID="1.2.3.5"))
    program.write_bytes(b"MZ" + program.read_bytes()[2:])
    (folder / "DICOMDIR").write_bytes(b"x")
    (folder / "notes.txt").write_text("not DICOM")
    done = door.manage("dicom", "import", str(folder), check=False)
    assert done.stdout.strip() == "2 refused, 4 stored"
    assert done.returncode == 1
    assert "notes.txt: not a DICOM file" in done.stderr
    assert Instance.objects.count() == len(files_in("volumes")) == 4
    assert all(path.read_bytes()[:132] == bytes(128) + b"DICM" for path in files_in("volumes"))
    assert door.manage("dicom", "import", str(folder / "bare")).stdout.strip() == "1 here already"
    assert not list((door.home / "spool").iterdir())
