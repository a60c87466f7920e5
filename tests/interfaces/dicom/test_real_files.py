"""Files of many makers, sent byte for byte: each is stored and comes back, or is refused and kept."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import Facility, Role, Token, User
from archive.dataset.dataset_error import DatasetError
from archive.dataset.part10 import Part10, map_dataset, open_part10
from archive.dataset.transfer_syntax import DEFLATED, EXPLICIT_LITTLE_ENDIAN
from archive.dataset.walk import walk
from archive.index import indexer
from archive.models import Instance, Quarantined, StoredFile
from archive.storage.intake import Reason
from interfaces.dicom.services.store import STATUSES
from tests.archive.dataset.builders import REAL_FILES, needs_real_files, real_files
from tests.archive.objects import files_in
from tests.clients.raw_store import RawStore, Rejected
from tests.dicom_port import DicomDoor, door

__all__ = ["door"]
pytestmark = [
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
    pytest.mark.needs("echoscu"),
    needs_real_files,
]


@dataclass
class Sent:
    """What was sent, and what was answered."""

    path: Path
    instance: str
    dataset: bytes
    transfer_syntax: str
    status: int | None
    comment: str


def identity(part10: Part10) -> tuple[str, str]:
    """Class and instance as a sender would announce them: the dataset's, else the File Meta Information's."""
    meta = part10.meta
    said = meta.get("MediaStorageSOPClassUID", ""), meta.get("MediaStorageSOPInstanceUID", "")
    try:
        with map_dataset(part10) as (buffer, start):
            syntax = EXPLICIT_LITTLE_ENDIAN if part10.transfer_syntax == DEFLATED else part10.transfer_syntax
            walked = walk(buffer, syntax, start=start)
    except DatasetError:
        return said
    return walked.sop_class_uid or said[0], walked.sop_instance_uid or said[1]


def send(door: DicomDoor, path: Path) -> Sent | None:
    try:
        part10 = open_part10(path)
    except DatasetError:
        return None
    dataset = path.read_bytes()[part10.dataset_offset :]
    sop_class, instance = identity(part10)
    sent = Sent(path, instance, dataset, part10.transfer_syntax, None, "")
    # Without a SOP Class nothing can be proposed; such files go as CT images.
    sop_class = sop_class or "1.2.840.10008.5.1.4.1.1.2"
    try:
        with RawStore(door.port, sop_class, part10.transfer_syntax) as peer:
            sent.status, sent.comment = peer.store(instance, dataset)
    except Rejected as refusal:
        sent.comment = f"{refusal} for {sop_class} in {part10.transfer_syntax}"
    return sent


@pytest.fixture
def get(door: DicomDoor) -> Callable[[str], Any]:
    user = User.objects.create_user("anna", roles=[Role.RADIOLOGIST])
    user.facilities.add(Facility.objects.get())
    authorization = f"Bearer {Token.issue(user=user)}"
    return lambda path: Client().get(
        f"/dicom-web/{path}", headers={"Authorization": authorization, "Accept": "application/dicom"}
    )


@pytest.mark.timeout(300)
def test_every_real_file_comes_back_or_is_refused_and_kept(
    door: DicomDoor, get: Callable[[str], Any], tmp_path: Path
) -> None:
    door.start()
    counts: Counter[str] = Counter()
    for path in real_files():
        sent = send(door, path)
        if sent is None:
            counts["no DICOM file"] += 1
        elif sent.status is None:
            counts["not negotiated"] += 1
            print(f"{path.relative_to(REAL_FILES)}: {sent.comment}")
        elif sent.status != 0:
            counts[f"refused {sent.status:04X}H"] += 1
            assert sent.comment, path
            assert any(kept.read_bytes().endswith(sent.dataset) for kept in files_in("quarantine")), path
            print(f"{path.relative_to(REAL_FILES)}: {sent.status:04X}H {sent.comment}")
        else:
            counts["stored"] += 1
        if sent is not None and sent.status == STATUSES[Reason.CONFLICT]:
            # Another variant of it is there; by itself it must be taken as well.
            StoredFile.objects.filter(instance__sop_instance_uid=sent.instance).delete()
            Instance.objects.filter(sop_instance_uid=sent.instance).delete()
            sent = send(door, path)
            assert sent is not None
            assert sent.status == 0, (path, sent.comment)
            counts["stored once its other variant was gone"] += 1
        if sent is not None and sent.status == 0:
            while indexer.batch():
                pass
            check_it_comes_back(sent, get, tmp_path, counts)
    print(dict(sorted(counts.items())), f"{Instance.objects.count()} instances")
    print(Counter(Instance.objects.exclude(index_error="").values_list("index_error", flat=True)))
    assert counts["stored"] > 100
    assert Quarantined.objects.count() <= sum(count for what, count in counts.items() if "refused" in what)


def check_it_comes_back(sent: Sent, get: Callable[[str], Any], tmp_path: Path, counts: Counter[str]) -> None:
    row = Instance.objects.select_related("series__study").get(sop_instance_uid=sent.instance)
    assert row.series is not None
    path = (
        f"studies/{row.study_instance_uid}/series/{row.series_instance_uid}/instances/{row.sop_instance_uid}"
    )
    answer = get(path)
    assert answer.status_code == 200, (sent.path, answer.content)
    copy = tmp_path / "copy.dcm"
    copy.write_bytes(b"".join(answer.streaming_content))
    back = open_part10(copy)
    if back.transfer_syntax != sent.transfer_syntax or row.times_received > 1:
        counts["of them the same object again"] += 1
        return
    assert copy.read_bytes()[back.dataset_offset :] == sent.dataset, sent.path
    counts["of them back with the same bytes"] += 1
