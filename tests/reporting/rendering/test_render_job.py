"""Copies of a version come to lie in its studies, once, and disturb nothing there."""

from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from pytest_django import Settings

from archive.models import Instance, Study, Verdict
from archive.reconcile import reconcile_job, study_evidence
from archive.signals import study_settled
from archive.storage import volumes
from ledger import jobs
from ledger.models import Event, Job, JobState
from reporting.models import ReportVersion
from reporting.rendering import render_job, rendered_objects, typesetting
from tests.archive.objects import indexed, received
from tests.reporting.rendering.builders import World

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]


def render(version: ReportVersion) -> Job:
    with transaction.atomic():
        jobs.enqueue(render_job.KIND, version.public_id)
    job = Job.objects.get(kind=render_job.KIND, key=version.public_id)
    jobs.run(job.pk)
    job.refresh_from_db()
    return job


def ours() -> list[Instance]:
    return list(Instance.objects.filter(calling_ae_title="RISPACS").order_by("id"))


def test_a_version_is_kept_as_sr_and_pdf_in_each_study(world: World) -> None:
    other = Study.objects.create(
        facility=world.facility,
        study_instance_uid="1.2.840.2",
        first_received_at=world.study.first_received_at,
        last_received_at=world.study.last_received_at,
    )
    world.item.studies.add(other)
    version = world.sign()
    assert render(version).state == JobState.DONE
    indexed()
    classes = [rendered_objects.BASIC_TEXT_SR, rendered_objects.ENCAPSULATED_PDF]
    kept = {(row.study_instance_uid, row.sop_class_uid) for row in ours()}
    assert kept == {(uid, one) for uid in ("1.2.840.1", "1.2.840.2") for one in classes}
    version.refresh_from_db()
    assert version.stored_at
    assert Event.objects.filter(kind="report.stored", subjects__type="report").count() == 1


def test_without_fonts_the_copy_waits_and_is_made_once_they_are_there(
    world: World, settings: Settings, tmp_path: Path
) -> None:
    version, there = world.sign(), settings.FONTS
    typesetting.load_fonts.cache_clear()
    settings.FONTS = tmp_path
    job = render(version)
    assert job.state == JobState.RETRY and "fonts" in job.last_error
    settings.FONTS = there
    assert render(version).state == JobState.DONE


def test_doing_it_again_makes_nothing_new(world: World) -> None:
    version = world.sign()
    render(version)
    received(StudyInstanceUID="1.2.840.1")  # another image is evidence of another SR
    indexed()
    ReportVersion.objects.filter(pk=version.pk).update(stored_at=None)
    assert render(version).state == JobState.DONE
    assert len(ours()) == 2 and {row.times_received for row in ours()} == {1}


def test_a_full_disk_delays_the_copies(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise volumes.NoSpace(28, "the file system is nearly full")

    version = world.sign()
    with monkeypatch.context() as patched:
        patched.setattr(volumes, "check_space", full)
        job = render(version)
    assert (job.state, job.errors) == (JobState.RETRY, 0)
    version.refresh_from_db()
    assert version.stored_at is None and not ours()
    assert render(version).state == JobState.DONE
    assert len(ours()) == 2


def test_an_undone_version_is_not_rendered(world: World) -> None:
    version = world.sign()
    ReportVersion.objects.filter(pk=version.pk).update(undone_at=version.signed_at)
    assert render(version).state == JobState.DONE
    assert not ours()


def test_nothing_is_left_in_the_spool(world: World, home: Path) -> None:
    render(world.sign())
    assert not list((home / "spool").glob("*"))


def test_a_report_tells_nothing_of_its_study(world: World) -> None:
    """Neither quiet time nor verdict, identity, counts or links change, and nobody is told of a change."""
    received(StudyInstanceUID="1.2.840.1", AccessionNumber="A1", PatientID="4711", PatientName="DOE^JANE")
    indexed()
    study = Study.objects.get(pk=world.study.pk)
    Job.objects.filter(kind=reconcile_job.KIND).delete()
    facts = study_evidence.gather(study, study.last_received_at)
    before = Study.objects.filter(pk=study.pk).values().get()
    heard: list[Study] = []
    study_settled.connect(lambda sender, study, **_: heard.append(study), weak=False, dispatch_uid="test")
    world.patient.name = "Another^Name"
    world.patient.save()
    render(world.sign())
    assert Instance.objects.filter(indexed_at=None).count() == 2
    indexed()
    study_settled.disconnect(dispatch_uid="test")
    assert Study.objects.filter(pk=study.pk).values().get() == before
    study = Study.objects.get(pk=study.pk)
    assert study_evidence.gather(study, study.last_received_at) == facts
    assert not Job.objects.filter(kind=reconcile_job.KIND).exists()
    assert not Verdict.objects.exists() and not heard
    assert study.series.count() == 3


def test_a_search_by_dicomweb_counts_it_all_the_same(world: World, client: Client) -> None:
    received(StudyInstanceUID="1.2.840.1")
    render(world.sign())
    indexed()
    assert Study.objects.get(pk=world.study.pk).instance_count == 1
    client.force_login(world.user)
    (found,) = client.get("/dicom-web/studies?StudyInstanceUID=1.2.840.1").json()
    assert found["00080061"]["Value"] == ["CT", "DOC", "SR"]
    assert (found["00201206"]["Value"], found["00201208"]["Value"]) == ([3], [3])


def test_a_crash_between_the_copies_is_made_good(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def kill(name: str) -> None:
        raise Killed(name)

    version = world.sign()
    with monkeypatch.context() as patched:
        patched.setattr(render_job, "crashpoint", kill)
        with pytest.raises(Killed):
            render(version)
    assert len(ours()) == 1
    Job.objects.update(lease_until=version.signed_at)
    jobs.run(Job.objects.get(kind=render_job.KIND).pk)
    assert Job.objects.get(kind=render_job.KIND).state == JobState.DONE
    assert [row.times_received for row in ours()] == [1, 1]


def test_a_borrowed_ae_title_slips_no_image_past_the_verdict(world: World) -> None:
    received(StudyInstanceUID="1.2.840.1", calling_ae="RISPACS", SOPInstanceUID="1.2.3.99")
    indexed()
    study = Study.objects.get(pk=world.study.pk)
    assert study.instance_count == 1
    assert Job.objects.filter(kind=reconcile_job.KIND, key="1.2.840.1").exists()
