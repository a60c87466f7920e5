"""What changes under a match, and a person looks at: a cancelled order, a record of somebody else."""

from dataclasses import replace

import pytest
from django.db import transaction
from django.utils import timezone

from accounts import site_version
from accounts.models import SiteSection, User
from archive.decisions.accept import Accept
from archive.decisions.decision_frame import decide, revision
from archive.decisions.decision_type import DecisionType
from archive.decisions.link import Link
from archive.decisions.undo import undo as undo_decision
from archive.models import Study, StudyException
from archive.reconcile import apply_verdict
from ledger.stamps import Stamp
from reporting.models import ReadingItem
from reporting.reading_worklist import assignment
from tests.actors import acting
from tests.archive.hospital import Hospital
from worklist.models import Order, Patient, ScheduledProcedureStep, StatusEvent
from worklist.orders import order_application
from worklist.orders.order_update import Number, OrderUpdate
from worklist.schedule import step_actions
from worklist.worklist_policy import WorklistPolicy

pytestmark = pytest.mark.django_db

SOMEBODY_ELSE = {"name": "REAL^RITA", "birth_date": "19350517", "sex": "M"}


def say(hospital: Hospital, act: StatusEvent.Kind, accession: str = "A1") -> None:
    """ORC-1 CA or DC."""
    with transaction.atomic():
        update = OrderUpdate(placer=Number(f"PL{accession}", "HIS"), act=act, reason="not needed")
        now = timezone.now()
        provenance = replace(hospital.provenance(now), stamp=Stamp(now))
        order_application.apply(update=update, provenance=provenance)


def state(hospital: Hospital, study: Study) -> tuple[str, str]:
    """Where the exception stands, once the job that the change asked for is done."""
    study = hospital.done(study)
    row = StudyException.objects.filter(study=study).first()
    return (row.status, row.kind) if row else ("none", "")


def act(decision: DecisionType, study: Study, user: User) -> None:
    with transaction.atomic():
        decide(decision, study=study, reason="seen", by=acting(user), expected=revision(study))


def undo(study: Study, user: User) -> None:
    with transaction.atomic():
        undo_decision(exception=StudyException.objects.get(study=study), reason="no", by=acting(user))


@pytest.mark.parametrize("kind", [StatusEvent.Kind.CANCEL, StatusEvent.Kind.DISCONTINUE])
@pytest.mark.parametrize("rule", ["complete", "start", "nothing"])
@pytest.mark.parametrize("reading_status", ["ready", "final"])
def test_a_cancel_after_the_images_opens_an_exception(
    hospital: Hospital, rule: str, kind: StatusEvent.Kind, reading_status: str, user: User
) -> None:
    SiteSection.objects.create(name=WorklistPolicy.row, content={"on_images": rule})
    site_version.changed()
    patient = hospital.patient()
    order = hospital.order("A1", patient)
    study = hospital.study("A1")
    Study.objects.update(reading_status=reading_status)
    ReadingItem.objects.update(status=reading_status)
    say(hospital, kind)
    assert state(hospital, study) == ("open", "cancelled_after_images")
    study = Study.objects.get()
    assert (study.verdict, study.patient, list(study.procedures.all())) == (
        "matched",
        patient,
        list(order.procedures.all()),
    )
    (change,) = apply_verdict.changes(study)
    assert "Order A1 was" in change.text and "not needed" in change.text
    assert [one.field for one in change.findings] == ["order_status"]
    item = assignment.worklist(user=user, wanted=assignment.Wanted(statuses=(reading_status,))).get()
    assert (item.status, item.order_cancelled, item.under_investigation) == (reading_status, True, True)

    act(Accept(), study, user)
    assert state(hospital, hospital.judged(study))[0] == "resolved"
    assert (
        not assignment.worklist(user=user, wanted=assignment.Wanted(statuses=(reading_status,)))
        .get()
        .order_cancelled
    )
    undo(study, user)
    assert state(hospital, hospital.judged(study)) == ("open", "cancelled_after_images")
    event = StatusEvent.objects.get(kind=kind)
    with transaction.atomic():
        step_actions.undo(by=acting(user), act=event)
    assert state(hospital, study)[0] == "closed"
    say(hospital, kind)
    assert state(hospital, study)[0] == "open", "another cancel is news"


def test_a_cancel_after_it_was_accepted_is_news(hospital: Hospital, user: User) -> None:
    hospital.order("A1", hospital.patient())
    study = hospital.study("")
    act(Link(ScheduledProcedureStep.objects.get()), study, user)
    say(hospital, StatusEvent.Kind.CANCEL)
    assert state(hospital, study) == ("open", "cancelled_after_images")


def test_a_link_to_another_order_resolves_it(hospital: Hospital, user: User) -> None:
    patient = hospital.patient()
    hospital.order("A1", patient)
    study = hospital.study("A1")
    say(hospital, StatusEvent.Kind.CANCEL)
    assert state(hospital, study)[0] == "open"
    other = hospital.order("A2", patient)
    act(Link(ScheduledProcedureStep.objects.get(procedure__order=other)), study, user)
    assert state(hospital, hospital.judged(study))[0] == "resolved"
    assert not apply_verdict.changes(study)


def test_what_a_person_breaks_off_is_what_its_images_are_of(hospital: Hospital, user: User) -> None:
    SiteSection.objects.create(name=WorklistPolicy.row, content={"on_images": "start"})
    site_version.changed()
    hospital.order("A1", hospital.patient())
    study = hospital.study("A1")
    with transaction.atomic():
        step = ScheduledProcedureStep.objects.get()
        step_actions.change_step(by=acting(user), step=step, kind=StatusEvent.Kind.DISCONTINUE)
    assert (Order.objects.get().status, state(hospital, study)[0]) == ("discontinued", "none")


def test_a_person_who_cancels_it_is_asked_too(hospital: Hospital, user: User) -> None:
    SiteSection.objects.create(name=WorklistPolicy.row, content={"on_images": "nothing"})
    site_version.changed()
    order = hospital.order("A1", hospital.patient())
    study = hospital.study("A1")
    with transaction.atomic():
        step_actions.cancel(by=acting(user), order=order, reason="slip")
    assert state(hospital, study)[0] == "open"


def is_asked_about(hospital: Hospital, patient: Patient, user: User) -> None:
    """The study's patient is put in question, no link breaks, and a person may say that it is right so."""
    study = Study.objects.get()
    assert state(hospital, study) == ("open", "identity_replaced")
    study = Study.objects.get()
    assert (study.verdict, study.patient) == ("matched", patient), "no link breaks"
    act(Accept(), study, user)
    assert state(hospital, hospital.judged(study))[0] == "resolved"


@pytest.mark.parametrize("reading_status", ["ready", "final"])
def test_a_record_that_tells_of_somebody_else_is_asked_about(
    hospital: Hospital, user: User, reading_status: str
) -> None:
    patient = hospital.patient()
    hospital.order("A1", patient)
    study = hospital.study("A1")
    Study.objects.update(reading_status=reading_status)
    hospital.patient(**SOMEBODY_ELSE)
    is_asked_about(hospital, patient, user)
    undo(study, user)
    hospital.patient()
    assert state(hospital, study)[0] == "closed", "the record is right again"


@pytest.mark.parametrize("reading_status", ["ready", "final"])
def test_a_merge_into_somebody_else_is_asked_about(
    hospital: Hospital, user: User, reading_status: str
) -> None:
    patient = hospital.patient()
    hospital.order("A1", patient)
    study = hospital.study("A1")
    Study.objects.update(reading_status=reading_status)
    hospital.patient("P9", **SOMEBODY_ELSE)
    assert state(hospital, study)[0] == "none"
    hospital.merge("P1", "P9")
    is_asked_about(hospital, patient, user)


@pytest.mark.parametrize("survivor", [{"name": "BARS^ANNE"}, {"name": "MILLER^ANNA"}])
def test_a_merge_into_the_same_person_is_not(hospital: Hospital, survivor: dict[str, str]) -> None:
    hospital.order("A1", hospital.patient())
    study = hospital.study("A1")
    hospital.patient("P9", **survivor)
    hospital.merge("P1", "P9")
    assert state(hospital, study)[0] == "none"


@pytest.mark.parametrize("name", ["DOE^JOHN", "UNKNOWN^7", "Unbekannt^Mann", "NN", ""])
def test_somebody_unknown_who_is_named_is_nobody_else(hospital: Hospital, name: str) -> None:
    hospital.order("A1", hospital.patient(name=name, birth_date="19000105"))
    study = hospital.study("A1", name=name, birth_date="19000105")
    hospital.patient(**SOMEBODY_ELSE)
    assert state(hospital, study)[0] == "none"


def test_images_that_know_the_new_description_settle_it(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    study = hospital.study("A1")
    hospital.patient(**SOMEBODY_ELSE)
    Study.objects.update(patient_name="REAL^RITA", birth_date="19350517", sex="M")
    assert state(hospital, hospital.judged(study))[0] in ("none", "closed")
