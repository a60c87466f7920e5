"""Headers become study, series and instance rows, in any number of batches, by any number of workers."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Facility, SiteSection
from archive.index import indexer
from archive.models import Instance, Series, StoredFile, Study
from archive.storage import volumes
from ledger.events import timeline
from ledger.models import Job
from tests.archive.objects import NOON, indexed, received

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home", "facility")]


def test_a_study_shows_what_its_header_says() -> None:
    received(StudyDescription="CT chest", ReferringPhysicianName="Ref^Doc", InstanceNumber=7)
    assert indexer.waits()
    assert indexer.batch() == 1
    assert not indexer.waits()
    study = Study.objects.get()
    assert study.patient_name == "Müller^Jörg=山田^太郎=やまだ^たろう"
    assert study.patient_name_key == "müller^jörg"
    assert (study.header_patient_id, study.issuer_of_patient_id) == ("P1", "HOSP")
    assert (study.accession_number, study.study_date, study.modalities) == ("A17", "20260401", ["CT"])
    assert (study.series_count, study.instance_count) == (1, 1)
    assert (study.patient, study.verdict) == (None, "pending")
    assert study.header["other_patient_ids"] == [{"id": "P0", "issuer": "OLD", "type": ""}]
    series = study.series.get()
    assert (series.modality, series.number, series.station_ae_title) == ("CT", "2", "CT1")
    assert series.header["requests"][0]["scheduled_step_id"] == "SPS1"
    instance = series.instances.get()
    assert (instance.number, instance.rows, instance.columns, instance.frames) == ("7", 4, 4, 1)
    assert [event.kind for event in timeline("study", study.public_id)] == ["study.received"]


def test_a_study_is_reconciled_once_it_has_become_quiet() -> None:
    SiteSection.objects.create(name="archive", content={"quiet_seconds": 5})
    received(SOPInstanceUID="1.2.3.4")
    received(SOPInstanceUID="1.2.3.5", received_at=NOON + timedelta(seconds=90))
    indexed()
    job = Job.objects.get(kind="archive.reconcile")
    assert (job.key, job.not_before) == ("1.2.3", NOON + timedelta(seconds=95))
    assert Study.objects.get().last_received_at == NOON + timedelta(seconds=90)


def test_series_and_studies_are_counted_apart() -> None:
    received(SOPInstanceUID="1.1.1")
    received(SOPInstanceUID="1.1.2")
    received(SOPInstanceUID="1.1.3", SeriesInstanceUID="1.2.3.2", Modality="SR")
    received(SOPInstanceUID="1.1.4", StudyInstanceUID="1.2.4", SeriesInstanceUID="1.2.4.1")
    indexed()
    study = Study.objects.get(study_instance_uid="1.2.3")
    assert (study.series_count, study.instance_count, study.modalities) == (2, 3, ["CT", "SR"])
    assert {series.series_instance_uid: series.instance_count for series in Series.objects.all()} == {
        "1.2.3.1": 2,
        "1.2.3.2": 1,
        "1.2.4.1": 1,
    }


def test_one_series_uid_in_two_studies_is_two_series() -> None:
    received(SOPInstanceUID="1.1.1")
    received(SOPInstanceUID="1.1.2", StudyInstanceUID="1.2.4")
    indexed()
    assert sorted(Series.objects.values_list("study__study_instance_uid", "instance_count")) == [
        ("1.2.3", 1),
        ("1.2.4", 1),
    ]


def test_the_first_value_stays_and_another_identity_is_kept_beside_it() -> None:
    received(SOPInstanceUID="1.1.1", PatientName="Doe^Jane", StudyDescription="Chest", StudyID="")
    received(SOPInstanceUID="1.1.2", PatientName="DOE^JANE^^", StudyDescription="Head", StudyID="7")
    received(
        SOPInstanceUID="1.1.3", PatientName="Roe^Rob", PatientID="P2", IssuerOfPatientID="", PatientSex="M"
    )
    indexed()
    study = Study.objects.get()
    assert (study.patient_name, study.header_patient_id, study.sex) == ("Doe^Jane", "P1", "")
    assert (study.description, study.study_id) == ("Chest", "7")
    assert study.header["conflicts"] == {"header_patient_id": ["P2"], "patient_name": ["Roe^Rob"]}


def test_requests_of_all_objects_are_gathered() -> None:
    from pydicom.dataset import Dataset

    other = Dataset()
    other.ScheduledProcedureStepID = "SPS2"
    received(SOPInstanceUID="1.1.1")
    received(SOPInstanceUID="1.1.2", RequestAttributesSequence=[other])
    indexed()
    steps = [request["scheduled_step_id"] for request in Series.objects.get().header["requests"]]
    assert steps == ["SPS1", "SPS2"]


def test_doing_it_twice_changes_nothing() -> None:
    received()
    indexed()
    before = (
        Study.objects.values().get(),
        Series.objects.values().get(),
        Job.objects.get(kind="archive.reconcile").wanted,
    )
    Instance.objects.update(indexed_at=None)
    indexed()
    after = (
        Study.objects.values().get(),
        Series.objects.values().get(),
        Job.objects.get(kind="archive.reconcile").wanted - 1,
    )
    assert after == before


def test_two_at_the_same_time_do_it_once() -> None:
    for number in range(30):
        received(SOPInstanceUID=f"1.1.{number}", StudyInstanceUID=f"1.2.{number % 3}")
    faults: list[Exception] = []

    def work() -> None:
        try:
            indexed()
        except Exception as fault:
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert not indexer.waits()
    assert list(Study.objects.values_list("instance_count", flat=True)) == [10, 10, 10]


def test_a_header_that_can_not_be_read_is_still_in_its_study(monkeypatch: pytest.MonkeyPatch) -> None:
    received()
    file = StoredFile.objects.select_related("volume").get()
    volumes.path_of(file).write_bytes(b"\0" * file.size)
    indexed()
    instance = Instance.objects.get()
    assert instance.index_error
    assert instance.indexed_at
    assert instance.series is not None
    assert instance.series.study.instance_count == 1


def test_a_lost_file_does_not_hold_up_the_others_but_a_lost_volume_does(home: Path) -> None:
    received(SOPInstanceUID="1.1.1")
    received(SOPInstanceUID="1.1.2")
    files = StoredFile.objects.select_related("volume").order_by("id")
    volumes.path_of(files[0]).unlink()
    (home / "volumes/main").rename(home / "away")
    with pytest.raises(OSError):
        indexer.batch()
    (home / "away").rename(home / "volumes/main")
    indexed()
    errors = Instance.objects.order_by("id").values_list("index_error", flat=True)
    assert list(errors) == ["its file can't be read: ENOENT", ""]


def test_text_that_does_not_fit_its_column_is_cut() -> None:
    received(PatientID="P" * 300, AccessionNumber="A" * 70, StudyDescription="x\0y" + "z" * 300)
    indexed()
    study = Study.objects.get()
    assert (len(study.header_patient_id), len(study.accession_number), len(study.description)) == (
        64,
        64,
        255,
    )


def test_a_batch_takes_few_statements() -> None:
    for number in range(20):
        received(SOPInstanceUID=f"1.1.{number}")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        indexed()
    assert len([query for query in queries if "archive_instance SET" in query["sql"]]) <= 20
    assert len(queries) < 60


def test_without_a_facility_it_waits() -> None:
    received()
    Facility.objects.all().delete()
    with pytest.raises(RuntimeError, match="facility"):
        indexer.batch()
    assert indexer.waits()
