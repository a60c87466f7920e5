"""What the placer hears of an order while its images come, turn out to be another's, and come again."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from archive.decisions.create_order import CreateOrder
from archive.decisions.decision_frame import decide, revision
from archive.decisions.link import Link
from archive.decisions.preview import preview, preview_undo
from archive.decisions.reject import Reject
from archive.decisions.undo import undo as undo_decision
from archive.models import Series, Study, StudyException
from interfaces.hl7.destination_options import DestinationOptions
from interfaces.hl7.models import Destination, OutboundMessage
from interfaces.hl7.outbound.messages import order_status
from ledger.stamps import Stamp
from tests.actors import acting
from tests.archive.hospital import NOW, Hospital
from worklist.models import Order, ScheduledProcedureStep, StatusEvent
from worklist.orders import order_application
from worklist.orders.order_update import Number, OrderUpdate
from worklist.schedule import step_actions

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def his(db: None) -> Destination:
    return Destination.objects.create(name="HIS", host="127.0.0.1", port=1)


@pytest.fixture
def mismatch(hospital: Hospital) -> Study:
    hospital.patient()
    hospital.order("A1", hospital.patient("P2", "REAL^RITA", birth_date="19350517"))
    return hospital.study("A1")


def told() -> list[tuple[str, str]]:
    rows = OutboundMessage.objects.order_by("pk")
    return [(row.facts["accession_number"], row.facts["status"]) for row in rows]


def link(study: Study, user: User) -> None:
    step = ScheduledProcedureStep.objects.get(procedure__order__accession_number="A1")
    with transaction.atomic():
        decide(Link(step), study=study, reason="seen", by=acting(user), expected=revision(study))


def undo(study: Study, user: User) -> None:
    with transaction.atomic():
        undo_decision(exception=StudyException.objects.get(study=study), reason="no", by=acting(user))


def test_ip_and_sc_are_told_in_turn(mismatch: Study, user: User) -> None:
    assert told() == []
    for _ in range(2):
        link(mismatch, user)
        undo(mismatch, user)
    assert told() == [("A1", "CM"), ("A1", "SC")] * 2
    facts = OutboundMessage.objects.order_by("-pk")[0].facts
    orc = dict(order_status.segments(facts, DestinationOptions()))["ORC"]
    assert (orc[1], orc[5]) == ("SC", "SC")
    assert facts["study_instance_uid"] == mismatch.study_instance_uid


def test_nothing_is_taken_back_that_was_not_said_or_that_other_images_still_say(
    hospital: Hospital,
    user: User,
) -> None:
    hospital.order("A1", hospital.patient())
    one, other = hospital.study("A1"), hospital.study("A1")
    assert told() == [("A1", "CM")] * 2
    with transaction.atomic():
        decide(Reject("113001"), study=one, reason="moved", by=acting(user), expected=0)
    assert told() == [("A1", "CM")] * 2
    with transaction.atomic():
        decide(Reject("113001"), study=other, reason="moved", by=acting(user), expected=0)
    assert told()[2:] == [("A1", "SC")]


def test_what_moves_no_step_is_no_start_and_images_after_it_are(hospital: Hospital) -> None:
    """A dose report alone leaves the order scheduled, here and at the placer."""
    hospital.order("A1", hospital.patient())
    study = hospital.study("A1", modalities=["SR"], series={"modality": "SR"})
    assert (study.verdict, Order.objects.get().status, told()) == ("matched", "scheduled", [])
    Series.objects.create(
        study=study, series_instance_uid="1.2.4.99", modality="CT", station_ae_title="CT1", instance_count=1
    )
    Study.objects.update(modalities=["CT", "SR"])
    hospital.judged(study)
    assert (Order.objects.get().status, told()) == ("completed", [("A1", "CM")])


def test_of_an_order_that_is_cancelled_while_its_images_come_no_start_is_told(hospital: Hospital) -> None:
    hospital.order("A1", hospital.patient())
    study = hospital.study("A1", at=timezone.now())
    cancel = OrderUpdate(placer=Number("PLA1", "HIS"), act=StatusEvent.Kind.CANCEL)
    with transaction.atomic():
        provenance = replace(hospital.provenance(NOW), stamp=Stamp(NOW))
        order_application.apply(update=cancel, provenance=provenance)
    at = NOW - timedelta(hours=1)
    Study.objects.update(first_received_at=at, last_received_at=at)
    study = hospital.judged(study)
    assert (study.verdict, list(study.procedures.all()) != []) == ("matched", True)
    assert (Order.objects.get().status, told()) == ("cancelled", [])


def test_of_an_order_that_was_placed_here_and_cancelled_the_end_is_told(
    hospital: Hospital,
    user: User,
) -> None:
    from worklist.models import ProcedureCode

    ProcedureCode.objects.create(code="71260", scheme="C4", description="CT chest", modality="CT")
    hospital.patient()
    study = hospital.study("N5")
    with transaction.atomic():
        decide(CreateOrder("71260"), study=study, reason="emergency", by=acting(user))
    undo(study, user)
    assert [status for _, status in told()] == ["CM", "CA"]


def test_the_placer_hears_what_people_make_of_its_order_and_that_they_took_it_back(
    hospital: Hospital, user: User
) -> None:
    hospital.order("A1", hospital.patient())
    step = ScheduledProcedureStep.objects.get()
    for kind in ("arrive", "start", "complete", "reopen", "cancel", "reopen"):
        with transaction.atomic():
            reason = "Patient refused" if kind == "cancel" else ""
            act = step_actions.change_step(
                by=acting(user), step=step, kind=StatusEvent.Kind(kind), reason=reason
            )
    with transaction.atomic():
        step_actions.undo(by=acting(user), act=act)
    rows = OutboundMessage.objects.order_by("pk")
    said = [(row.facts["control"], row.facts["status"], row.facts["reason"]) for row in rows]
    assert said == [
        ("SC", "SC", "Arrived"),
        ("SC", "IP", ""),
        ("SC", "CM", ""),
        ("SC", "IP", ""),
        ("OD", "DC", "Patient refused"),
        ("SC", "IP", ""),
        ("OD", "DC", ""),
    ]
    orc = dict(order_status.segments(rows[4].facts, DestinationOptions()))["ORC"]
    assert (orc[1], orc[5], orc[16]) == ("OD", "DC", ("", "Patient refused"))
    orc = dict(order_status.segments(rows[0].facts, DestinationOptions()))["ORC"]
    assert orc[25] == ("ARRIVED", "Arrived", "99RISPACS")


def test_a_no_show_and_its_undo_are_told_though_the_order_stays_open(hospital: Hospital, user: User) -> None:
    hospital.order("A1", hospital.patient())
    step = ScheduledProcedureStep.objects.get()
    with transaction.atomic():
        act = step_actions.change_step(
            by=acting(user), step=step, kind=StatusEvent.Kind.NO_SHOW, reason="No transport"
        )
    with transaction.atomic():
        step_actions.undo(by=acting(user), act=act)
    rows = OutboundMessage.objects.order_by("pk")
    said = [(row.facts["status"], row.facts["reason"]) for row in rows]
    assert said == [("SC", "No-show: No transport"), ("SC", "")]
    assert [row.facts["modifier"] for row in rows] == ["No-show", ""]


def test_an_arrival_and_its_undo_are_told(hospital: Hospital, user: User) -> None:
    hospital.order("A1", hospital.patient())
    step = ScheduledProcedureStep.objects.get()
    with transaction.atomic():
        act = step_actions.change_step(by=acting(user), step=step, kind=StatusEvent.Kind.ARRIVE)
    with transaction.atomic():
        step_actions.undo(by=acting(user), act=act)
    rows = OutboundMessage.objects.order_by("pk")
    assert [(row.facts["status"], row.facts["modifier"]) for row in rows] == [("SC", "Arrived"), ("SC", "")]


def test_when_images_go_the_order_is_what_people_have_made_of_it(mismatch: Study, user: User) -> None:
    link(mismatch, user)
    with transaction.atomic():
        step_actions.change_step(
            by=acting(user), step=ScheduledProcedureStep.objects.get(), kind=StatusEvent.Kind.COMPLETE
        )
    undo(mismatch, user)
    assert told() == [("A1", "CM"), ("A1", "CM")], "completed by a person all the same"


def test_a_preview_names_the_messages_and_sends_none(mismatch: Study, user: User) -> None:
    step = ScheduledProcedureStep.objects.get()

    with transaction.atomic():
        effects = preview(Link(step), study=mismatch, reason="", by=acting(user))
    said = [effect.text for effect in effects]
    assert "HIS is told: order A1 is completed (ORM SC/CM)" in said
    assert told() == []
    link(mismatch, user)
    row = StudyException.objects.get()
    with transaction.atomic():
        effects = preview_undo(exception=row, reason="", by=acting(user))
    said = [effect.text for effect in effects]
    assert "HIS is told: order A1 is scheduled again (ORM SC/SC)" in said
    assert told() == [("A1", "CM")]
