"""Bytes become a durable instance, or are refused with a status of PS3.4 table B.2-1 and quarantined."""

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from archive.models import Instance, Quarantined, StoredFile
from archive.storage import intake, volumes
from archive.storage.intake import Accepted, NotKept, Reason, Repeated, Resent
from ledger import notifier
from tests.archive.dataset.builders import (
    CT,
    EXPLICIT_BIG_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    encoded,
    image,
)
from tests.archive.objects import NOON, files_in, spooled, take

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


def test_an_object_becomes_an_instance_with_its_bytes_unchanged() -> None:
    dataset = encoded(image())
    assert isinstance(take(dataset), Accepted)
    file = StoredFile.objects.select_related("instance", "volume").get()
    instance = file.instance
    assert (instance.sop_instance_uid, instance.sop_class_uid) == ("1.2.3.4", CT)
    assert (instance.study_instance_uid, instance.series_instance_uid) == ("1.2.3", "1.2.3.1")
    assert (instance.calling_ae_title, instance.received_at) == ("CT1", NOON)
    assert instance.indexed_at is None
    content = volumes.path_of(file).read_bytes()
    assert len(content) == file.size
    assert content[file.dataset_offset :] == dataset
    assert file.name.count("/") == 2
    assert "1.2.3.4" not in file.name


def test_the_index_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    notified: list[int | str] = []
    monkeypatch.setattr(notifier, "notify", notified.append)
    monkeypatch.setattr(intake, "_last_notified", 0.0)
    take()
    assert notified == ["archive.index"]


def test_the_site_decides_how_much_has_to_stay_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "LEAST_FREE_MIB", 1 << 40)
    assert take() == NotKept(Reason.OUT_OF_RESOURCES, "The file could not be stored")
    assert not Instance.objects.exists()
    assert not files_in("volumes")
    assert not files_in("quarantine")


# Repeats


def test_the_same_object_again_is_counted_and_kept_once() -> None:
    take()
    assert isinstance(take(), Repeated)
    assert Instance.objects.get().times_received == 2
    assert len(files_in("volumes")) == 1


@pytest.mark.parametrize("transfer_syntax", [IMPLICIT_LITTLE_ENDIAN])
def test_the_same_object_in_another_transfer_syntax_is_a_repeat(transfer_syntax: str) -> None:
    take()
    assert isinstance(take(encoded(image(), transfer_syntax), transfer_syntax=transfer_syntax), Repeated)
    assert len(files_in("volumes")) == 1


def test_another_header_around_equal_pixels_is_kept_as_a_version() -> None:
    take()
    assert isinstance(take(encoded(image(PatientID="GENHOSP-P1"))), Resent)
    assert len(files_in("volumes")) == StoredFile.objects.count() == 2
    assert not Quarantined.objects.exists()


@pytest.mark.parametrize(
    "attributes",
    [{"PixelData": bytes(32)}, {"Rows": 2, "Columns": 8}],
    ids=["other pixels", "another shape"],
)
def test_other_content_under_a_known_uid_is_refused_and_kept(attributes: dict[str, Any]) -> None:
    take()
    outcome = take(encoded(image(**attributes)))
    assert isinstance(outcome, NotKept)
    assert outcome.reason is Reason.CONFLICT
    assert Instance.objects.get().times_received == 1
    assert Quarantined.objects.get().reason == Quarantined.Reason.CONFLICT
    assert len(files_in("volumes")) == len(files_in("quarantine")) == 1


def test_a_sender_that_tries_the_same_for_ever_does_not_fill_the_quarantine() -> None:
    take()
    for _ in range(3):
        take(encoded(image(PixelData=bytes(32))))
    assert len(files_in("quarantine")) == Quarantined.objects.count() == 1


def test_an_object_that_comes_again_replaces_a_file_that_was_lost() -> None:
    take()
    (lost,) = files_in("volumes")
    lost.unlink()
    assert isinstance(take(), Repeated)
    assert volumes.path_of(StoredFile.objects.select_related("volume").get()).is_file()
    assert len(files_in("volumes")) == 1


def test_of_two_that_bring_the_same_object_at_once_one_makes_it() -> None:
    outcomes = []

    def bring() -> None:
        outcomes.append(type(take()))
        connection.close()

    threads = [threading.Thread(target=bring) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome.__name__ for outcome in outcomes) == ["Accepted", *["Repeated"] * 3]
    assert Instance.objects.get().times_received == 4
    assert len(files_in("volumes")) == 1


# Refusals


@pytest.mark.parametrize(
    ("announced", "reason"),
    [
        ({"instance": "1.2.3.5"}, Reason.NOT_AS_ANNOUNCED),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.4"}, Reason.NOT_AS_ANNOUNCED),
        ({"instance": "../../etc/passwd"}, Reason.UNREADABLE),
        ({"instance": "1.2.\0"}, Reason.UNREADABLE),
        ({"instance": ""}, Reason.UNREADABLE),
        ({"instance": "1." + "2" * 63}, Reason.UNREADABLE),
    ],
)
def test_what_is_not_what_was_announced_is_refused(announced: dict[str, str], reason: Reason) -> None:
    outcome = take(**announced)  # type: ignore[arg-type]
    assert isinstance(outcome, NotKept)
    assert outcome.reason is reason
    assert Quarantined.objects.get().reason == Quarantined.Reason.BAD_IDENTITY
    assert not Instance.objects.exists()
    assert not files_in("volumes")


@pytest.mark.parametrize("uid", ["", "../../x", "1.2.x", None])
@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_an_object_without_a_study_or_a_series_is_refused(keyword: str, uid: str | None) -> None:
    outcome = take(encoded(image(**{keyword: uid})))
    assert isinstance(outcome, NotKept)
    assert outcome.reason is Reason.UNREADABLE
    assert Quarantined.objects.count() == len(files_in("quarantine")) == 1


def test_a_cut_dataset_is_refused_and_kept() -> None:
    dataset = encoded(image())[:-10]
    outcome = take(dataset)
    assert isinstance(outcome, NotKept)
    assert outcome.reason is Reason.UNREADABLE
    row = Quarantined.objects.get()
    assert row.reason == Quarantined.Reason.BROKEN
    (file,) = files_in("quarantine")
    assert file.read_bytes().endswith(dataset)
    assert file.stat().st_size == row.size


def test_an_empty_dataset_is_refused() -> None:
    outcome = take(b"")
    assert isinstance(outcome, NotKept)
    assert outcome.reason is Reason.UNREADABLE


def test_big_endian_is_read_as_such() -> None:
    dataset = encoded(image(), EXPLICIT_BIG_ENDIAN)
    assert isinstance(take(dataset, transfer_syntax=EXPLICIT_BIG_ENDIAN), Accepted)


# Faults (R1, R3, F17, F18)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("step", ["fsync", "link", "mkdir"])
def test_a_disk_that_refuses_is_never_a_yes(
    step: str, number: int, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    volumes.open_volume()

    def refuse(*args: object, **values: object) -> None:
        raise OSError(number, os.strerror(number))

    file = spooled(encoded(image()))
    if step == "mkdir":
        monkeypatch.setattr(Path, "mkdir", refuse)
    else:
        monkeypatch.setattr(os, step, refuse)
    outcome = intake.take(spool=file, announced=intake.Announcement(CT, "1.2.3.4"), received_at=NOON)
    monkeypatch.undo()
    assert isinstance(outcome, NotKept)
    assert outcome.reason is Reason.OUT_OF_RESOURCES
    assert not Instance.objects.exists()
    assert not files_in("volumes")


def test_a_failed_fsync_is_final(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """The kernel may have dropped the pages that it could not write, and say yes the second time (F18)."""
    calls = []

    def fail_once(fd: int) -> None:
        calls.append(fd)
        if len(calls) == 1:
            raise OSError(errno.EIO, "")

    monkeypatch.setattr(os, "fsync", fail_once)
    outcome = take()
    assert isinstance(outcome, NotKept)
    assert outcome.reason is Reason.OUT_OF_RESOURCES
    assert len(calls) == 1


def test_a_database_that_is_away_is_no_yes_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    volumes.open_volume()
    tries = []

    def refuse(row: object) -> bool:
        tries.append(1)
        raise OperationalError("database is locked") from _Coded()

    monkeypatch.setattr(intake, "_insert", refuse)
    assert take() == NotKept(Reason.OUT_OF_RESOURCES, "The database can't be reached")
    assert len(tries) == intake.ATTEMPTS
    assert not files_in("volumes")
    monkeypatch.undo()
    assert isinstance(take(), Accepted)


class _Coded(Exception):
    """A fault that the server itself has told of, so that it is known that nothing was committed."""

    pgcode = "55P03"


def test_a_commit_whose_answer_was_lost_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    insert, lost = intake._insert, []

    def lose_the_first_answer(row: Any) -> bool:
        done = insert(row)
        if not lost:
            lost.append(1)
            raise OperationalError("server closed the connection unexpectedly")
        return done

    monkeypatch.setattr(intake, "_insert", lose_the_first_answer)
    assert isinstance(take(), Accepted)
    file = StoredFile.objects.select_related("volume").get()
    assert volumes.path_of(file).is_file()
    assert len(files_in("volumes")) == 1
