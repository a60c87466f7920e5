"""What is rejected after it was indexed says nothing more of its series and study, until it comes back."""

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction

from accounts.models import User
from archive.decisions.decision_frame import decide, revision
from archive.decisions.reject_images import RejectImages
from archive.decisions.undo import undo
from archive.index import visible_headers
from archive.models import Instance, Rejection, Series, Study, StudyException
from archive.reconcile import study_evidence
from archive.rejections.rejected_objects import KIND
from ledger import clock, jobs
from ledger.models import Job
from tests.actors import acting
from tests.archive.hospital import Hospital
from tests.archive.objects import indexed
from tests.archive.rejections.test_received_notes import FIRST, RITA, arrive, image, noted, shown

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]
RITAS: dict[str, Any] = {**RITA, "AccessionNumber": "A2"}


def work() -> None:
    for job in Job.objects.filter(kind__in=(KIND, visible_headers.KIND), state="new").order_by("kind"):
        assert jobs.run(job.pk), Job.objects.get(pk=job.pk).last_error


def reject(study: Study, user: User, *uids: str) -> None:
    with transaction.atomic():
        decide(
            RejectImages(list(uids), "113037"),
            study=study,
            reason="another patient's",
            by=acting(user),
            expected=revision(study),
        )


def take_back(study: Study, user: User) -> None:
    with transaction.atomic():
        undo(exception=StudyException.objects.get(study=study), reason="no", by=acting(user))


@pytest.mark.parametrize("first", [1, 2])
def test_a_contradiction_goes_with_the_image_that_is_rejected(
    hospital: Hospital, user: User, first: int
) -> None:
    hospital.order("A1", hospital.patient())
    hospital.order("A2", hospital.patient("P2", "REAL^RITA", birth_date="19350517"))
    sent = [image(1), image(2, **RITAS), image(3)]
    arrive(*(sent if first == 1 else [sent[1], sent[0], sent[2]]))
    study = hospital.judged(Study.objects.get())
    assert study.verdict == "mismatch"
    before = Series.objects.order_by("pk").values().first()
    reject(study, user, "1.1.2")
    work()
    study = hospital.done(study)
    assert (study.verdict, study.patient_name, "conflicts" in study.header) == ("matched", "BARS^ANNA", False)
    assert study.accession_number == "A1"
    assert StudyException.objects.get(study=study).status != "open"
    take_back(study, user)
    work()
    study = hospital.done(study)
    assert study.verdict == "mismatch" and Series.objects.order_by("pk").values().first() == before
    assert not Instance.objects.filter(header__has_key="identity").exists()


def test_one_job_follows_however_many_images_are_rejected(hospital: Hospital, user: User) -> None:
    arrive(*(image(number) for number in range(1, 6)))
    study = hospital.judged(Study.objects.get())
    reject(study, user, "1.1.1", "1.1.2", "1.1.3")
    reject(study, user, "1.1.4")
    assert Job.objects.filter(kind=visible_headers.KIND).count() == 1


def test_a_note_goes_on_hiding_what_its_patient_is_named_in(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    arrive(image(1, **RITA), image(2))
    arrive(noted(FIRST, **RITA))
    work()
    study = hospital.judged(Study.objects.get())
    assert (shown(), study.verdict) == (["1.1.2"], "matched")
    for _ in range(2):
        with transaction.atomic():
            jobs.enqueue(KIND, "1.2.3")
        work()
        assert (shown(), Rejection.objects.get().state) == (["1.1.2"], "in_force")


def test_what_comes_after_its_note_says_nothing_either(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital.order("A1", hospital.patient())
    arrive(noted(FIRST, **RITA), image(2))
    image(1, **RITA)()
    indexed()
    job = Job.objects.get(kind=visible_headers.KIND)
    later = clock.now() + timedelta(hours=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert jobs.run(job.pk)
    assert "conflicts" not in Study.objects.get().header


def test_a_rejected_series_is_no_evidence(hospital: Hospital, user: User) -> None:
    arrive(image(1, BodyPartExamined="CHEST"), image(2, "1.2.3.2", BodyPartExamined="HEAD"))
    study = hospital.judged(Study.objects.get())
    reject(study, user, "1.1.2")
    assert study_evidence.gather(study, None).body_parts == ("CHEST",)


def test_the_upgrade_asks_for_what_was_rejected_before_it(hospital: Hospital, user: User) -> None:
    arrive(image(1), image(2), image(3, "1.2.3.2"))
    study = hospital.judged(Study.objects.get())
    reject(study, user, "1.1.1")
    reject(study, user, "1.1.3")
    Job.objects.filter(kind=visible_headers.KIND).delete()
    import_module("archive.migrations.0015_headers_of_rejected").ask(apps, None)
    mixed = Instance.objects.get(sop_instance_uid="1.1.1").series_id
    assert list(Job.objects.filter(kind=visible_headers.KIND).values_list("key", flat=True)) == [str(mixed)]
