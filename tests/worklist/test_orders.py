"""Orders: what a message says, what the catalogue adds, what people do."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Facility, User
from ledger.errors import Conflict, Invalid, Missing, UnknownCode
from ledger.models import Event
from tests.actors import acting
from worklist.models import (
    AssigningAuthority,
    Order,
    OrderNumber,
    Patient,
    PatientLink,
    ProcedureCode,
    ScheduledProcedureStep,
    Station,
    StatusEvent,
    Visit,
)
from worklist.orders import order_application
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.patients import identity
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance
from worklist.schedule import step_actions

pytestmark = pytest.mark.django_db
Make = Callable[..., Provenance]
START = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)


def register(provenance: Provenance, value: str = "P1", **demographics: Any) -> Patient:
    with transaction.atomic():
        return identity.register(
            provenance=provenance,
            identifiers=[Identifier(value, Authority("GENHOSP"), "MR")],
            demographics=demographics,
        )


def place(
    provenance: Provenance, *, placer: str = "PL1", act: StatusEvent.Kind | None = None, **step: Any
) -> Order:
    patient = register(provenance, name="BARS^ANNA")
    update = OrderUpdate(
        placer=Number(placer, "HIS"),
        act=act,
        content=OrderContent(patient_id=patient.pk, accession_number="A1"),
        procedures=[
            ProcedureUpdate(
                content=ProcedureContent(code=step.pop("code", "71260"), scheme="C4"),
                steps=[StepUpdate(content=StepContent(**{"modality": "CT", "start": START, **step}))],
            )
        ],
    )
    with transaction.atomic():
        return order_application.apply(update=update, provenance=provenance)


def end(
    provenance: Provenance, kind: StatusEvent.Kind = StatusEvent.Kind.CANCEL, placer: str = "PL1"
) -> Order:
    with transaction.atomic():
        return order_application.apply(
            update=OrderUpdate(placer=Number(placer, "HIS"), act=kind), provenance=provenance
        )


def test_a_step_is_on_the_worklist_at_the_local_time(provenance: Make) -> None:
    place(provenance())
    step = ScheduledProcedureStep.objects.get()
    assert step.on_worklist
    assert (step.local_date, step.local_time) == ("20260302", "233000"), "Berlin is an hour ahead"


def test_numbers_that_were_left_out_are_made_up_and_stay_the_same(provenance: Make) -> None:
    place(provenance())
    step = ScheduledProcedureStep.objects.get()
    made = (
        step.scheduled_procedure_step_id,
        step.procedure.requested_procedure_id,
        step.procedure.study_instance_uid,
    )
    assert all(len(number) == 16 for number in made[:2])
    assert made[2].startswith("2.25.") and len(made[2]) <= 64
    place(provenance(5))
    step.refresh_from_db()
    assert step.procedure.study_instance_uid == made[2]
    assert ScheduledProcedureStep.objects.count() == 1


def test_an_order_without_a_start_is_due_on_receipt(provenance: Make) -> None:
    place(provenance(), start=None)
    step = ScheduledProcedureStep.objects.get()
    assert step.due == Order.objects.get().content_received_at


def test_a_cancel_before_its_order_leaves_a_tombstone_that_fills_in(provenance: Make) -> None:
    end(provenance(5))
    order = Order.objects.get()
    assert (order.status, order.patient) == ("cancelled", None)
    place(provenance(1))
    order.refresh_from_db()
    assert order.status == "cancelled" and order.accession_number == "A1"
    assert not ScheduledProcedureStep.objects.get().on_worklist


def test_a_cancel_after_the_start_discontinues(provenance: Make) -> None:
    place(provenance())
    place(provenance(1), act=StatusEvent.Kind.START)
    assert end(provenance(2)).status == "discontinued"


def test_an_order_is_cancelled_after_its_exam_was_completed_and_a_later_order_only_changes_content(
    provenance: Make,
) -> None:
    place(provenance(), act=StatusEvent.Kind.COMPLETE)
    end(provenance(3))
    order = place(provenance(4), location="Room 9")
    assert (order.status, ScheduledProcedureStep.objects.get().status) == ("cancelled", "completed")
    assert ScheduledProcedureStep.objects.get().location == "Room 9"


def test_two_numbers_named_together_are_one_order(provenance: Make) -> None:
    place(provenance())
    with transaction.atomic():
        order_application.apply(
            update=OrderUpdate(filler=Number("FL1", "RIS"), act=StatusEvent.Kind.HOLD),
            provenance=provenance(1),
        )
    assert Order.objects.count() == 2
    with transaction.atomic():
        order = order_application.apply(
            update=OrderUpdate(placer=Number("PL1", "HIS"), filler=Number("FL1", "RIS")),
            provenance=provenance(2),
        )
    assert Order.objects.count() == 1 and order.numbers.count() == 2
    assert order.status == "held" and ScheduledProcedureStep.objects.count() == 1


def test_the_catalogue_fills_in_what_nobody_said(provenance: Make) -> None:
    ProcedureCode.objects.create(
        code="71260",
        scheme="C4",
        description="CT chest",
        modality="CT",
        station_group="CT",
        body_part="CHEST",
    )
    place(provenance(), modality=None)
    step = ScheduledProcedureStep.objects.get()
    assert (step.modality, step.station_group, step.description) == ("CT", "CT", "CT chest")
    assert step.procedure.body_part == "CHEST"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"modality": None}, UnknownCode),
        ({"code": "", "modality": None}, Missing),
        ({"station_ae_title": "A" * 17}, Invalid),
    ],
)
def test_what_can_not_be_kept_whole_is_refused_and_changes_nothing(
    provenance: Make, changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        place(provenance(), **changes)
    assert not Order.objects.exists()


def test_an_order_without_any_number_is_refused(provenance: Make) -> None:
    with pytest.raises(Missing), transaction.atomic():
        order_application.apply(update=OrderUpdate(), provenance=provenance())


def test_people_arrive_start_and_complete_a_step(provenance: Make, user: User, facility: Facility) -> None:
    place(provenance())
    step = ScheduledProcedureStep.objects.get()
    for kind, status in (("arrive", "arrived"), ("start", "started"), ("complete", "completed")):
        with transaction.atomic():
            act = step_actions.change_step(step=step, kind=StatusEvent.Kind(kind), by=acting(user))
        assert act.step and act.step.status == status
    assert Order.objects.get().status == "completed"
    with pytest.raises(Conflict), transaction.atomic():
        step_actions.change_step(step=step, kind=StatusEvent.Kind.ARRIVE, by=acting(user))
    assert Event.objects.filter(kind="step.status").count() == 3


def test_an_undone_act_no_longer_counts(provenance: Make, user: User, facility: Facility) -> None:
    place(provenance())
    end(provenance(1))
    with transaction.atomic():
        order = step_actions.undo(act=StatusEvent.objects.get(), by=acting(user))
    assert order.status == "scheduled" and ScheduledProcedureStep.objects.get().on_worklist


def test_a_cancellation_by_a_person_needs_a_reason(provenance: Make, user: User, facility: Facility) -> None:
    order = place(provenance())
    with pytest.raises(Missing), transaction.atomic():
        step_actions.cancel(order=order, by=acting(user), reason=" ")


def _constraint_breakers(facility: Facility) -> dict[str, Callable[[], Any]]:
    authority, _ = AssigningAuthority.objects.get_or_create(namespace="GENHOSP")
    patient = Patient.objects.get()
    order = Order.objects.get()
    step = ScheduledProcedureStep.objects.get()
    now = datetime.now(UTC)
    return {
        "a second record for an identifier": lambda: Patient.objects.create(
            facility=facility, authority=authority, value="P1"
        ),
        "a record without identifier": lambda: Patient.objects.create(
            facility=facility, authority=authority, value=""
        ),
        "a record linked to itself": lambda: PatientLink.objects.create(
            retired=patient, survivor=patient, kind="merge", stamp="1"
        ),
        "two orders of one number": lambda: OrderNumber.objects.create(
            order=Order.objects.create(facility=facility, first_received_at=now),
            kind="placer",
            value="PL1",
            namespace="HIS",
        ),
        "an empty order number": lambda: OrderNumber.objects.create(order=order, kind="filler", value=""),
        "two steps of one ID in a procedure": lambda: ScheduledProcedureStep.objects.create(
            procedure=step.procedure,
            scheduled_procedure_step_id=step.scheduled_procedure_step_id,
            due=now,
            local_date="",
            local_time="",
        ),
        "an act twice": lambda: [
            StatusEvent.objects.create(order=order, kind="hold", stamp="1", occurred_at=now) for _ in range(2)
        ],
        "two visits of one number": lambda: [
            Visit.objects.create(facility=facility, authority=authority, number="V1", patient=patient)
            for _ in range(2)
        ],
        "two stations of one AE title": lambda: [Station.objects.create(ae_title="CT1") for _ in range(2)],
    }


@pytest.mark.parametrize(
    "name",
    [
        "a second record for an identifier",
        "a record without identifier",
        "a record linked to itself",
        "two orders of one number",
        "an empty order number",
        "two steps of one ID in a procedure",
        "an act twice",
        "two visits of one number",
        "two stations of one AE title",
    ],
)
def test_the_database_refuses(provenance: Make, facility: Facility, name: str) -> None:
    place(provenance())
    breakers = _constraint_breakers(facility)
    with pytest.raises(IntegrityError), transaction.atomic():
        breakers[name]()
