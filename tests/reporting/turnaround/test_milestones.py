"""When things happened, from acts and headers: the earliest that stands, in whatever order they came."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Facility, User
from archive.models import Instance, Series, Study
from reporting.models import ReadingItem
from reporting.turnaround import milestones, period_figures
from reporting.turnaround.milestones import Performed, performed, together
from reporting.turnaround.period_figures import Question
from tests.actors import stamped_as
from tests.conftest import EIGHT
from worklist.models import Order, ScheduledProcedureStep, StatusEvent
from worklist.orders import order_application
from worklist.orders.order_content import OrderContent, ProcedureContent, StepContent
from worklist.orders.order_update import Number, OrderUpdate, ProcedureUpdate, StepUpdate
from worklist.patients import identity
from worklist.patients.identifiers import Authority, Identifier
from worklist.provenance import Provenance
from worklist.schedule import step_actions

K = StatusEvent.Kind


def at(minute: float) -> datetime:
    return EIGHT + timedelta(minutes=minute)


def place(provenance: Provenance, number: str = "1", **values: Any) -> Order:
    with transaction.atomic():
        patient = identity.register(
            provenance=provenance,
            identifiers=[Identifier("P1", Authority("GENHOSP"), "MR")],
            demographics={"name": "BARS^ANNA"},
        )
        procedure = ProcedureUpdate(
            content=ProcedureContent(code="71260", description="CT chest"),
            steps=[StepUpdate(content=StepContent(modality="CT", start=at(30)))],
        )
        content = OrderContent(patient_id=patient.pk, accession_number=f"A{number}", **values)
        update = OrderUpdate(placer=Number(f"PL{number}", "HIS"), content=content, procedures=[procedure])
        return order_application.apply(update=update, provenance=provenance)


def act(order: Order, kind: str, provenance: Provenance) -> None:
    step = ScheduledProcedureStep.objects.get(procedure__order=order)
    with transaction.atomic(), stamped_as(provenance) as actor:
        step_actions.change_step(by=actor, step=step, kind=kind)


def make_item(
    facility: Facility, order: Order | None, study: Study | None = None, **values: Any
) -> ReadingItem:
    item = ReadingItem.objects.create(
        **{
            "facility": facility,
            "key": "k",
            "ready_at": at(90),
            "due_at": at(150),
            "modality": "CT",
            **values,
        }
    )
    if order:
        item.procedures.set(order.procedures.all())
    if study:
        item.studies.add(study)
    return item


# Pure


def test_a_procedure_is_completed_with_its_last_step_and_only_when_all_ended() -> None:
    one, two = [(K.START, at(0)), (K.COMPLETE, at(10))], [(K.COMPLETE, at(20))]
    assert performed([], [one, two]) == Performed(started=at(0), completed=at(20))
    assert performed([], [one, []]).completed is None
    assert performed([], [one, [(K.NO_SHOW, at(5))]]).completed == at(10)


def test_the_earliest_end_stands_in_any_order() -> None:
    acts = [
        (K.ARRIVE, at(1)),
        (K.ARRIVE, at(3)),
        (K.COMPLETE, at(9)),
        (K.CANCEL, at(20)),
        (K.COMPLETE, at(12)),
    ]
    for order in itertools.permutations(acts):
        assert performed([], [list(order)]) == Performed(arrived=at(1), completed=at(9))


def test_an_order_that_is_cancelled_leaves() -> None:
    assert performed([(K.CANCEL, at(4))], [[(K.ARRIVE, at(1))], []]) == Performed(
        arrived=at(1), withdrawn=at(4)
    )


def test_procedures_reported_together_are_completed_with_the_last() -> None:
    done, later, gone, waits = (
        Performed(completed=at(5)),
        Performed(completed=at(8)),
        Performed(withdrawn=at(2)),
        Performed(),
    )
    assert together([done, later, gone]).completed == at(8)
    assert together([done, waits]).completed is None
    assert together([gone]).withdrawn == at(2)


@pytest.mark.parametrize(
    ("date", "time", "moment"),
    [
        ("20260302", "090000.5", (8, 0)),
        ("20260302", "0900", (8, 0)),
        ("20260302090000+0130", "", (7, 30)),
        ("2026.03.02", "09:00:00", (8, 0)),
        ("yesterday", "", None),
    ],
)
def test_dates_and_times_of_headers_are_read_in_the_zone_of_the_study(
    date: str, time: str, moment: tuple[int, int] | None
) -> None:
    """PS3.5 6.2: DA, TM, DT, also as ACR-NEMA wrote them."""
    from zoneinfo import ZoneInfo

    wanted = datetime(2026, 3, 2, *moment, tzinfo=UTC) if moment else None
    assert milestones._moment(date, time, ZoneInfo("Europe/Berlin")) == wanted


# With rows


@pytest.mark.django_db
def test_an_items_times_are_those_of_its_orders_acts(
    facility: Facility, provenance: Callable[..., Provenance]
) -> None:
    order = place(provenance(5))
    place(provenance(2))  # the same order, told again by an earlier message that came later
    for kind, minute in ((K.ARRIVE, 20), (K.START, 31), (K.COMPLETE, 55)):
        act(order, kind, provenance(minute))
    item = make_item(facility, order)
    milestones.refresh(item)
    item = ReadingItem.objects.get()
    times = (item.ordered_at, item.scheduled_at, item.arrived_at, item.started_at, item.completed_at)
    assert times == (at(2), at(30), at(20), at(31), at(55))


@pytest.mark.django_db
def test_an_undone_act_counts_no_more(facility: Facility, provenance: Callable[..., Provenance]) -> None:
    order = place(provenance(0))
    act(order, K.ARRIVE, provenance(20))
    item = make_item(facility, order)
    milestones.refresh(item)
    with transaction.atomic(), stamped_as(provenance(21)) as actor:
        step_actions.undo(by=actor, act=StatusEvent.objects.get())
    milestones.refresh(item)
    assert item.arrived_at is None


@pytest.mark.django_db
def test_without_a_completion_the_last_image_before_it_was_ready_tells(facility: Facility) -> None:
    study = Study.objects.create(
        facility=facility,
        study_instance_uid="2.25.1",
        first_received_at=at(60),
        last_received_at=at(80),
        study_date="20260302",
        study_time="090000",
        header={"timezone_offset": "+0200"},
    )
    item = make_item(facility, None, study)
    milestones.refresh(item)
    assert item.completed_at == at(-60)
    series = Series.objects.create(study=study, series_instance_uid="2.25.2", modality="CT")
    later = Series.objects.create(study=study, series_instance_uid="2.25.3", modality="SR")
    taken = ((series, "101500", 60), (series, "094500", 60), (later, "180000", 60), (series, "110000", 91))
    for number, (row, time, received) in enumerate(taken):
        Instance.objects.create(
            sop_instance_uid=f"2.25.1{number}",
            sop_class_uid="1",
            study_instance_uid="2.25.1",
            series_instance_uid=row.series_instance_uid,
            series=row,
            received_at=at(received),
            header={"acquisition_date": "20260302", "acquisition_time": time},
        )
    milestones.refresh(item)
    assert item.completed_at == at(15)


@pytest.mark.django_db
def test_a_cancel_leaves_all_views_at_once(
    facility: Facility, user: User, provenance: Callable[..., Provenance]
) -> None:
    """An order without an item waits for its exam, until it is cancelled."""
    order = place(provenance(0))
    act(order, K.ARRIVE, provenance(20))
    question = Question(at(-60), at(300), at(200), ("access", "wait", "rtat_r"), group_by=("modality",))
    found = period_figures.report(user, question)
    assert [(found.intervals[name].waiting, found.intervals[name].n) for name in ("access", "wait")] == [
        (1, 1)
    ] * 2
    assert found.groups[0].titles == ("CT",)
    with transaction.atomic(), stamped_as(provenance(40)) as actor:
        step_actions.cancel(by=actor, order=order, reason="entered twice")
    found = period_figures.report(user, question)
    assert [
        (found.intervals[name].waiting, found.intervals[name].withdrawn) for name in ("access", "wait")
    ] == [(0, 1)] * 2
    as_before = period_figures.report(user, Question(at(-60), at(300), at(30), ("wait",)))
    assert as_before.intervals["wait"].waiting == 1


@pytest.mark.django_db
def test_a_completed_exam_without_images_waits(
    facility: Facility, user: User, provenance: Callable[..., Provenance]
) -> None:
    order = place(provenance(0))
    for kind, minute in ((K.START, 10), (K.COMPLETE, 20)):
        act(order, kind, provenance(minute))
    question = Question(at(-60), at(300), at(200), ("rtat_r", "image_lag"))
    assert period_figures.report(user, question).intervals["rtat_r"].waiting == 1
    make_item(facility, order, ordered_at=at(0), started_at=at(10), completed_at=at(20), final_at=at(120))
    found = period_figures.report(user, question).intervals["rtat_r"]
    assert (found.n, found.done) == (1, 1), "it is not counted twice"
