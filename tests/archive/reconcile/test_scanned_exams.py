"""What images do to the steps that they are of, and what becomes of it when that changes."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts import site_version
from accounts.models import SiteSection, User
from archive.decisions.decision_frame import decide, revision
from archive.decisions.link import Link
from archive.decisions.reject import Reject
from archive.decisions.undo import undo as undo_decision
from archive.models import Study, StudyException
from archive.reconcile import first_images
from ledger import jobs
from ledger.errors import Conflict
from ledger.models import Job
from tests.actors import acting
from tests.archive.hospital import NOW, Hospital
from worklist.models import Order, ScheduledProcedureStep, Station, StatusEvent
from worklist.mwl import query
from worklist.mwl.matching_keys import WorklistKeys
from worklist.schedule import step_actions
from worklist.worklist_policy import WorklistPolicy

pytestmark = pytest.mark.django_db


def step(accession: str = "A1") -> ScheduledProcedureStep:
    return ScheduledProcedureStep.objects.get(procedure__order__accession_number=accession)


def policy(value: str) -> None:
    SiteSection.objects.create(name=WorklistPolicy.row, content={"on_images": value})
    site_version.changed()


def do(kind: StatusEvent.Kind, user: User) -> StatusEvent:
    with transaction.atomic():
        return step_actions.change_step(by=acting(user), step=step(), kind=kind)


def link(study: Study, user: User) -> None:
    with transaction.atomic():
        decide(Link(step()), study=study, reason="seen", by=acting(user), expected=revision(study))


def undo(study: Study, user: User) -> None:
    with transaction.atomic():
        undo_decision(exception=StudyException.objects.get(study=study), reason="no", by=acting(user))


@pytest.mark.parametrize(
    ("rule", "status", "listed"),
    [("complete", "completed", False), ("start", "started", True), ("nothing", "scheduled", True)],
)
def test_a_match_moves_the_step_as_the_site_says(
    hospital: Hospital, rule: str, status: str, listed: bool
) -> None:
    policy(rule)
    hospital.order("A1", hospital.patient())
    study = hospital.study("A1")
    assert (step().status, step().on_worklist, Order.objects.get().status) == (status, listed, status)
    for act in StatusEvent.objects.all():
        assert act.source == f"study:{study.public_id}" and act.occurred_at == study.last_received_at


def coming(hospital: Hospital, accession: str, **values: Any) -> Study:
    """A study of which images have come, and more may."""
    study = hospital.study(accession, at=timezone.now(), **values)
    assert study.verdict == "pending"
    return begun(study)


def begun(study: Study) -> Study:
    with transaction.atomic():
        jobs.enqueue(first_images.KIND, study.study_instance_uid)
    job = Job.objects.get(kind=first_images.KIND, key=study.study_instance_uid)
    jobs.run(job.pk)
    job.refresh_from_db()
    assert not job.last_error, job.last_error
    return study


def quiet(hospital: Hospital, study: Study) -> Study:
    """As its images have been there for an hour."""
    at = timezone.now() - timedelta(hours=1)
    Study.objects.filter(pk=study.pk).update(first_received_at=at, last_received_at=at)
    return hospital.judged(study)


@pytest.mark.parametrize(
    ("rule", "first", "then"),
    [
        ("complete", ("started", True), ("completed", False)),
        ("start", ("started", True), ("started", True)),
        ("nothing", ("scheduled", True), ("scheduled", True)),
    ],
)
def test_it_is_started_with_the_first_image_and_completed_when_quiet(
    hospital: Hospital, rule: str, first: tuple[str, bool], then: tuple[str, bool]
) -> None:
    """A station sees what is started; what is completed it does not."""
    policy(rule)
    hospital.order("A1", hospital.patient())
    study = coming(hospital, "A1")
    begun(study)  # a further series
    listed = query.select(WorklistKeys(), station=Station(ae_title="CT1")).exists()
    assert ((step().status, step().on_worklist), listed) == (first, True)
    quiet(hospital, study)
    listed = query.select(WorklistKeys(), station=Station(ae_title="CT1")).exists()
    assert (step().status, step().on_worklist, listed) == (*then, then[1])


def test_first_images_that_turn_out_to_be_anothers_have_started_nothing(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    study = coming(hospital, "A1")
    assert step().status == "started"
    Study.objects.filter(pk=study.pk).update(
        header_patient_id="P9",
        patient_name="OTHER^OTTO",
        patient_name_key="other^otto",
        birth_date="19400101",
    )
    assert quiet(hospital, study).verdict == "mismatch"
    assert (step().status, Order.objects.get().status) == ("scheduled", "scheduled")


def test_what_is_unsure_or_only_written_starts_nothing(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    coming(hospital, "")
    coming(hospital, "A1", modalities=["SR"], series={"modality": "SR"})
    assert step().status == "scheduled"


def test_what_a_person_reopened_images_do_not_end_again(hospital: Hospital, user: User) -> None:
    hospital.order("A1", hospital.patient())
    study = quiet(hospital, coming(hospital, "A1"))
    assert step().status == "completed"
    do(StatusEvent.Kind.REOPEN, user)
    hospital.judged(study)
    assert step().status == "started"


def test_a_dose_report_alone_completes_nothing(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    report = {"modality": "SR"}
    assert hospital.study("A1", modalities=["SR"], series=report).verdict == "matched"
    assert step().status == "scheduled"
    hospital.study("A1")
    assert step().status == "completed"


def test_what_is_not_surely_of_it_moves_nothing(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    assert hospital.study("").verdict == "probable"
    assert hospital.study("A1", "P9", "OTHER^OTTO").verdict == "mismatch"
    assert step().status == "scheduled"


def test_a_decision_moves_it_and_its_undo_takes_that_back(hospital: Hospital, user: User) -> None:
    hospital.order("A1", hospital.patient())
    study = hospital.study("")
    for _ in range(2):
        link(study, user)
        assert step().status == "completed"
        undo(study, user)
        assert (step().status, step().on_worklist) == ("scheduled", True)


def test_what_people_did_stays(hospital: Hospital, user: User) -> None:
    hospital.order("A1", hospital.patient())
    do(StatusEvent.Kind.START, user)
    study = hospital.study("")
    link(study, user)
    undo(study, user)
    assert step().status == "started"
    do(StatusEvent.Kind.COMPLETE, user)
    link(study, user)
    undo(study, user)
    assert step().status == "completed"


def test_a_technologist_who_completes_what_images_completed_is_not_refused(
    hospital: Hospital, user: User
) -> None:
    hospital.order("A1", hospital.patient())
    study = hospital.study("")
    link(study, user)
    do(StatusEvent.Kind.COMPLETE, user)
    undo(study, user)
    assert step().status == "completed", "a person has said so"
    with pytest.raises(Conflict):
        do(StatusEvent.Kind.COMPLETE, user)


def test_what_a_person_took_back_is_not_done_again(hospital: Hospital, user: User) -> None:
    hospital.order("A1", hospital.patient())
    study = hospital.study("A1")
    with transaction.atomic():
        step_actions.undo(by=acting(user), act=StatusEvent.objects.get())
    hospital.judged(study)
    assert step().status == "scheduled"


def test_while_other_images_are_of_it_it_stays_done(hospital: Hospital, user: User) -> None:
    hospital.order("A1", hospital.patient())
    one, other = hospital.study("A1"), hospital.study("A1")
    for study, status in ((one, "completed"), (other, "scheduled")):
        with transaction.atomic():
            decide(Reject("113001"), study=study, reason="moved", by=acting(user), expected=0)
        assert step().status == status


def test_of_several_steps_those_of_the_device_move(hospital: Hospital) -> None:
    order = hospital.order("A1", hospital.patient())
    first = step()
    other = ScheduledProcedureStep.objects.create(
        procedure=order.procedures.get(),
        scheduled_procedure_step_id="SPX",
        modality="MR",
        due=NOW + timedelta(days=1),
        local_date="20260303",
        local_time="080000",
        stamps={"modality": ["~", ""]},
    )
    study = hospital.study("A1")
    assert study.verdict == "matched"
    first.refresh_from_db()
    other.refresh_from_db()
    assert (first.status, other.status) == ("completed", "scheduled")
    assert Order.objects.get().status == "started"


def test_both_orders_of_an_add_on_move(hospital: Hospital) -> None:
    patient = hospital.patient()
    hospital.order("A1", patient)
    hospital.order("A2", patient)
    study = hospital.study("A1", header={"conflicts": {"accession_number": ["A2"]}})
    assert study.verdict == "matched" and study.procedures.count() == 2
    assert (step("A1").status, step("A2").status) == ("completed", "completed")


def test_images_show_that_somebody_came_whatever_the_scheduling_system_says(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    key = step().pk
    missed = StatusEvent(order=step().procedure.order, step_id=key, kind="no-show", source="appointment:7")
    missed.stamp, missed.occurred_at = f"{NOW:%Y%m%d%H%M%S.%f}", NOW
    missed.save()
    ScheduledProcedureStep.objects.update(status="no-show", on_worklist=False)
    hospital.study("A1")
    assert (step().status, Order.objects.get().status) == ("completed", "completed")
