"""What crashes leave behind is put away; what is lost is reported."""

from pathlib import Path

import pytest
from django.core.management import call_command

from archive.models import Quarantined, StoredFile
from archive.storage import fsck, volumes
from ledger.models import Event
from tests.archive.dataset.builders import encoded, image
from tests.archive.objects import files_in, spooled, take

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


def test_a_good_archive_is_good() -> None:
    take()
    report = fsck.check(checksums=True)
    assert report.is_good
    assert (report.files, report.verified) == (1, 1)
    assert StoredFile.objects.get().verified_at


def test_a_file_without_a_row_is_left_alone_for_an_hour_and_then_quarantined() -> None:
    volumes.place(spooled(encoded(image())).path, volumes.open_volume())
    assert fsck.check().quarantined == []
    report = fsck.check(leave_alone=0)
    assert len(report.quarantined) == 1
    row = Quarantined.objects.get()
    assert (row.reason, row.sop_instance_uid) == (Quarantined.Reason.ORPHAN, "1.2.3.4")
    assert not files_in("volumes")
    assert len(files_in("quarantine")) == 1


def test_a_second_file_of_what_is_stored_is_removed() -> None:
    take()
    volumes.place(spooled(encoded(image())).path, volumes.open_volume())
    report = fsck.check(leave_alone=0)
    assert (len(report.removed), report.quarantined) == (2, [])  # the spool file, too
    assert len(files_in("volumes")) == 1


def test_a_file_that_is_not_dicom_is_quarantined_too(home: Path) -> None:
    folder = volumes.open_volume().root / "ab" / "cd"
    folder.mkdir(parents=True)
    (folder / "x.dcm").write_bytes(b"rubbish")
    assert fsck.check(leave_alone=0).quarantined == ["ab/cd/x.dcm"]


@pytest.mark.parametrize(("fault", "kind"), [("gone", "file.missing"), ("cut", "file.damaged")])
def test_a_row_without_its_file_is_reported_once(
    fault: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    take()
    (path,) = files_in("volumes")
    if fault == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    for _ in range(2):
        with pytest.raises(SystemExit):
            call_command("fsck")
    assert StoredFile.objects.get().name in capsys.readouterr().out
    assert Event.objects.filter(kind=kind).count() == 1


def test_checksums_find_a_flipped_bit() -> None:
    take()
    (path,) = files_in("volumes")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert fsck.check().is_good
    assert len(fsck.check(checksums=True).damaged) == 1
