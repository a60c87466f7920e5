"""Imports: taken in in portions, whoever is killed meanwhile, and done once; nothing is left behind."""

import os
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from PIL import Image

from accounts.models import Facility, User
from archive.imports import import_acts, import_files, import_job, import_leftovers, import_tally, scan_claims
from archive.models import Import, ImportRefusal, Instance
from archive.storage import volumes
from ledger import jobs
from ledger.errors import Conflict, Invalid, Missing, Refused
from ledger.models import AuditEvent, Job
from tests.actors import acting
from tests.archive.dataset.builders import encoded, image

pytestmark = pytest.mark.django_db(transaction=True)
SAID = {"patient_name": "Bars, Anna", "study_date": "2.3.2020", "description": "Chest film"}


class Killed(BaseException):
    """SIGKILL, as far as a process can play it to itself."""


@pytest.fixture
def bring(home: Path, user: User, facility: Facility) -> Any:
    """Upload files by name, and start."""

    def upload(files: dict[str, bytes], start: bool = True, **values: Any) -> Import:
        by = acting(user)
        with transaction.atomic():
            row = import_acts.begin(by=by, facility=facility, **values)
        for name, content in files.items():
            import_acts.receive(by=by, row=row, name=name, chunks=[content[:100], content[100:]])
        if start:
            with transaction.atomic():
                import_acts.start(by=by, row=row)
        row.refresh_from_db()
        return row

    return upload


def objects(count: int) -> dict[str, bytes]:
    return {f"CD/IM{n}": encoded(image(SOPInstanceUID=f"1.2.3.{n}")) for n in range(1, count + 1)}


def zipped(files: dict[str, bytes], path: Path) -> bytes:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path.read_bytes()


def work(row: Import) -> Import:
    """Do the job until it is done, as after a crash its lease is over."""
    for _ in range(100):
        Job.objects.filter(kind=import_acts.JOB).update(not_before=timezone.now(), lease_until=None)
        Job.objects.filter(kind=import_acts.JOB, state="claimed").update(state="new")
        for job in Job.objects.filter(kind=import_acts.JOB).exclude(state="done"):
            jobs.run(job.pk)
            job.refresh_from_db()
            assert not job.last_error, job.last_error
        row.refresh_from_db()
        if row.state != "running":
            break
    return row


def counts(row: Import) -> tuple[int, int, int, int]:
    return row.taken, row.repeated, row.refused, row.passed_over


@pytest.mark.parametrize("portion", [1, 3, 200])
def test_what_was_uploaded_comes_in_once(
    bring: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, portion: int
) -> None:
    monkeypatch.setattr(import_job, "PORTION", portion)
    files = {**objects(3), "notes.txt": b"x", "again": objects(1)["CD/IM1"]}
    files["disc.zip"] = zipped({"A/IM4": encoded(image(SOPInstanceUID="1.2.3.4"))}, tmp_path / "z")
    row = work(bring(files, origin="City Hospital"))
    assert (row.state, row.files, row.files_done) == ("done", 6, 6)
    assert counts(row) == (4, 1, 1, 0)
    assert Instance.objects.count() == 4
    (refusal,) = row.refusals.all()
    assert (refusal.name, refusal.reason[:16]) == ("notes.txt", "not a DICOM file")
    assert row.studies.count() == 1
    assert not list((tmp_path / "spool").iterdir())
    rows = AuditEvent.objects.filter(code="110107").order_by("pk")
    assert [one.actor for one in rows] == [acting(row.user).name] * 2
    assert [thing["type"] for thing in rows[1].objects_named] == ["import", "study"]


@pytest.mark.parametrize("point", ["import.after_list", "import.after_file", "import.before_commit"])
@pytest.mark.parametrize("at", [1, 2, 4])
def test_a_kill_changes_nothing_of_the_end(
    bring: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, at: int
) -> None:
    monkeypatch.setattr(import_job, "PORTION", 3)
    left = iter(range(at - 1, -1, -1))

    def crash(name: str) -> None:
        if name == point and next(left, None) == 0:
            raise Killed

    monkeypatch.setattr(import_job, "crashpoint", crash)
    monkeypatch.setattr(import_tally, "crashpoint", crash)
    row = bring({**objects(4), "again": objects(1)["CD/IM1"], "x": b"x"})
    for _ in range(3):
        try:
            work(row)
        except Killed:
            continue
    row.refresh_from_db()
    assert (row.state, row.files_done, counts(row)) == ("done", 6, (4, 1, 1, 0))
    assert ImportRefusal.objects.count() == 1 and Instance.objects.count() == 4
    assert AuditEvent.objects.filter(code="110107").count() == 2
    assert not list((tmp_path / "spool").glob("import.*"))


def test_long_work_keeps_its_lease_and_ends_where_it_is_lost(
    bring: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = Event()
    answers = iter([True, False])

    def renew(claim: jobs.Claim) -> bool:
        kept = next(answers)
        if not kept:
            renewed.set()
        return kept

    def listed(row: Import, keep_on: Any) -> Iterator[Any]:
        assert renewed.wait(30)
        while True:  # until the thread has told
            keep_on()
        yield

    row = bring(objects(1))
    with monkeypatch.context() as patched:
        patched.setattr(import_job, "RENEW_EVERY", 0.01)
        patched.setattr(jobs, "renew", renew)
        patched.setattr(import_files, "of_uploads", listed)
        assert not jobs.run(Job.objects.get(kind=import_acts.JOB).pk)
    assert counts(work(row)) == (1, 0, 0, 0)


def test_a_full_disk_is_waited_for(bring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    row = bring(objects(2))
    full = volumes.check_space
    monkeypatch.setattr(
        volumes, "check_space", lambda root, least: (_ for _ in ()).throw(OSError(28, "full"))
    )
    job = Job.objects.get(kind=import_acts.JOB)
    jobs.run(job.pk)  # lists the files
    jobs.run(job.pk)
    job.refresh_from_db()
    assert (job.state, job.errors) == ("retry", 0)
    monkeypatch.setattr(volumes, "check_space", full)
    Job.objects.update(last_error="")
    assert counts(work(row)) == (2, 0, 0, 0)


def test_reasons_are_bounded_and_all_are_counted(bring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_acts, "MOST_REFUSALS", 3)
    monkeypatch.setattr(import_job, "PORTION", 2)
    row = work(bring({f"f{n}\n\x1b": b"x" for n in range(5)}))
    assert (row.refused, row.refusals.count()) == (5, 3)
    assert all(one.name.isprintable() for one in row.refusals.all())


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "C:/x", "", "a/" * 20 + "b", "x" * 300, "a\0b"])
def test_an_upload_writes_nothing_outside(bring: Any, tmp_path: Path, name: str) -> None:
    row = bring({"a": b"x"}, start=False)
    with pytest.raises(Invalid):
        import_acts.receive(by=acting(row.user), row=row, name=name, chunks=[b"x"])
    files = [path for path in (tmp_path / "spool").rglob("*") if path.is_file()]
    assert files == [import_files.uploads_of(row) / "a"]


def test_an_upload_is_bounded(bring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_acts, "LARGEST", 150)
    monkeypatch.setattr(import_acts, "MOST_FILES", 2)
    row = bring({"a": b"x" * 100}, start=False)
    by = acting(row.user)
    with pytest.raises(Invalid, match="in parts"):
        import_acts.receive(by=by, row=row, name="b", chunks=[b"x" * 50, b"x"])
    import_acts.receive(by=by, row=row, name="b", chunks=[b"x"])
    row.refresh_from_db()
    with pytest.raises(Invalid, match="at most"):
        import_acts.receive(by=by, row=row, name="c", chunks=[b"x"])
    assert sorted(os.listdir(import_files.uploads_of(row)))[:2] == ["a", "b"]


def test_what_was_started_or_stopped_takes_no_more(bring: Any, tmp_path: Path) -> None:
    row = bring(objects(1))
    by = acting(row.user)
    for act in (
        lambda: import_acts.receive(by=by, row=row, name="b", chunks=[b"x"]),
        lambda: import_acts.start(by=by, row=row),
    ):
        with pytest.raises(Conflict), transaction.atomic():
            act()
    with transaction.atomic():
        import_acts.stop(by=by, row=row)
    assert work(row).state == "stopped"
    assert not list((tmp_path / "spool").glob("import.*"))
    with pytest.raises(Conflict), transaction.atomic():
        import_acts.stop(by=by, row=row)


def test_an_empty_import_is_not_started(bring: Any) -> None:
    row = bring({}, start=False)
    with pytest.raises(Invalid), transaction.atomic():
        import_acts.start(by=acting(row.user), row=row)


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(import_leftovers, "_looked", (-100.0, False))
    yield lambda: import_leftovers.waits() and import_leftovers.batch()
    import_leftovers._looked = (-100.0, False)


def test_what_nobody_goes_on_with_is_ended_and_its_files_go(bring: Any, tmp_path: Path, sweep: Any) -> None:
    live, idle = bring({"a": b"x"}, start=False), bring({"a": b"x"}, start=False)
    Import.objects.filter(pk=idle.pk).update(changed_at=timezone.now() - timedelta(hours=2))
    spool = tmp_path / "spool"
    for name in ("disc.old", "import." + "0" * 32):
        (spool / name).mkdir()
        os.utime(spool / name, (1, 1))
    (spool / ("import." + "1" * 32)).mkdir()
    assert sweep() == 1
    idle.refresh_from_db()
    assert (idle.state, idle.end_reason) == ("stopped", "the upload was not finished")
    assert sorted(path.name for path in spool.iterdir()) == sorted(
        [f"import.{live.public_id}", "import." + "1" * 32]
    )


def test_a_command_that_was_killed_is_said_to_be(bring: Any, sweep: Any) -> None:
    row = bring(objects(1), start=False)
    ago = timezone.now() - timedelta(hours=1)
    Import.objects.update(interface="command line", state="running", changed_at=ago)
    sweep()
    row.refresh_from_db()
    assert (row.state, row.end_reason[:26]) == ("stopped", "the command ended before i")


# Scans


def test_scans_become_objects_of_what_was_typed(bring: Any, tmp_path: Path) -> None:
    Image.new("L", (4, 4), 7).save(tmp_path / "film.tif")
    files = {"film.tif": (tmp_path / "film.tif").read_bytes(), "letter.pdf": b"%PDF-1.4\n%%EOF", "x": b"x"}
    claims = scan_claims.claims({**SAID, "patient_id": "P1", "scanned_on": "2026-01-02"})
    row = work(bring(files, claims=claims))
    assert (row.state, counts(row)) == ("done", (2, 0, 1, 0))
    assert [one.study_instance_uid for one in row.studies.all()] == [claims.study_instance_uid]
    assert set(Instance.objects.values_list("calling_ae_title", flat=True)) == {"SCAN"}


@pytest.mark.parametrize(
    ("said", "error", "field"),
    [
        ({"patient_name": " "}, Missing, "patient_name"),
        ({"study_date": ""}, Missing, "study_date"),
        ({"description": ""}, Missing, "description"),
        ({"study_date": "03/02/2020"}, Invalid, "study_date"),
        ({"study_date": "2999-01-01"}, Invalid, "study_date"),
        ({"patient_birth_date": "31.2.1970"}, Invalid, "patient_birth_date"),
        ({"scanned_on": "yesterday"}, Invalid, "scanned_on"),
        ({"patient_sex": "X"}, Invalid, "patient_sex"),
        ({"medium": "stone"}, Invalid, "medium"),
        ({"accession_number": "A" * 17}, Invalid, "accession_number"),
        ({"patient_id": "A\\B"}, Invalid, "patient_id"),
        ({"description": "a\0b"}, Invalid, "description"),
    ],
)
def test_what_can_not_be_so_is_named(said: dict[str, str], error: type[Refused], field: str) -> None:
    with pytest.raises(error) as raised:
        scan_claims.claims({**SAID, **said})
    assert raised.value.field == field
