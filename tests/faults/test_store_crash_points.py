"""SIGKILL at every step between the last fragment and the answer (F5, F6; reliability R1, R3).

Whatever the step: nothing that was acknowledged is missing, sending again works, there is one instance in the
end, and `fsck` leaves nothing behind.
"""

import contextlib

import pytest

from archive.index import indexer
from archive.models import Instance, ObjectVersion, Quarantined, StoredFile, Study
from archive.storage import fsck, volumes
from ledger.models import Job
from tests.archive.dataset.builders import CT, EXPLICIT_LITTLE_ENDIAN, encoded, image
from tests.archive.objects import files_in, received
from tests.clients.raw_store import RawStore
from tests.dicom_port import DicomDoor, door

__all__ = ["door"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.needs("echoscu")]

STORE = [
    "store.after_walk",
    "store.after_fsync",
    "store.after_link",
    "store.before_commit",
    "store.after_commit",
]


def send(door: DicomDoor, numbers: range, **attributes: str) -> list[str]:
    """Send objects until the door dies; those that were acknowledged."""
    acknowledged = []
    with contextlib.suppress(ConnectionError), RawStore(door.port, CT, EXPLICIT_LITTLE_ENDIAN) as peer:
        for number in numbers:
            uid = f"1.9.{number}"
            if peer.store(uid, encoded(image(SOPInstanceUID=uid, **attributes)))[0] == 0:
                acknowledged.append(uid)
    return acknowledged


def stored_uids() -> list[str]:
    """What has both a row and a whole file."""
    return sorted(
        file.instance.sop_instance_uid
        for file in StoredFile.objects.select_related("instance", "volume")
        if volumes.path_of(file).stat().st_size == file.size
    )


@pytest.mark.parametrize("point", STORE)
def test_killed_while_it_stores(door: DicomDoor, point: str) -> None:
    door.start(ENGINE_CRASH=f"{point}:3")
    acknowledged = send(door, range(6))
    door.wait_killed()
    assert acknowledged == ["1.9.0", "1.9.1"]
    assert set(acknowledged) <= set(stored_uids())

    door.start()
    assert not list((door.home / "spool").glob("*.part"))  # cleared at the start
    assert send(door, range(6)) == [f"1.9.{number}" for number in range(6)]
    assert stored_uids() == [f"1.9.{number}" for number in range(6)]
    times = dict(Instance.objects.values_list("sop_instance_uid", "times_received"))
    assert times["1.9.2"] == (2 if point == "store.after_commit" else 1)

    report = fsck.check(checksums=True, leave_alone=0)
    assert report.is_good
    assert (report.verified, report.quarantined) == (6, [])
    assert len(files_in("volumes")) == StoredFile.objects.count() == 6
    assert fsck.check(leave_alone=0).removed == []
    lost = len(set(acknowledged) - set(stored_uids()))
    twice = len(files_in("volumes")) - Instance.objects.count()
    stuck = len(list((door.home / "spool").glob("*.part")))
    print(f"{point}: kills=1 acked={len(acknowledged) + 6} lost={lost} twice={twice} stuck={stuck}")
    assert lost == twice == stuck == 0


def test_killed_while_it_keeps_and_takes_another_header(door: DicomDoor) -> None:
    """Nothing of the old header is left, nothing is twice, wherever it died."""
    for number in range(4):
        received(SOPInstanceUID=f"1.9.{number}")
    assert door_index(door) == 0
    door.start(ENGINE_CRASH="store.before_repeat_commit:3")
    assert send(door, range(4), PatientID="P2") == ["1.9.0", "1.9.1"]
    door.wait_killed()
    assert ObjectVersion.objects.count() == 2
    door.start()
    assert len(send(door, range(4), PatientID="P2")) == 4
    assert ObjectVersion.objects.count() == 4
    work = (
        "from ledger import jobs\nfrom ledger.models import Job\n"
        "jobs.run(Job.objects.get(kind='archive.resent').pk)"
    )
    Job.objects.filter(kind="archive.resent").update(not_before="2026-01-01T00:00Z")
    assert in_another_process(door, work, ENGINE_CRASH="resent.mid") == -9
    assert Study.objects.get().header_patient_id == "P1"
    Job.objects.filter(kind="archive.resent").update(lease_until="2026-01-01T00:00Z")
    assert in_another_process(door, work) == 0
    study = Study.objects.get()
    assert (study.header_patient_id, study.instance_count, "conflicts" in study.header) == ("P2", 4, False)
    assert set(ObjectVersion.objects.values_list("state", "file__is_current")) == {("taken", True)}
    report = fsck.check(checksums=True, leave_alone=0)
    assert (report.is_good, report.verified, len(files_in("volumes"))) == (True, 8, 8)


def test_what_nobody_sends_again_is_put_into_quarantine(door: DicomDoor) -> None:
    door.start(ENGINE_CRASH="store.after_link")
    assert send(door, range(1)) == []
    door.wait_killed()
    assert not Instance.objects.exists()
    done = door.manage("fsck", "--leave-alone", "0")
    assert "1 quarantined" in done.stdout
    assert Quarantined.objects.get().reason == Quarantined.Reason.ORPHAN
    assert files_in("volumes") == []


def test_an_answer_before_the_commit_would_be_caught(door: DicomDoor) -> None:
    """Negative control: what was sent but never acknowledged is missing, and this test can tell."""
    door.start(ENGINE_CRASH="store.before_commit")
    claimed = ["1.9.0"]  # as an acceptor that answers first would have it
    assert send(door, range(1)) == []
    door.wait_killed()
    assert not set(claimed) <= set(stored_uids())


@pytest.mark.parametrize("point", ["index.mid", "index.after_commit"])
def test_killed_while_it_indexes(door: DicomDoor, point: str) -> None:
    """Counts are counted anew, not incremented twice (F6)."""
    for number in range(45):
        received(SOPInstanceUID=f"1.9.{number}")
    killed = door_index(door, ENGINE_CRASH=f"{point}:2")
    assert killed == -9
    assert indexer.waits()
    assert door_index(door) == 0
    assert not indexer.waits()
    study = Study.objects.get()
    assert (study.instance_count, study.series_count) == (45, 1)
    assert Instance.objects.filter(index_error="", series__study=study).count() == 45
    assert Job.objects.filter(kind="archive.reconcile").count() == 1


def door_index(door: DicomDoor, **environment: str) -> int:
    """Index in another process, which may die of it."""
    code = "from archive.index import indexer\nwhile indexer.batch(): pass"
    return in_another_process(door, code, **environment)


def in_another_process(door: DicomDoor, code: str, **environment: str) -> int:
    """Run this in a process of its own; its exit status."""
    import subprocess
    import sys

    from tests.clients.system import ROOT

    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", code],
        cwd=ROOT,
        env={**door.environment, **environment},
        capture_output=True,
        timeout=60,
    )
    return done.returncode
