"""What people decide, and that an undo brings everything back."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from accounts import site_version
from accounts.models import SiteSection, User
from archive.decisions.accept import Accept
from archive.decisions.correct import Correct
from archive.decisions.create_order import CreateOrder
from archive.decisions.decision_frame import SecondPersonNeeded, revision
from archive.decisions.decision_frame import decide as decide_on
from archive.decisions.decision_type import DecisionType
from archive.decisions.link import Link
from archive.decisions.preview import preview
from archive.decisions.reassign import Reassign
from archive.decisions.undo import undo as undo_decision
from archive.models import Decision, Study, StudyException
from archive.signals import study_reconciled
from ledger.errors import Conflict, Missing
from ledger.models import AuditEvent, Event
from reporting.models import ReadingItem
from tests.actors import acting
from tests.archive.hospital import NOW, Hospital
from worklist.models import Order, Patient, ProcedureCode, ScheduledProcedureStep
from worklist.patients import identity
from worklist.patients.identifiers import Authority, Identifier
from worklist.signals import order_acted

pytestmark = pytest.mark.django_db


def rows(study: Study) -> dict[str, Any]:
    """Everything that a decision may touch."""
    study = Study.objects.get(pk=study.pk)
    fields = ("patient_id", "verdict", "reading_status", "first_quiet_at")
    exception = StudyException.objects.filter(study=study).values("status", "resolution", "opened_at").first()
    return {
        **{name: getattr(study, name) for name in fields},
        "procedures": set(study.procedures.values_list("pk", flat=True)),
        "exception": exception,
    }


def decide(
    decision: DecisionType, study: Study, by: User, reason: str = "looked at both", **values: Any
) -> Decision:
    with transaction.atomic():
        return decide_on(decision, study=study, reason=reason, by=acting(by), **values)


def undo(study: Study, by: User, **values: Any) -> Decision:
    with transaction.atomic():
        return undo_decision(
            exception=StudyException.objects.get(study=study), reason="was wrong", by=acting(by), **values
        )


def step_of(order: Order) -> ScheduledProcedureStep:
    return ScheduledProcedureStep.objects.get(procedure__order=order)


@pytest.fixture
def mismatch(hospital: Hospital) -> Study:
    hospital.patient()
    hospital.order("A1", hospital.patient("P2", "REAL^RITA", birth_date="19350517"))
    study = hospital.study("A1")
    assert study.verdict == "mismatch"
    return study


def test_a_link_sets_patient_and_procedure_and_leaves_the_verdict(
    hospital: Hospital, mismatch: Study, user: User
) -> None:
    order = Order.objects.get(accession_number="A1")
    heard = []

    def hear(sender: Any, **values: Any) -> None:
        heard.append((values["outcome"], values["origin_text"].partition(":")[0]))

    study_reconciled.connect(hear)
    try:
        decision = decide(Link(step_of(order)), mismatch, user)
    finally:
        study_reconciled.disconnect(hear)
    study = Study.objects.get(pk=mismatch.pk)
    assert (study.verdict, study.patient) == ("mismatch", order.patient)
    assert study.procedures.get().order == order
    assert (study.exception.status, study.exception.resolution) == ("resolved", "link")
    assert (decision.before["patient"], decision.after["patient"]) == (None, order.patient.public_id)
    assert heard == [("link", "decision")]
    assert AuditEvent.objects.get().action == "U"
    assert Event.objects.filter(kind="study.decision.link", actor="Anna").exists()


def test_an_undo_after_three_more_arrivals_restores_all_rows(
    hospital: Hospital, mismatch: Study, user: User
) -> None:
    before = rows(mismatch)
    decide(Link(step_of(Order.objects.get())), mismatch, user)
    for number in range(3):
        Study.objects.filter(pk=mismatch.pk).update(
            last_received_at=NOW - timedelta(hours=2, minutes=number), instance_count=number + 5
        )
        study = hospital.judged(mismatch)
        assert study.patient is not None, "the decision stands for later images"
        assert study.exception.status == "resolved"
    undo(mismatch, user)
    assert rows(mismatch) == before
    decision = Decision.objects.get()
    assert (decision.undone_by, decision.undo_reason) == ("Anna", "was wrong")


def test_an_undo_after_the_verdict_changed_leaves_what_the_verdict_says(
    hospital: Hospital, mismatch: Study, user: User
) -> None:
    decide(Accept(), mismatch, user)
    hospital.merge("P2", "P1")
    study = hospital.done(mismatch)
    assert (study.verdict, study.patient) == ("matched", None), "the decision stands"
    undo(mismatch, user)
    study = Study.objects.get(pk=mismatch.pk)
    assert study.patient == Patient.objects.get(value="P2")
    assert (study.exception.status, study.exception.resolution) == ("closed", "")


def test_the_second_of_two_deciders_gets_a_conflict(hospital: Hospital, mismatch: Study, user: User) -> None:
    seen = revision(mismatch)
    decide(Accept(), mismatch, user, expected=seen)
    with pytest.raises(Conflict, match="accept by Anna"):
        decide(Accept(), mismatch, user, expected=seen)
    with pytest.raises(Conflict, match="resolved already"):
        decide(Link(step_of(Order.objects.get())), mismatch, user)
    assert Decision.objects.count() == 1


def test_only_the_last_decision_can_be_undone_and_the_later_one_is_named(
    hospital: Hospital, mismatch: Study, user: User
) -> None:
    patient = Patient.objects.get(value="P1")
    start = rows(mismatch)
    first = decide(Reassign(patient), mismatch, user)
    between = rows(mismatch)
    decide(Link(step_of(Order.objects.get())), mismatch, user, expected=revision(mismatch))
    with pytest.raises(Conflict, match="link by Anna"):
        undo(mismatch, user, decision=first)
    undo(mismatch, user)
    assert rows(mismatch) == between
    undo(mismatch, user, decision=first)
    assert rows(mismatch) == start
    with pytest.raises(Conflict, match="no decision"):
        undo(mismatch, user)


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_decision_needs_a_reason(mismatch: Study, user: User, reason: str) -> None:
    with pytest.raises(Missing) as caught:
        decide(Accept(), mismatch, user, reason=reason)
    assert caught.value.field == "reason"
    assert not Decision.objects.exists()


def test_correct_takes_over_the_best_candidates_demographics(hospital: Hospital, user: User) -> None:
    patient = hospital.patient(name="BARS^ANNE^LUISE")
    hospital.order("A1", patient)
    study = hospital.study("A1", name="BARS^HANNELORE")
    assert study.verdict == "probable"
    decision = decide(Correct(), study, user)
    study = Study.objects.get(pk=study.pk)
    assert (study.patient, study.patient_name) == (patient, "BARS^HANNELORE"), "what was received is kept"
    assert decision.parameters["patient"] == patient.public_id


def test_correct_needs_someone_to_take_over_from(hospital: Hospital, user: User) -> None:
    study = hospital.study("A1")
    with pytest.raises(Conflict, match="no candidate"):
        decide(Correct(), study, user)


def test_correct_takes_the_step_that_was_chosen(hospital: Hospital, mismatch: Study, user: User) -> None:
    order = Order.objects.get()
    decision = decide(Correct(step_of(order)), mismatch, user)
    study = Study.objects.get(pk=mismatch.pk)
    assert study.patient == order.patient and study.procedures.get().order == order
    assert decision.parameters["scheduled_procedure_step"] == step_of(order).public_id


def test_a_study_that_fits_is_decided_on_as_well_but_not_by_one_person_under_a_signed_report(
    hospital: Hospital, user: User
) -> None:
    hospital.order("A1", hospital.patient())
    study = hospital.study("A1")
    assert study.verdict == "matched" and not StudyException.objects.exists()
    other = hospital.patient("P2", "REAL^RITA")
    Study.objects.filter(pk=study.pk).update(reading_status="final")
    with pytest.raises(SecondPersonNeeded, match="final"):
        decide(Reassign(other), study, user)
    decide(Accept(), study, user)
    undo(study, user)
    Study.objects.filter(pk=study.pk).update(reading_status="ready")
    decide(Reassign(other), study, user)
    assert Study.objects.get(pk=study.pk).patient == other
    assert Study.objects.get(pk=study.pk).procedures.count() == 0


def test_an_order_can_be_created_and_is_cancelled_by_the_undo(hospital: Hospital, user: User) -> None:
    ProcedureCode.objects.create(code="71260", scheme="C4", description="CT chest", modality="CT")
    patient = hospital.patient()
    study = hospital.study("N5")
    before = rows(study)
    decide(CreateOrder("71260"), study, user)
    study = hospital.done(study)
    procedure = study.procedures.get()
    assert (study.verdict, study.patient) == ("late_order", patient)
    assert procedure.study_instance_uid == study.study_instance_uid
    assert procedure.order.accession_number == "N5"
    undo(study, user)
    hospital.done(study)
    assert Order.objects.get().status == "cancelled"
    assert rows(study)["exception"]["status"] == "open"
    assert {**rows(study), "verdict": None} == {**before, "verdict": None}


def test_a_link_cancels_the_order_that_was_created_before_and_its_undo_gives_that_back(
    hospital: Hospital, user: User
) -> None:
    ProcedureCode.objects.create(code="71260", scheme="C4", description="CT chest", modality="CT")
    patient = hospital.patient()
    study = hospital.study("N5")
    decide(CreateOrder("71260"), study, user)
    study = hospital.done(study)
    made, before = study.procedures.get().order, rows(study)
    status = made.status
    assert status in ("scheduled", "completed", "in_progress")
    real = hospital.order("A9", patient)
    told: list[tuple[str, bool]] = []

    def heard(sender: Any, order: Order, is_undone: bool, **_: Any) -> None:
        told.append((order.accession_number, is_undone))

    order_acted.connect(heard)
    try:
        link = Link(step_of(real))
        with transaction.atomic():
            found = preview(link, study=study, reason="", by=acting(user), expected=revision(study))
        assert "Order N5, created for these images, is cancelled" in {one.text for one in found}
        told.clear()
        decide(link, study, user, expected=revision(study))
        made.refresh_from_db()
        assert made.status == "cancelled" and told == [("N5", False)]
        assert study.procedures.get().order == real
        undo(study, user)
    finally:
        order_acted.disconnect(heard)
    made.refresh_from_db()
    assert (made.status, rows(study)) == (status, before) and ("N5", True) in told
    undo(study, user)
    made.refresh_from_db()
    assert made.status == "cancelled"


def test_a_created_order_that_is_still_of_a_study_stays(hospital: Hospital, user: User) -> None:
    ProcedureCode.objects.create(code="71260", scheme="C4", description="CT chest", modality="CT")
    patient = hospital.patient()
    study, other = hospital.study("N5"), hospital.study("N6")
    decide(CreateOrder("71260"), study, user)
    made = Order.objects.get()
    decide(Link(step_of(made)), other, user)
    decide(Link(step_of(hospital.order("A9", patient))), study, user, expected=revision(study))
    made.refresh_from_db()
    assert made.status != "cancelled"


def test_an_order_is_created_for_a_patient_whom_nobody_knows_as_the_images_name_them(
    hospital: Hospital, user: User
) -> None:
    ProcedureCode.objects.create(code="71260", scheme="C4", description="CT chest", modality="CT")
    study = hospital.study("N5", "X9", "DOE^JOHN")
    with pytest.raises(Conflict, match="no single patient"):
        decide(CreateOrder("71260"), study, user)
    decide(CreateOrder("71260", priority="STAT", new_patient="temporary"), study, user)
    study = Study.objects.get(pk=study.pk)
    order = study.procedures.get().order
    assert study.patient is not None and study.patient == order.patient
    assert (study.patient.authority.namespace, study.patient.name) == ("TEMP", "DOE^JOHN")
    assert order.priority == "STAT"
    hospital.patient("P7", "DOE^JOHN")
    with transaction.atomic():
        identity.merge(
            provenance=hospital.provenance(),
            survivor=Identifier("P7", Authority("GENHOSP")),
            retired=Identifier(study.patient.value, Authority("TEMP")),
        )
    assert Study.objects.get(pk=study.pk).patient.current.value == "P7"


def test_a_wrong_patient_suspect_opens_a_resolved_exception_again(hospital: Hospital, user: User) -> None:
    study = hospital.study("A1")
    decide(Accept(), study, user)
    conflicts = {"header_patient_id": ["P2"], "patient_name": ["OTHER^OTTO"]}
    Study.objects.filter(pk=study.pk).update(header={"conflicts": conflicts})
    study = hospital.judged(study)
    assert (study.verdict, study.exception.status) == ("mismatch", "open")


class TestSeveralOrders:
    """Images of a CT of chest and of an add-on that has an order of its own."""

    @pytest.fixture
    def study(self, hospital: Hospital) -> Study:
        patient = hospital.patient()
        hospital.order("A1", patient)
        hospital.order("A2", patient)
        return hospital.study("A1")

    def steps(self) -> tuple[ScheduledProcedureStep, ...]:
        return tuple(ScheduledProcedureStep.objects.order_by("pk"))

    @pytest.mark.parametrize("reports", ["per_procedure", "one"])
    def test_one_decision_links_them_and_its_undo_gives_them_back(
        self, study: Study, user: User, reports: str
    ) -> None:
        SiteSection.objects.create(name="reporting", content={"reports": reports})
        site_version.changed()
        assert [step.status for step in self.steps()] == ["completed", "scheduled"]
        decide(Link(scheduled_procedure_steps=self.steps()), study, user)
        assert {one.order.accession_number for one in study.procedures.all()} == {"A1", "A2"}
        assert [step.status for step in self.steps()] == ["completed", "completed"]
        items = ReadingItem.objects.exclude(status="withdrawn").filter(studies=study)
        numbers = [
            sorted(item.procedures.values_list("order__accession_number", flat=True)) for item in items
        ]
        assert sorted(numbers) == ([["A1", "A2"]] if reports == "one" else [["A1"], ["A2"]])
        undo(study, user)
        assert [one.order.accession_number for one in study.procedures.all()] == ["A1"]
        assert [step.status for step in self.steps()] == ["completed", "scheduled"]
        (item,) = ReadingItem.objects.exclude(status="withdrawn").filter(studies=study)
        assert [one.order.accession_number for one in item.procedures.all()] == ["A1"]

    def test_they_are_of_one_patient(self, hospital: Hospital, study: Study, user: User) -> None:
        hospital.order("B1", hospital.patient("P2", "REAL^RITA", birth_date="19350517"))
        with pytest.raises(Conflict, match="several patients"):
            decide(Link(scheduled_procedure_steps=self.steps()), study, user)
        with pytest.raises(Missing):
            decide(Link(), study, user)
